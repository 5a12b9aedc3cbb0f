"""What only rows can tell is unknown and no error; what would write elsewhere than to a bucket is not run."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, pipeline, task
from glacier.providers import LocalProvider

SALES = pl.Schema({"id": pl.Int64(), "region": pl.String(), "amount": pl.Float64()})
provider = LocalProvider(base_path="./no-data-here")
sales = provider.bucket("sales", path="may.parquet", schema=SALES)


@task
def taxed(df: pl.DataFrame) -> pl.DataFrame:
    return df.with_columns(tax=pl.col("amount") * 0.2)


@task
def first_amount(df: pl.DataFrame) -> pl.DataFrame:
    return df.head(int(df["amount"].item(0)))


@task
def mean_of_rows(df: pl.DataFrame) -> pl.DataFrame:
    return df.with_columns(mean=1 / df.height)


@task
def where_there(source: Bucket) -> pl.LazyFrame:
    return source.scan() if source.exists() else pl.LazyFrame(schema=SALES)


@task
def newest(source: Bucket) -> pl.LazyFrame:
    try:
        return source.at(max(source.list())).scan()
    except Exception as error:
        raise AssertionError("what a check cannot tell is no error of the task") from error


@task
def from_rows(df: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame([{"double": 2 * row["amount"]} for row in df.iter_rows(named=True)])


@task
def by_function(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.with_columns(twice=pl.col("amount").map_elements(float))


@task
def pivoted(df: pl.DataFrame) -> pl.DataFrame:
    return df.pivot(on="region", index="id", values="amount")


@task
def from_values(df: pl.DataFrame) -> pl.DataFrame:
    regions = df["region"].to_list()
    return pl.DataFrame({"region": regions, "length": [len(region) for region in regions]})


@task
def from_nothing(df: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([df, pl.DataFrame([(name,) for name in df["region"].to_list()])]).select("region")


@task
def nested_runs(df: pl.DataFrame) -> pl.DataFrame:
    return empty_pipeline.run()


@pipeline
def empty_pipeline() -> pl.DataFrame:
    return taxed(pl.DataFrame(schema=SALES))


@pytest.mark.parametrize(
    ("step", "source", "reason"),
    [
        (first_amount, sales.read, "on empty frames it raises IndexError: "),
        (mean_of_rows, sales.read, "on empty frames it raises ZeroDivisionError: "),
        (newest, lambda: provider.bucket("daily", path="days/"), "it asks `list` of `daily/days/`"),
        (where_there, lambda: provider.bucket("raw", path="x.csv"), "it asks `exists` of `raw/x.csv`"),
        (from_rows, sales.read, "what `iter_rows` gives is known only in a run; declare gives= on the task"),
        (by_function, sales.scan, "what `map_elements` gives is known only in a run; declare gives= on the task"),
        (pivoted, sales.read, "what `pivot` gives is known only in a run; declare gives= on the task"),
        (from_values, sales.read, "of empty frames it makes column `region` without a dtype"),
        (from_nothing, sales.read, "on empty frames it raises ShapeError: "),
        (nested_runs, sales.read, "it runs pipeline `empty_pipeline`"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_only_rows_tell_is_unknown_and_no_error(step: Any, source: Any, reason: str) -> None:
    @pipeline
    def looking() -> None:
        step(source())

    call = looking.check().calls[-1]
    assert (dict(call.frames), call.reason[: len(reason)]) == ({}, reason)


def saved_by(df: pl.DataFrame, path: str) -> None:
    df.write_parquet(path)


@task
def overwriting(df: pl.LazyFrame) -> pl.LazyFrame:
    df.collect().write_parquet("mine.parquet")
    return df


@task
def overwriting_by_a_helper(df: pl.DataFrame, place: str) -> pl.DataFrame:
    saved_by(df, place)
    return df


@task
def overwriting_by_open(df: pl.DataFrame) -> pl.DataFrame:
    with open("mine.parquet", "wb") as file:  # noqa: PTH123
        file.write(b"")
    return df


@task
def overwriting_by_argument(df: pl.DataFrame, place: str) -> pl.DataFrame:
    df.write_parquet(place)
    return df


@task
def careful(df: pl.DataFrame, target: Bucket, place: str) -> pl.DataFrame:
    uri = target.get_uri()
    other = f"{uri}.more"
    df.write_parquet(other)
    df.write_ipc(place)
    buffer = BytesIO()
    df.write_ipc(buffer)
    return df.with_columns(text=pl.lit(df.write_csv()))


@pytest.mark.parametrize(
    ("step", "given", "method"),
    [
        (overwriting, (), "write_parquet"),
        (overwriting_by_a_helper, ("mine.parquet",), "write_parquet"),
        (overwriting_by_open, (), "open"),
        (overwriting_by_argument, ("mine.parquet",), "write_parquet"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_task_that_writes_elsewhere_than_to_a_bucket_is_not_run(
    step: Any, given: Any, method: str, in_tmp: Path
) -> None:
    Path("mine.parquet").write_text("precious")

    @pipeline
    def overwrites() -> None:
        step(sales.read() if step is not overwriting else sales.scan(), *given)

    assert overwrites.check().calls[-1].reason == f"it calls `{method}` on a path that is no bucket's"
    assert Path("mine.parquet").read_text() == "precious"


def test_a_task_that_writes_to_uris_is_run(in_tmp: Path) -> None:
    @pipeline
    def writes() -> None:
        out = LocalProvider(in_tmp).bucket("out", path="a.parquet")
        careful(sales.read(), out, out.at("b.arrow").get_uri())

    assert writes.check()["careful"].names() == ["id", "region", "amount", "text"]
    assert list(in_tmp.iterdir()) == []


def test_a_task_without_source_is_not_run() -> None:
    made: dict[str, Any] = {"pl": pl, "task": task}
    exec("@task\ndef hidden(df: pl.LazyFrame) -> pl.LazyFrame:\n    return df", made)

    @pipeline
    def hiding() -> None:
        made["hidden"](sales.scan())

    assert [call.reason for call in hiding.check().calls if not call.frames] == [
        "the source of `hidden` cannot be had to see that it writes nothing",
    ]


def test_warnings_that_missing_rows_cause_are_not_shown() -> None:
    @task
    def largest(df: pl.DataFrame) -> pl.DataFrame:
        return df.filter(pl.col("amount") == df["amount"].max())

    @pipeline
    def comparing() -> None:
        largest(sales.read())

    assert comparing.check()["largest"] == SALES
