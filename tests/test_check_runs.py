"""What a check runs and what it does not: frames without rows, stores that nothing reaches, values nobody knows yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import polars as pl
import pytest

from glacier import Bucket, Pipeline, pipeline, task
from glacier.errors import SchemaError
from glacier.providers import LocalProvider
from glacier.resources.bucket import declare
from glacier.resources.store import Store
from glacier.trace import current_plan

SALES = pl.Schema({"id": pl.Int64(), "region": pl.String(), "amount": pl.Float64()})
provider = LocalProvider(base_path="./no-data-here")
CALLED: list[str] = []
sales = provider.bucket("sales", path="may.parquet", schema=SALES)


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


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


@task
def clean(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.filter(pl.col("amout") > 0)


# What is run, and what is not


@task
def noted(df: pl.LazyFrame) -> pl.LazyFrame:
    CALLED.append("noted")
    return df


@task
def valid(source: Bucket) -> bool:
    CALLED.append("valid")
    return source.exists()


@task
def rows(df: pl.LazyFrame) -> int:
    CALLED.append("rows")
    return df.collect().height


@task
def unannotated(df: Any):  # type: ignore[no-untyped-def]  # what is tested
    CALLED.append("unannotated")
    return df


@task
def export(df: pl.LazyFrame, target: Bucket) -> None:
    CALLED.append("export")
    df.collect().write_parquet(target.get_uri())


@task
def kept(df: pl.LazyFrame, target: Bucket, place: str) -> pl.LazyFrame:
    CALLED.append("kept")
    df.sink_parquet(target.get_uri())
    df.sink_csv(target.uri + ".csv")
    df.collect().write_ndjson(place)
    target.at("again.parquet").write(df)
    target.delete()
    with target as same:
        same.cleanup()
    return df


def test_only_tasks_that_return_frames_are_run_and_nothing_is_written(in_tmp: Path) -> None:
    here = LocalProvider(base_path=in_tmp / "data")
    source = here.bucket("raw", path="in.parquet")
    source.write(pl.DataFrame({"n": [1, 2, 3]}))
    before = {path: path.stat().st_mtime_ns for path in in_tmp.rglob("*")}

    @pipeline
    def all_kinds() -> None:
        target = here.bucket("out", path="day/kept.parquet")
        place = here.bucket("out", path="other/kept.ndjson").get_uri()
        valid(source)
        df = noted(source.scan())
        rows(df)
        unannotated(df)
        export(df, target)
        kept(df, target, place)
        target.write(df)
        source.delete()

    CALLED.clear()
    check = all_kinds.check()
    assert CALLED == ["noted", "kept"]
    assert {path: path.stat().st_mtime_ns for path in in_tmp.rglob("*")} == before
    assert [(call.name, call.reason) for call in check.calls if not call.frames] == [
        ("valid", "it returns bool, so a check does not run it"),
        ("rows", "it returns int, so a check does not run it"),
        ("unannotated", "its result is not annotated, so a check does not run it"),
        ("export", "it returns None, so a check does not run it"),
        ("raw.delete", "it is no frame, and only a run can tell it"),
    ]


def test_no_data_is_read_where_the_schema_is_declared() -> None:
    @pipeline
    def declared() -> pl.DataFrame:
        return taxed(sales.read())

    assert not Path(provider.base_path).exists()
    assert declared.check()["taxed"] == pl.Schema({**SALES, "tax": pl.Float64()})


def test_files_a_task_opens_by_their_uri() -> None:
    @task
    def opened(source: Bucket) -> pl.LazyFrame:
        return pl.scan_parquet(source.get_uri())

    @task
    def through_a_file(df: pl.LazyFrame, target: Bucket) -> pl.DataFrame:
        df.with_columns(n=1).sink_parquet(target.get_uri())
        return df.collect()

    @pipeline
    def opening() -> None:
        between = provider.bucket("between", path="x.parquet")
        through_a_file(opened(sales), between)
        load(between)

    check = opening.check()
    assert check["opened"] == SALES
    assert check["load"] == pl.Schema({**SALES, "n": pl.Int32()})


def test_what_a_write_gives_is_what_a_later_scan_has() -> None:
    @pipeline
    def through() -> None:
        between = provider.bucket("between", path="x.parquet")
        text = provider.bucket("between", path="x.csv")
        between.write(taxed(sales.read()))
        text.write(load(sales))
        load(between)
        load(text)

    check = through.check()
    assert [(one.name, one.origin) for one in check.sources] == [
        ("sales/may.parquet", "declared"),
        ("between/x.parquet", "written by `between.write[x.parquet]`"),
        ("between/x.csv", "`between.write[x.csv]` writes it as csv, which does not keep dtypes"),
    ]
    assert check["load[#2]"].names() == ["id", "region", "amount", "tax"]


def test_a_place_written_by_a_task_that_is_not_run_is_unknown(in_tmp: Path) -> None:
    here = LocalProvider(base_path=in_tmp)
    between = here.bucket("between", path="x.parquet")
    between.write(pl.DataFrame({"old": [1]}))

    @pipeline
    def stale() -> None:
        export(load(sales), between)
        load(between)

    assert [(one.name, one.origin) for one in stale.check().sources if one.schema is None] == [
        ("between/x.parquet", "`export` writes it, which a check cannot follow")
    ]


@task
def by_typed_function(df: pl.LazyFrame) -> pl.LazyFrame:
    def fail(_: float) -> float:
        raise AssertionError("not run")

    return df.with_columns(twice=pl.col("amount").map_elements(fail, return_dtype=pl.Float64))


@task
def where_there(source: Bucket) -> pl.LazyFrame:
    return source.scan() if source.exists() else pl.LazyFrame(schema=SALES)


def test_python_functions_with_a_dtype_are_not_called() -> None:
    @pipeline
    def typed() -> pl.LazyFrame:
        return by_typed_function(sales.scan())

    assert typed.check()["by_typed_function"] == pl.Schema({**SALES, "twice": pl.Float64()})


def test_exists_and_list_of_a_known_source() -> None:
    @task
    def listed(source: Bucket) -> pl.LazyFrame:
        return pl.concat([source.at(path, schema=SALES).scan() for path in source.list()])

    @pipeline
    def asking() -> None:
        where_there(sales)
        listed(sales)

    check = asking.check()
    assert check["where_there"] == check["listed"] == SALES


# Values that are no frames; branches; inputs


@task
def quality(df: pl.LazyFrame) -> dict[str, float]:
    return {"score": 1.0}


@task
def scaled(df: pl.LazyFrame, factor: float) -> pl.LazyFrame:
    return df.with_columns(pl.col("amount") * factor)


@task
def split(df: pl.LazyFrame) -> tuple[pl.LazyFrame, int]:
    return df.filter(pl.col("amount") > 0), 3


@dataclass
class Parts:
    good: pl.LazyFrame
    bad: pl.LazyFrame


@task
def parts(df: pl.LazyFrame) -> Parts:
    return Parts(df, df.select("id"))


class Pair(NamedTuple):
    one: pl.LazyFrame
    rows: int


@task
def paired(df: pl.LazyFrame) -> Pair:
    return Pair(df, 1)


@task
def stacked(parts: Parts) -> pl.LazyFrame:
    return pl.concat([parts.good, parts.bad], how="diagonal")


def test_values_that_are_no_frames_are_unknown() -> None:
    @pipeline
    def valued() -> None:
        df = load(sales)
        scaled(df, quality(df)["score"])
        pair = split(df)
        clean_one = scaled(pair[0], 2.0)
        scaled(clean_one, pair[1])
        stacked(parts(df))
        scaled(paired(df)[0], 2.0)

    check = valued.check()
    assert [(call.name, call.reason) for call in check.calls if not call.frames] == [
        ("quality", "it returns dict[str, float], so a check does not run it"),
        ("scaled[#1]", "it takes `factor` from `quality`, and that is not known"),
        ("scaled[#2]", "it takes `factor` from `split`, and that is not known"),
    ]
    by_name = {call.name: call for call in check.calls}
    assert list(by_name["split"].frames) == ["[0]"]
    assert list(by_name["parts"].frames) == [".good", ".bad"]
    assert list(by_name["paired"].frames) == ["[0]"]
    assert check["stacked"] == check["scaled[#3]"] == SALES


def test_both_sides_of_a_branch_are_checked() -> None:
    @pipeline
    def branching() -> pl.LazyFrame:
        df = load(sales)
        if quality(df)["score"] > 0.5:
            result = scaled(df, 2.0)
        else:
            result = df
        if quality(df)["score"] > 0.9:
            other = taxed(collected(df))
        else:
            other = collected(df)
        collected(result)
        taxed(other)
        return result

    check = branching.check()
    assert check["collected[#2]"] == SALES
    assert [call.reason for call in check.calls if call.name == "taxed[#1]"] == [
        "it takes `df`, and the two sides of a branch give it different schemas"
    ]

    @pipeline
    def wrong_side() -> None:
        df = load(sales)
        if quality(df)["score"] > 0.5:
            clean(df)

    assert "`amout`" in refused(wrong_side)


def test_inputs_that_are_frames() -> None:
    @pipeline
    def taking(df: pl.DataFrame, rate: float = 1.0) -> pl.DataFrame:
        return taxed(df)

    given = pl.DataFrame({"amount": ["text"]})
    assert taking.check(schemas={"df": {"amount": pl.Float64}})["taxed"].names() == ["amount", "tax"]
    assert "arithmetic on dtypes" in refused(taking, inputs={"df": given})
    unknown = taking.check()
    assert (unknown.calls[0].reason, unknown.warnings) == (
        "it takes `df` from input `df`, and that is not known",
        (
            "the schema of input `df` of pipeline `taking` is not known\n"
            "  Fix: pass schemas={'df': ...} or inputs={'df': ...}",
        ),
    )
    odd = taking.check(schemas={"df": {"amount": pl.Float64}, "fd": {}})
    assert odd.warnings == (
        "the check is given a schema of `fd`, and pipeline `taking` scans nothing of that name\n"
        "  Fix: did you mean `df`?",
    )


def test_async_tasks_methods_and_frames_in_the_body() -> None:
    class Model:
        def __init__(self, column: str) -> None:
            self.column = column

        @task
        async def score(self, df: pl.LazyFrame, *others: pl.LazyFrame) -> pl.LazyFrame:
            return pl.concat([df, *others]).with_columns(score=pl.col(self.column))

    @pipeline
    async def scoring() -> None:
        extra = pl.DataFrame({"id": [1], "region": ["north"], "amount": [1.5]})
        await Model("amount").score(load(sales), extra.lazy())
        await Model("amuont").score(load(sales))

    told = refused(scoring)
    assert told.startswith("task `score[#2]` uses column `amuont`, which `load[#2]` does not give\n")
    assert "did you mean `amount`?" in told


def test_what_a_check_does_not_know_is_unknown_and_never_a_crash(in_tmp: Path) -> None:
    @dataclass(frozen=True)
    class Elsewhere:
        name: str = "elsewhere"
        kind: str = "loop"

        def body(self, *args: object) -> object:
            raise AssertionError("a check calls nothing it does not know")

    Path("lookup.parquet").write_text("this is no parquet")

    @pipeline
    def odd() -> None:
        plan = current_plan()
        assert plan is not None
        df = load(sales)
        made = plan.record(Elsewhere(), (df,), {}, None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        scaled(made, 2.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        scaled(pl.scan_parquet("lookup.parquet"), 2.0)

    unknown = [(call.name, call.reason.partition(":")[0]) for call in odd.check().calls if not call.frames]
    assert unknown == [
        ("elsewhere", "a check does not follow it"),
        ("scaled[#1]", "it takes `df` from `elsewhere`, and that is not known"),
        ("scaled[#2]", "a frame of the body does not resolve"),
    ]


class Unreachable:
    """A store that no check may ask for anything but names."""

    provider = "Unreachable"

    def uri(self, bucket: str, path: str) -> str:
        return f"s3://{bucket}/{path}"

    def refusal(self, bucket: str, path: str) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a check asks a store on the network for `{name}`")


@task
def stored(df: pl.LazyFrame, target: Bucket) -> pl.LazyFrame:
    df.sink_parquet(target.get_uri())
    target.write(df)
    return target.scan()


def test_no_other_machine_is_asked() -> None:
    def remote(path: str, **options: Any) -> Bucket:
        return declare(cast("Store", Unreachable()), "far", path, format=None, site=None, **options)

    @pipeline
    def distant() -> None:
        df = load(remote("known.parquet", schema=SALES))
        stored(df, remote("kept.parquet"))
        load(remote("unknown.parquet"))
        load(remote("part/*.parquet"))
        remote("out/").write(df, partition_by="region")
        load(remote("out/2024/*.parquet"))
        load(remote("out/a.parquet"))

    check = distant.check()
    assert [(one.name, one.origin) for one in check.sources] == [
        ("far/known.parquet", "declared"),
        ("far/kept.parquet", "written by `stored`"),
        ("far/unknown.parquet", "its data is not on this machine"),
        ("far/part/*.parquet", "its data is not on this machine"),
        ("far/out/2024/*.parquet", "`far.write` writes it with partition_by=, and folders do not keep dtypes"),
        ("far/out/a.parquet", "`far.write` writes it with partition_by=, and folders do not keep dtypes"),
    ]


def test_a_large_pipeline() -> None:
    @pipeline
    def long() -> pl.LazyFrame:
        df = load(sales)
        for number in range(500):
            df = scaled(df, float(number))
            provider.bucket("out", path=f"{number}.parquet").write(df)
        return df

    check = long.check()
    assert (len(check.calls), all(call.frames for call in check.calls)) == (1001, True)
