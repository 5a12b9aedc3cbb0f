"""Checks: schemas along the edges of a graph, what does not fit, and that nothing is run, written or read for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, Pipeline, pipeline, task
from glacier.errors import SchemaError
from glacier.providers import LocalProvider

Line = Callable[[str], str]

SALES = pl.Schema({"id": pl.Int64(), "region": pl.String(), "amount": pl.Float64()})
provider = LocalProvider(base_path="./no-data-here")
sales = provider.bucket("sales", path="may.parquet", schema=SALES)
regions = provider.bucket("regions", path="all.parquet", schema={"id": pl.String, "name": pl.String})


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def clean(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.filter(pl.col("amout") > 0)


@task
def by_name(left: pl.LazyFrame, right: pl.LazyFrame) -> pl.LazyFrame:
    return left.join(
        right,
        on="id",
    )


@task
def above(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.filter(pl.col("region") > 3)


@task
def truthy(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.filter(pl.col("amount"))


@task
def shares(df: pl.LazyFrame) -> pl.LazyFrame:
    total = pl.col("amount").sum().over("regio")
    return df.with_columns(share=pl.col("amount") / total)


@task
def sums(df: pl.LazyFrame) -> pl.DataFrame:
    return df.group_by("territory").agg(pl.col("amount").sum()).collect()


@task
def narrowed(df: pl.LazyFrame) -> pl.LazyFrame:
    small = df.group_by("region").agg(pl.col("amount").sum())
    return small.select("region", "id")


@task
def shouted(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.with_columns(pl.col("amount").str.to_uppercase())


@task
def taxed(df: pl.DataFrame) -> pl.DataFrame:
    return df.with_columns(tax=pl.col("amount") * 0.2)


@task
def collected(df: pl.LazyFrame) -> pl.DataFrame:
    return df.collect()


def refused(checked: Pipeline[Any, Any], **options: Any) -> str:
    with pytest.raises(SchemaError) as caught:
        checked.check(**options)
    return str(caught.value)


# What is found


def test_a_missing_column_names_task_line_edge_and_the_nearest(line: Line) -> None:
    @pipeline
    def cleaning() -> pl.LazyFrame:
        df = load(sales)
        return clean(df)

    written = line('return df.filter(pl.col("amout")')
    assert refused(cleaning) == (
        f"task `clean` uses column `amout` ({written}), which `load` does not give\n"
        "    `df` from `load`: id Int64, region String, amount Float64\n"
        f"  at {line('return clean(df)')}\n"
        "     return clean(df)\n"
        "  Fix: did you mean `amount`?"
    )


def test_join_keys_of_different_dtypes(line: Line) -> None:
    @pipeline
    def joining() -> pl.LazyFrame:
        left = load(sales)
        right = load(regions)
        return by_name(left, right)

    written = line('on="id",')
    assert refused(joining) == (
        f"task `by_name` joins `id` ({written}), which is Int64 on the left and String on the right\n"
        "    `left` from `load[left]`: id Int64\n"
        "    `right` from `load[right]`: id String\n"
        f"  at {line('return by_name(left, right)')}\n"
        "     return by_name(left, right)\n"
        '  Fix: cast one of the two: `pl.col("id").cast(...)`'
    )


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (
            above,
            "task `above` cannot run: cannot compare string with numeric type (i32)\n"
            "    `df` from `load`: region String\n"
            "  at {site}\n     step(load(sales))\n"
            "  Fix: compare with a value of the column's dtype, or cast the column",
        ),
        (
            truthy,
            "task `truthy` cannot run: filter predicate must be of type `Boolean`, got `Float64`\n"
            "    `df` from `load`: amount Float64\n"
            "  at {site}\n     step(load(sales))\n"
            '  Fix: filter by a condition: `pl.col("amount") > 0`',
        ),
        (
            shouted,
            "task `shouted` cannot run: invalid series dtype: expected `String`, got `f64` for series with name "
            "`amount`\n"
            "    `df` from `load`: amount Float64\n"
            "  at {site}\n     step(load(sales))\n"
            "  Fix: cast the column, or use one of another dtype",
        ),
        (
            shares,
            "task `shares` uses column `regio` ({over}), which `load` does not give\n"
            "    `df` from `load`: id Int64, region String, amount Float64\n"
            "  at {site}\n     step(load(sales))\n"
            "  Fix: did you mean `region`?",
        ),
        (
            sums,
            "task `sums` uses column `territory` ({group}), which `load` does not give\n"
            "    `df` from `load`: id Int64, region String, amount Float64\n"
            "  at {site}\n     step(load(sales))\n"
            "  Fix: name a column that is there, or add it above",
        ),
        (
            narrowed,
            "task `narrowed` uses column `id` ({select}) where there are `region`, `amount`\n"
            "    `df` from `load`: id Int64, region String, amount Float64\n"
            "  at {site}\n     step(load(sales))\n"
            "  Fix: name a column that is there, or add it above",
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_does_not_fit_in_a_task(step: Any, told: str, line: Line) -> None:
    @pipeline
    def stepping() -> None:
        step(load(sales))

    assert refused(stepping) == told.format(
        site=line("step(load(sales))"),
        over=line('total = pl.col("amount")'),
        group=line('return df.group_by("territory")'),
        select=line('return small.select("region", "id")'),
    )


def test_a_step_that_is_not_lazy_is_told_with_its_line(line: Line) -> None:
    @task
    def eager(df: pl.DataFrame) -> pl.DataFrame:
        column = "amo" + "nut"
        return df.filter(pl.col("amount") > 0).select(
            column,
        )

    @task
    def compared(df: pl.DataFrame) -> pl.DataFrame:
        return df.filter(pl.col("region") > 0)

    @pipeline
    def stepping() -> None:
        df = collected(load(sales))
        eager(df)
        compared(df)

    told = refused(stepping)
    eagerly, comparing = (
        line('return df.filter(pl.col("amount") > 0).select('),
        line('return df.filter(pl.col("region") > 0)'),
    )
    assert f"1. task `eager` uses column `amonut` ({eagerly}), which `collected` does not give\n" in told
    assert f"2. task `compared` cannot run ({comparing}): cannot compare string with numeric type (i32)\n" in told


def test_many_findings_are_one_error_and_do_not_follow_from_each_other(line: Line) -> None:
    @pipeline
    def several() -> None:
        raw = load(sales)
        cleaned = clean(raw)
        shares(cleaned)
        truthy(raw)

    with pytest.raises(SchemaError) as caught:
        several.check()
    written = line('return df.filter(pl.col("amout")')
    assert str(caught.value) == (
        "2 things do not fit in pipeline `several`:\n"
        f"  1. task `clean` uses column `amout` ({written}), which `load` does not give\n"
        "      `df` from `load`: id Int64, region String, amount Float64\n"
        f"    at {line('cleaned = clean(raw)')}\n"
        "       cleaned = clean(raw)\n"
        "    Fix: did you mean `amount`?\n"
        "  2. task `truthy` cannot run: filter predicate must be of type `Boolean`, got `Float64`\n"
        "      `df` from `load`: amount Float64\n"
        f"    at {line('truthy(raw)')}\n"
        "       truthy(raw)\n"
        '    Fix: filter by a condition: `pl.col("amount") > 0`'
    )
    assert [one.message.splitlines()[0].split()[1] for one in caught.value.findings] == ["`clean`", "`truthy`"]


def test_a_write_of_the_body_that_is_not_as_the_bucket_declares(line: Line) -> None:
    @pipeline
    def writing() -> None:
        target = provider.bucket("out", path="may.parquet", schema={"region": pl.String, "total": pl.Float64})
        target.write(load(sales))

    assert refused(writing) == (
        "`out.write`: a frame for `out/may.parquet` is not as its schema says: column `total` is not there\n"
        f"  at {line('target.write(load(sales))')}\n"
        "     target.write(load(sales))\n"
        "  Fix: write a frame that fits, or correct schema="
    )


def test_a_partition_by_an_unknown_column(line: Line) -> None:
    @pipeline
    def splitting() -> None:
        provider.bucket("out", path="daily/").write(load(sales), partition_by="regoin")

    written = line('provider.bucket("out", path="daily/").write')
    assert refused(splitting) == (
        "`out.write`: `out/daily/` is to be partitioned by column `regoin`, which the frame does not have\n"
        f"  at {written}\n"
        '     provider.bucket("out", path="daily/").write(load(sales), partition_by="regoin")\n'
        "  Fix: did you mean `region`?"
    )


# What a check gives


def test_schemas_along_the_edges() -> None:
    @pipeline
    def taxing() -> None:
        provider.bucket("out", path="may.parquet").write(taxed(collected(load(sales))))

    check = taxing.check()
    assert [(call.name, dict(call.frames.get("", {}))) for call in check.calls] == [
        ("load", SALES),
        ("collected", SALES),
        ("taxed", {**SALES, "tax": pl.Float64()}),
        ("out.write", {**SALES, "tax": pl.Float64()}),
    ]
    assert [(one.name, one.origin) for one in check.sources] == [("sales/may.parquet", "declared")]
    assert (check.warnings, check["taxed"].names()[-1]) == ((), "tax")


def test_the_report(line: Line) -> None:
    @task
    def counted(df: pl.LazyFrame) -> int:
        raise AssertionError("a check runs no task that returns no frame")

    @pipeline
    def reporting() -> int:
        other = load(provider.bucket("raw", path="new.csv"))
        return counted(load(sales)) + counted(other)

    site = line('other = load(provider.bucket("raw", path="new.csv"))')
    second = line("return counted(load(sales)) + counted(other)")
    wide = max(len(site), len(second))
    assert reporting.check().text(160) == (
        "reporting: 1 of 4 calls checked\n"
        "\n"
        "sources\n"
        "  raw/new.csv         there is no data yet   not known\n"
        "  sales/may.parquet   declared               id Int64, region String, amount Float64\n"
        "\n"
        "schemas\n"
        f"  load[#1]   {second}   id Int64, region String, amount Float64\n"
        "\n"
        "not checked\n"
        f"  load[other]   {site.ljust(wide)}   the schema of `raw/new.csv` is not known\n"
        f"  counted[#1]   {second.ljust(wide)}   it returns int, so a check does not run it\n"
        f"  counted[#2]   {second.ljust(wide)}   it returns int, so a check does not run it\n"
        "\n"
        "warnings\n"
        "  the schema of `raw/new.csv` is not known: there is no data yet\n"
        f"    at {site}\n"
        '       other = load(provider.bucket("raw", path="new.csv"))\n'
        "    Fix: declare schema= on the bucket, or run `glacier check --record` where the data is"
    )


def test_an_unknown_source_is_an_error_if_strict(line: Line) -> None:
    @pipeline
    def strict() -> pl.LazyFrame:
        new = provider.bucket("raw", path="x.csv")
        return load(new)

    assert len(strict.check().warnings) == 1
    declared = line('new = provider.bucket("raw", path="x.csv")')
    assert refused(strict, strict=True) == (
        "the schema of `raw/x.csv` is not known: there is no data yet\n"
        f"  at {declared}\n"
        '     new = provider.bucket("raw", path="x.csv")\n'
        "  Fix: declare schema= on the bucket, or run `glacier check --record` where the data is"
    )


def test_a_lazyframe_annotated_as_a_dataframe(line: Line) -> None:
    @task
    def forgot(df: pl.LazyFrame) -> pl.DataFrame:
        return df  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # what is tested

    @pipeline
    def forgetting() -> None:
        forgot(sales.scan())

    assert refused(forgetting) == (
        "task `forgot`: it is annotated to return a DataFrame, but returned LazyFrame\n"
        f"  at {line('forgot(sales.scan())')}\n"
        "     forgot(sales.scan())\n"
        "  Fix: return .collect(), or annotate `-> pl.LazyFrame`"
    )


@task
def months() -> list[str]:
    raise AssertionError("a check runs no task that gives no frame")


@task
def united(frames: list[pl.LazyFrame]) -> pl.LazyFrame:
    return pl.concat(frames).filter(pl.col("amont") > 0)


@task
def doubled(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.with_columns(pl.col("amount") * 2)


@task
def renamed(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.rename({"amount": "sum"})


@pipeline
def in_a_loop() -> pl.LazyFrame:
    df = load(sales)
    found: list[pl.LazyFrame] = []
    for _ in months():
        df = doubled(df)
        found.append(df)
        shares(df)
    return united(found)


@pipeline
def changed_by_turns() -> pl.LazyFrame:
    df = load(sales)
    for _ in months():
        df = renamed(df)
    return doubled(df)


def test_a_loop_is_checked_by_its_first_turn() -> None:
    with pytest.raises(SchemaError) as error:
        in_a_loop.check()
    told = str(error.value)
    assert len(error.value.findings) == 2
    assert "`shares`" in told
    assert "`regio`" in told
    assert "`united`" in told
    assert "`amont`" in told
    told = " ".join(str(changed_by_turns.check()).split())
    assert "2 of 4 calls checked" in told
    assert "renamed tests/test_check.py" in told
    assert "it takes `df` from `load`, `renamed`, and that is not known" in told
