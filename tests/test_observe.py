"""What `@observe` measures: either decorator order, threads and processes, loops, failures, what cannot be known."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, Pipeline, context, observe, pipeline, task
from glacier.errors import ConfigError, TaskError
from glacier.execution.options import Executor
from glacier.execution.record import Recorder
from glacier.observe import METRICS
from glacier.providers import LocalProvider


@task
def numbers(rows: int = 1000) -> pl.LazyFrame:
    return pl.LazyFrame({"n": range(rows)})


def even(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.filter(pl.col("n") % 2 == 0)


below = task(observe(metrics=["duration", "memory", "rows_processed"])(even))
above = observe(metrics=["duration", "memory", "rows_processed"])(task(even))


@task
@observe(metrics=METRICS)
def everything(df: pl.LazyFrame) -> pl.LazyFrame:
    return even(df)


@pipeline
def through(rows: int = 1000) -> pl.LazyFrame:
    return everything(numbers(rows))


@pytest.mark.parametrize("observed", [below, above])
def test_metrics_have_the_documented_shape_in_either_order(observed: Callable[[pl.LazyFrame], pl.LazyFrame]) -> None:
    @pipeline
    def monitored() -> pl.LazyFrame:
        return observed(numbers())

    assert monitored.get_metrics() == {}
    result = monitored.run(mode="local")
    metrics = monitored.get_metrics()
    assert result.collect().height == 500
    assert list(metrics) == ["even"]
    assert list(metrics["even"]) == ["duration_ms", "memory_mb", "rows_processed"]
    assert all(type(value) is int for value in metrics["even"].values())
    assert metrics["even"]["rows_processed"] == 1000
    assert metrics["even"]["duration_ms"] in range(1, 10_000)


def test_a_pipeline_that_is_observed_has_every_task_measured_as_it_says_and_a_tasks_own_metrics_go_first() -> None:
    def body() -> pl.LazyFrame:
        return below(numbers())

    orders: list[Pipeline[[], pl.LazyFrame]] = [
        pipeline(observe(metrics=["cpu"])(body)),
        observe(metrics=["cpu"])(pipeline(body)),
    ]
    for observed in orders:
        observed.run()
        assert {name: list(metrics) for name, metrics in observed.get_metrics().items()} == {
            "numbers": ["cpu_ms"],
            "even": ["duration_ms", "memory_mb", "rows_processed"],
        }


def test_a_task_may_ask_for_nothing_in_a_pipeline_that_is_observed() -> None:
    @task
    @observe(metrics=[])
    def quiet() -> int:
        return 1

    @observe
    @pipeline
    def observed() -> int:
        return quiet()

    observed.run()
    assert observed.get_metrics() == {}


def test_a_pipeline_called_in_a_body_keeps_its_metrics() -> None:
    @pipeline
    @observe(metrics=["rows_out"])
    def inner() -> pl.LazyFrame:
        return numbers(7)

    @pipeline
    def outer() -> pl.LazyFrame:
        numbers(8)
        return inner()

    outer.run()
    assert outer.get_metrics() == {"inner/numbers": {"rows_out": 7}}


def test_observing_changes_nothing_of_what_it_decorates() -> None:
    def one() -> int:
        return 1

    made, run = task(one), pipeline(one)
    assert observe(one) is one
    assert observe(made) is made
    assert observe(metrics=["cpu"])(run) is run
    assert below(pl.LazyFrame({"n": [1, 2]})).collect().height == 1


class Model:
    @observe(metrics=["rows_in"])
    @task
    def score(self, df: pl.DataFrame) -> int:
        return df.height


def test_a_method_is_observed() -> None:
    @pipeline
    def scoring() -> int:
        return Model().score(pl.DataFrame({"n": [1, 2, 3]}))

    scoring.run()
    assert scoring.get_metrics() == {"score": {"rows_in": 3}}


@pytest.mark.parametrize("executor", ["threads", "processes", "sync"])
def test_rows_and_bytes_of_a_lazy_task(executor: Executor) -> None:
    through.run(executor=executor)
    metrics = through.get_metrics()["everything"]
    assert list(metrics) == [
        *("duration_ms", "cpu_ms", "memory_mb", "rows_processed"),
        *("rows_in", "rows_out", "bytes_in", "bytes_out"),
    ]
    assert (metrics["rows_processed"], metrics["rows_in"], metrics["rows_out"]) == (1000, 1000, 500)
    assert metrics["bytes_in"] == 8000
    if executor == "processes":  # the size of the file that hands it on
        assert 4000 < (metrics["bytes_out"] or 0) < 8000
    else:
        assert metrics["bytes_out"] == 4000


def test_an_expensive_plan_is_computed_once_for_its_rows_and_its_task() -> None:
    computed: list[int] = []

    def noted(frame: pl.DataFrame) -> pl.DataFrame:
        computed.append(frame.height)
        return frame

    @task
    def udf() -> pl.LazyFrame:
        return pl.LazyFrame({"n": range(10)}).map_batches(noted, schema={"n": pl.Int64})

    @task
    @observe(metrics=["rows_in"])
    def total(df: pl.LazyFrame) -> int:
        return int(df.select(pl.col("n").sum()).collect().item())

    @pipeline
    def summing() -> int:
        return total(udf())

    assert summing.run() == 45
    assert summing.get_metrics() == {"total": {"rows_in": 10}}
    assert computed == [10]


def test_a_lazy_result_is_computed_only_where_rows_are_asked_for() -> None:
    computed: list[int] = []

    def noted(frame: pl.DataFrame) -> pl.DataFrame:
        computed.append(frame.height)
        return frame

    def udf() -> pl.LazyFrame:
        return pl.LazyFrame({"n": range(10)}).map_batches(noted, schema={"n": pl.Int64})

    timed = task(name="timed")(udf)
    timed = observe(metrics=["duration", "cpu", "memory"])(timed)
    counted = observe(metrics=["rows_out"])(task(name="counted")(udf))
    kept = observe(metrics=["rows_out"])(task(name="kept", materialize=False)(udf))
    on_disk = observe(metrics=["rows_out"])(task(name="on_disk", materialize="disk")(udf))
    for observed, times, rows in ((timed, 0, None), (counted, 1, 10), (kept, 0, None), (on_disk, 1, 10)):

        @pipeline
        def lazily(called: Any = observed) -> pl.LazyFrame:
            df: pl.LazyFrame = called()
            return df

        computed.clear()
        lazily.run()
        assert len(computed) == times
        assert lazily.get_metrics()[observed.name].get("rows_out") == rows


def test_what_a_later_task_writes_keeps_rows_unknown_that_are_read_from_it(in_tmp: Path) -> None:
    bucket = LocalProvider(in_tmp).bucket("raw", path="a.csv")
    bucket.write(pl.DataFrame({"n": [1]}))

    @task
    @observe(metrics=["rows_out"])
    def scanned(source: Bucket) -> pl.LazyFrame:
        return source.scan()

    @task
    def more(target: Bucket) -> None:
        target.write(pl.DataFrame({"n": [1, 2, 3]}))

    @task
    def count(df: pl.LazyFrame) -> int:
        return df.collect().height

    @pipeline
    def late() -> int:
        df = scanned(bucket)
        more(bucket)
        return count(df)

    assert late() == late.run() == 3
    assert late.get_metrics() == {"scanned": {"rows_out": None}}


def test_writes_of_the_body_tell_their_rows(in_tmp: Path) -> None:
    provider = LocalProvider(in_tmp)

    @observe(metrics=["duration", "rows_in", "rows_out", "bytes_out"])
    @pipeline
    def writing() -> None:
        df = numbers(10)
        provider.bucket("a", path="a.parquet").write(df)
        provider.bucket("b", path="b.parquet").write(df)

    writing.run()
    metrics = writing.get_metrics()
    for name in ("a", "b"):
        assert metrics[f"{name}.write"]["rows_out"] == 10
        assert metrics[f"{name}.write"]["bytes_out"] == (in_tmp / name / f"{name}.parquet").stat().st_size
    assert metrics["numbers"]["rows_out"] == 10


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_what_a_task_reads_from_buckets_and_writes_to_them_is_counted(in_tmp: Path, executor: Executor) -> None:
    raw = LocalProvider(in_tmp).bucket("raw", path="a.parquet")
    raw.write(pl.DataFrame({"n": range(100)}))
    moving.run(inputs={"kind": "parquet"}, executor=executor)
    metrics = moving.get_metrics()
    size = (in_tmp / "raw" / "a.parquet").stat().st_size
    assert metrics["total"] == {"rows_processed": 100, "rows_in": 100, "rows_out": None, "bytes_in": size}
    assert metrics["copied"] == {
        **{"rows_processed": 100, "rows_in": 100, "rows_out": 100, "bytes_in": size},
        "bytes_out": (in_tmp / "copy" / "a.csv").stat().st_size,
    }


def test_rows_of_a_scan_that_only_reading_would_tell_are_unknown(in_tmp: Path) -> None:
    LocalProvider(in_tmp).bucket("raw", path="a.csv").write(pl.DataFrame({"n": range(100)}))
    moving.run(inputs={"kind": "csv"})
    metrics = moving.get_metrics()
    assert (metrics["total"]["rows_in"], metrics["total"]["bytes_in"]) == (None, 292)
    assert metrics["copied"]["rows_in"] == 100


@task
@observe(metrics=["rows_processed", "rows_in", "rows_out", "bytes_in"])
def total(source: Bucket) -> int:
    return int(source.scan().select(pl.col("n").sum()).collect().item())


@task
@observe(metrics=["rows_processed", "rows_in", "rows_out", "bytes_in", "bytes_out"])
def copied(source: Bucket, target: Bucket) -> None:
    target.write(source.read())


@pipeline
def moving(kind: str) -> int:
    provider = LocalProvider(".")
    source = provider.bucket("raw", path=f"a.{kind}")
    copied(source, provider.bucket("copy", path="a.csv"))
    return total(source)


def test_a_loops_turns_are_summed() -> None:
    @task
    def items() -> list[int]:
        return [1, 2, 3]

    @task
    @observe(metrics=["duration", "memory", "rows_out"])
    def made(rows: int) -> pl.DataFrame:
        time.sleep(0.01)
        return pl.DataFrame({"n": range(rows)})

    @pipeline
    def looping() -> list[pl.DataFrame]:
        return [made(rows) for rows in items()]

    looping.run()
    metrics = looping.get_metrics()["made"]
    assert metrics["rows_out"] == 6
    assert (metrics["duration_ms"] or 0) >= 30


def test_a_task_that_fails_is_measured_so_far() -> None:
    @task
    @observe(metrics=["duration", "rows_in", "rows_out"])
    def broken(df: pl.DataFrame) -> int:
        raise ValueError(df.height)

    @pipeline
    def failing() -> int:
        return broken(pl.DataFrame({"n": [1, 2]}))

    with pytest.raises(TaskError):
        failing.run()
    metrics = failing.get_metrics()["broken"]
    assert (metrics["duration_ms"] or 0) >= 1
    assert (metrics["rows_in"], metrics["rows_out"]) == (2, None)


def test_cpu_time_is_that_of_work_and_duration_that_of_waiting_too() -> None:
    @task
    @observe(metrics=["duration", "cpu"])
    def waiting() -> None:
        time.sleep(0.2)

    @task
    @observe(metrics=["duration", "cpu"])
    def working() -> None:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass

    @pipeline
    def both() -> None:
        waiting()
        working()

    both.run(executor="sync")
    waited, worked = both.get_metrics()["waiting"], both.get_metrics()["working"]
    assert (waited["duration_ms"] or 0) >= 200 > 100 > (waited["cpu_ms"] or 0)
    assert (worked["cpu_ms"] or 0) >= 200


def test_the_record_has_the_numbers_unrounded() -> None:
    recorder = Recorder()
    through.run(progress=recorder)
    assert recorder.record is not None
    records = {node.name: node for node in recorder.record.nodes}
    assert records["numbers"].measures is None
    measures = records["everything"].measures
    assert measures is not None
    assert measures.measured["rows_in"] == 1000
    assert 0 < (measures.measured["duration"] or 0) < 10


def test_a_metric_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        observe(metrics=["rows_procesed"])  # type: ignore[list-item]  # the error is what is tested
    assert str(caught.value) == (
        "@observe has no metric 'rows_procesed'\n"
        f"  at {caught.value.site}\n"
        '     observe(metrics=["rows_procesed"])  # type: ignore[list-item]  # the error is what is tested\n'
        "  Fix: did you mean `rows_processed`, `rows_out`, `rows_in`?"
    )
    with pytest.raises(ConfigError, match=r"no metric 'xyz'\n(?s:.*)its metrics are `duration`, `cpu`, `memory`"):
        observe(metrics="xyz")  # type: ignore[arg-type]  # a string is no list


@pytest.mark.parametrize("target", [3, int, "even"])
def test_only_functions_tasks_and_pipelines_are_observed(target: Any) -> None:
    with pytest.raises(ConfigError, match="@observe takes a function, a task or a pipeline"):
        observe(target)


def test_what_is_built_in_cannot_be_observed() -> None:
    with pytest.raises(ConfigError, match="`len` is built in and cannot be observed"):
        observe(len)


def test_of_a_task_that_is_retried_the_last_try_is_measured() -> None:
    tries: list[int] = []

    @task(retries=2, retry_delay=0.0)
    @observe(metrics=["rows_out"])
    def flaky() -> pl.DataFrame:
        tries.append(context().attempt)
        context().metric("tried", 1)
        if len(tries) < 3:
            raise OSError
        return pl.DataFrame({"n": [1]})

    @pipeline
    def trying() -> pl.DataFrame:
        return flaky()

    trying.run()
    assert tries == [1, 2, 3]
    assert trying.get_metrics() == {"flaky": {"rows_out": 1, "tried": 1}}


def test_a_plan_that_cannot_be_run_fails_where_it_is_collected_and_not_where_it_is_counted(in_tmp: Path) -> None:
    @task
    def scanned() -> pl.LazyFrame:
        return pl.scan_parquet("gone.parquet")

    @task
    @observe(metrics=["rows_in"])
    def passing(df: pl.LazyFrame) -> int:
        return 1

    @pipeline
    def unread() -> int:
        return passing(scanned())

    assert unread.run() == 1
    assert unread.get_metrics() == {"passing": {"rows_in": None}}


def test_a_task_whose_result_is_kept_has_no_numbers_when_it_is_not_done_again(in_tmp: Path) -> None:
    @task(cache=True)
    @observe(metrics=["duration", "rows_out"])
    def kept() -> pl.DataFrame:
        return pl.DataFrame({"n": [1]})

    @pipeline
    def keeping() -> pl.DataFrame:
        return kept()

    keeping.run()
    assert keeping.get_metrics()["kept"]["rows_out"] == 1
    keeping.run()
    assert keeping.get_metrics() == {"kept": {"duration_ms": None, "rows_out": None}}
