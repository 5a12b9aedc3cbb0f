"""Declared schemas: of buckets, of what tasks take and give; models of dataframely and pandera; files without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dataframely as dy
import pandera.polars as pa
import polars as pl
import pytest
from pandera.typing.polars import DataFrame as PanderaDataFrame
from pandera.typing.polars import LazyFrame as PanderaLazyFrame

from glacier import Bucket, Pipeline, pipeline, task
from glacier.errors import ConfigError, SchemaError, TaskError
from glacier.providers import LocalProvider

Line = Callable[[str], str]

SALES = pl.Schema({"id": pl.Int64(), "region": pl.String(), "amount": pl.Float64()})
provider = LocalProvider(base_path="./no-data-here")
sales = provider.bucket("sales", path="may.parquet", schema=SALES)


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def taxed(df: pl.DataFrame) -> pl.DataFrame:
    return df.with_columns(tax=pl.col("amount") * 0.2)


def refused(checked: Pipeline[Any, Any], **options: Any) -> str:
    with pytest.raises(SchemaError) as caught:
        checked.check(**options)
    return str(caught.value)


@task
def pivoted(df: pl.DataFrame) -> pl.DataFrame:
    return df.pivot(on="region", index="id", values="amount")


# Contracts


class Sales(dy.Schema):
    id = dy.Int64()
    amount = dy.Float64()


class Priced(pa.DataFrameModel):
    id: int
    price: float


class Filled(Priced):
    @pa.dataframe_check
    @classmethod
    def some(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.len() > 0)


@task(takes={"df": {"id": pl.Int64, "price": pl.Float64}})
def priced(df: pl.LazyFrame) -> None: ...


@task(gives={"id": pl.Int64, "tax": pl.Float64})
def misnamed(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.select("id", taxes=pl.col("amount") * 0.2)


@task(gives=Sales)
def counted_rows(df: pl.LazyFrame) -> pl.DataFrame:
    return pl.DataFrame([{"id": 1, "amount": float(row[0])} for row in df.collect().iter_rows()])


@task
def typed(df: dy.DataFrame[Sales]) -> dy.DataFrame[Sales]:
    return Sales.validate(df.select("id", "amount"))


@task
def wrongly_typed(df: PanderaLazyFrame[Priced]) -> PanderaDataFrame[Priced]:
    return df.collect()  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # pandera's own idiom


def test_a_frame_handed_on_that_does_not_fit_what_a_task_takes(line: Line) -> None:
    @pipeline
    def handing() -> None:
        priced(load(sales))

    assert refused(handing) == (
        "task `priced` does not get in `df` what it declares to take: column `price` is not there\n"
        "    `df` from `load`: id Int64, region String, amount Float64\n"
        f"  at {line('priced(load(sales))')}\n"
        "     priced(load(sales))\n"
        "  Fix: change what `load` gives, or correct what `priced` declares"
    )


def test_dtypes_that_do_not_fit_are_told_briefly() -> None:
    @task(takes={"df": {"at": pl.Datetime("us", "UTC"), "kind": pl.Enum(["a"]), "price": pl.Decimal(10, 2)}})
    def dated(df: pl.LazyFrame) -> None: ...

    @pipeline
    def handing() -> None:
        other = {"at": pl.Datetime("ms"), "kind": pl.Enum(["b"]), "price": pl.List(pl.Decimal(10, 3))}
        dated(provider.bucket("x", path="x.parquet", schema=other).scan())

    assert refused(handing).splitlines()[:2] == [
        "task `dated` does not get in `df` what it declares to take: `at` is Datetime(ms), not Datetime(us, UTC) and "
        "`kind` is another Enum and `price` is List(Decimal(10, 3)), not Decimal(10, 2)",
        "    `df` from `x.scan`: at Datetime(ms), kind Enum, price List(Decimal(10, 3))",
    ]


def test_a_result_that_does_not_fit_what_a_task_gives(line: Line) -> None:
    @pipeline
    def giving() -> None:
        misnamed(load(sales))

    assert refused(giving) == (
        "task `misnamed` does not give what it declares to: column `tax` is not there\n"
        f"  at {line('def misnamed(df')}\n"
        "     def misnamed(df: pl.LazyFrame) -> pl.LazyFrame:\n"
        "  Fix: did you mean `taxes`? Else return a frame that fits, or correct what `misnamed` declares"
    )


def test_models_of_dataframely_and_pandera(line: Line) -> None:
    @pipeline
    def modelled() -> None:
        bucket = provider.bucket("sales", path="may.parquet", schema=Sales)
        typed(counted_rows(load(bucket)))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    check = modelled.check()
    assert check["counted_rows"] == check["typed"] == pl.Schema({"id": pl.Int64(), "amount": pl.Float64()})

    @pipeline
    def mistyped() -> None:
        wrongly_typed(load(sales))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    assert refused(mistyped).startswith(
        "task `wrongly_typed` does not get in `df` what it declares to take: column `price` is not there\n"
    )


@task
def validated(df: pl.DataFrame) -> pl.DataFrame:
    return Sales.validate(df)


@task
def validated_by_pandera(df: pl.DataFrame) -> pl.DataFrame:
    return Priced.validate(df)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (validated, "task `validated` cannot run ({site}): 1 missing columns for schema 'Sales': 'amount'\n"),
        (validated_by_pandera, "task `validated_by_pandera` cannot run ({site}): column 'price' not in dataframe\n"),
    ],
    ids=["dataframely", "pandera"],
)
def test_a_model_that_a_task_validates_with(step: Any, told: str, line: Line) -> None:
    @pipeline
    def validating() -> None:
        step(provider.bucket("x", path="x.parquet", schema={"id": pl.Int64}).read())

    site = line("return Sales.validate(df)" if step is validated else "return Priced.validate(df)")
    assert refused(validating).startswith(told.format(site=site))
    assert refused(validating).endswith("  Fix: add the column above, or change the model")


@pytest.mark.parametrize("lazy", [False, True])
def test_a_model_that_looks_at_rows(lazy: bool, line: Line) -> None:
    @task
    def filled(df: pl.DataFrame) -> pl.DataFrame:
        return Filled.validate(df, lazy=lazy)

    @pipeline
    def validating() -> None:
        filled(provider.bucket("x", path="x.parquet", schema={"id": pl.Int64, "price": pl.Float64}).read())

    assert validating.check().calls[-1].reason.startswith("on empty frames it raises SchemaError")

    @pipeline
    def failing() -> None:
        filled(provider.bucket("x", path="x.parquet", schema={"id": pl.Int64}).read())

    site = line("return Filled.validate(df, lazy=lazy)")
    assert refused(failing).startswith(f"task `filled` cannot run ({site}): column 'price' not in dataframe\n")


def test_what_a_task_takes_stands_in_for_what_is_not_known() -> None:
    @task(takes={"df": SALES})
    def certain(df: pl.DataFrame) -> pl.DataFrame:
        return taxed(df)

    @pipeline
    def uncertain() -> None:
        certain(pivoted(sales.read()))

    assert uncertain.check()["certain"].names() == ["id", "region", "amount", "tax"]


def test_a_schema_that_is_none(line: Line) -> None:
    with pytest.raises(ConfigError) as caught:
        provider.bucket("raw", path="x.csv", schema=["id"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert str(caught.value).startswith(
        "the schema of bucket `raw` is a list, and takes columns with their dtypes, or a model of dataframely or "
        "pandera\n"
    )
    with pytest.raises(ConfigError) as caught:
        provider.bucket("raw", path="x.csv", schema={"id": "Int64"})
    assert str(caught.value).startswith("column `id` in the schema of bucket `raw` has no dtype of Polars\n")
    with pytest.raises(ConfigError) as caught:
        task(takes={"fd": SALES})(lambda df: df)  # pyright: ignore
    assert str(caught.value).endswith("Fix: did you mean `df`?")


# Sources on disk, and at run time


def test_footers_and_heads_of_local_files(in_tmp: Path) -> None:
    here = LocalProvider(base_path=in_tmp)
    frame = pl.DataFrame({"n": [1], "day": ["mon"]})
    for name in ("a.parquet", "a.arrow", "a.csv", "a.ndjson", "a.avro", "a.json"):
        here.bucket("raw", path=name).write(frame)
    here.bucket("raw", path="tree/").write(frame, partition_by="day")
    names = ("a.parquet", "a.arrow", "a.csv", "a.ndjson", "a.avro", "a.json", "tree/")

    @pipeline
    def reading() -> None:
        for name in names:
            load(here.bucket("raw", path=name))
        here.bucket("raw", path="a.csv").scan(row_index_name="i", schema={"x": pl.Int8})

    check = reading.check()
    assert [(one.name, one.origin, None if one.schema is None else dict(one.schema)) for one in check.sources] == [
        ("raw/a.parquet", "the data's footer", {"n": pl.Int64, "day": pl.String}),
        ("raw/a.arrow", "the data's footer", {"n": pl.Int64, "day": pl.String}),
        ("raw/a.csv", "given to the scan", {"i": pl.UInt32, "x": pl.Int8}),
        ("raw/a.ndjson", "the data's head", {"n": pl.Int64, "day": pl.String}),
        ("raw/a.avro", "the data's footer", {"n": pl.Int64, "day": pl.String}),
        ("raw/a.json", "JSON tells it only when it is read whole", None),
        ("raw/tree/", "the data's footer", {"n": pl.Int64, "day": pl.String}),
    ]


def test_a_scan_and_a_write_keep_to_the_declared_schema(in_tmp: Path, line: Line) -> None:
    here = LocalProvider(base_path=in_tmp)
    plain = here.bucket("raw", path="x.csv")
    plain.write(pl.DataFrame({"id": ["007"], "day": ["2024-05-17"], "more": [1]}))
    stated = here.bucket("raw", path="x.csv", schema={"id": pl.String, "day": pl.Date})
    assert plain.scan().collect_schema()["id"] == pl.Int64
    assert dict(stated.scan().collect_schema()) == {"id": pl.String, "day": pl.Date, "more": pl.Int64}
    assert stated == plain
    assert stated.scan().collect()["id"].to_list() == ["007"]

    lines = here.bucket("raw", path="x.ndjson", schema={"id": pl.Int8, "gone": pl.String})
    with pytest.raises(SchemaError) as caught:
        lines.write(pl.DataFrame({"id": [1], "gnoe": ["x"]}))
    assert str(caught.value) == (
        "a frame for `raw/x.ndjson` is not as its schema says: column `gone` is not there and `id` is Int64, not Int8\n"
        f"  at {line('lines = here.bucket(')}\n"
        '     lines = here.bucket("raw", path="x.ndjson", schema={"id": pl.Int8, "gone": pl.String})\n'
        "  Fix: did you mean `gnoe`? Else write a frame that fits, or correct schema="
    )
    here.bucket("raw", path="x.ndjson").write(pl.DataFrame({"id": [1], "gnoe": ["x"]}))
    with pytest.raises(SchemaError) as caught:
        lines.scan()
    assert str(caught.value) == (
        "the data of `raw/x.ndjson` is not as its schema says: column `gone` is not there\n"
        f"  at {line('lines = here.bucket(')}\n"
        '     lines = here.bucket("raw", path="x.ndjson", schema={"id": pl.Int8, "gone": pl.String})\n'
        "  Fix: did you mean `gnoe`? Else correct schema=, or write the data anew"
    )

    @pipeline
    def failing() -> pl.LazyFrame:
        return load(lines)

    with pytest.raises(TaskError, match=r"SchemaError: the data of `raw/x\.ndjson`"):
        failing.run()


def test_a_footer_of_a_file_that_is_none(in_tmp: Path) -> None:
    here = LocalProvider(base_path=in_tmp)
    broken = here.bucket("raw", path="x.parquet")
    Path(broken.get_uri()).write_text("id,amount")

    @pipeline
    def reading() -> None:
        load(broken)

    assert reading.check().sources[0].origin == f"`{broken.uri}` is not Parquet: it looks like text"
