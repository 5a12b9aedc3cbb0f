"""OpenTelemetry: what the SDK's own exporters get of a run; nothing, and nothing imported, where it is not set up."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from glacier import Bucket, Secret, context, observe, pipeline, task
from glacier.errors import TaskError
from glacier.execution.options import Executor
from glacier.execution.record import Recorder
from glacier.providers import LocalProvider

SPANS = InMemorySpanExporter()
METRICS = InMemoryMetricReader()


@pytest.fixture(scope="module")
def providers() -> Iterator[tuple[TracerProvider, MeterProvider]]:
    tracers, meters = TracerProvider(), MeterProvider([METRICS])
    tracers.add_span_processor(SimpleSpanProcessor(SPANS))
    yield tracers, meters
    meters.shutdown()


@pytest.fixture(autouse=True)
def set_up(providers: tuple[TracerProvider, MeterProvider], monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry set up as a program does; its own setters would hold for the whole process."""
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: providers[0])
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: providers[1])
    SPANS.clear()


@task
def load(rows: int) -> pl.DataFrame:
    with trace.get_tracer("mine").start_as_current_span("inside"):
        return pl.DataFrame({"n": range(rows)})


@task
@observe(metrics=["cpu", "memory", "rows_in", "rows_out", "bytes_in"])
def even(df: pl.DataFrame) -> pl.DataFrame:
    context().metric("odd rows", df.height // 2)
    return df.filter(pl.col("n") % 2 == 0)


@task
async def total(df: pl.DataFrame, other: pl.DataFrame) -> int:
    with trace.get_tracer("mine").start_as_current_span("awaited"):
        return df.height + other.height


@pipeline
async def counting(rows: int = 4) -> int:
    df = load(rows)
    return await total(even(df), df) + 1


def ended() -> dict[str, ReadableSpan]:
    return {span.name: span for span in SPANS.get_finished_spans()}


def linked(span: ReadableSpan) -> set[tuple[str, Any]]:
    names = {one.context.span_id: one.name for one in SPANS.get_finished_spans() if one.context}
    return {(names[link.context.span_id], (link.attributes or {})["glacier.edge.kind"]) for link in span.links}


@pytest.mark.parametrize("executor", ["threads", "sync"])
def test_a_run_is_a_span_and_each_task_one_in_it_linked_along_the_edges(executor: Executor) -> None:
    recorder = Recorder()
    with trace.get_tracer("mine").start_as_current_span("caller") as caller:
        assert counting.run(executor=executor, progress=recorder) == 7
    assert recorder.record is not None
    spans = ended()
    assert set(spans) == {"caller", "counting", "load", "even", "total", "inside", "awaited"}
    run = spans["counting"]
    assert run.parent is not None
    assert run.parent.span_id == caller.get_span_context().span_id
    assert run.attributes == {
        "glacier.run.id": recorder.record.run_id,
        "glacier.pipeline.name": "counting",
        "glacier.run.state": "succeeded",
        "glacier.run.tasks.succeeded": 3,
    }
    assert run.status.status_code is StatusCode.UNSET
    for name in ("load", "even", "total"):
        assert spans[name].parent == run.context
    assert spans["inside"].parent == spans["load"].context
    assert spans["awaited"].parent == spans["total"].context
    assert linked(spans["load"]) == set()
    assert linked(spans["even"]) == {("load", "data")}
    assert linked(spans["total"]) == {("load", "data"), ("even", "data")}


def test_a_tasks_span_says_where_its_code_is_and_what_was_measured() -> None:
    counting.run()
    span = ended()["even"]
    attributes = dict(span.attributes or {})
    assert 0 < attributes.pop("glacier.task.cpu") < 10  # type: ignore[operator]  # numbers
    assert attributes.pop("glacier.task.memory") >= 0  # type: ignore[operator]
    assert attributes == {
        "glacier.pipeline.name": "counting",
        "glacier.task.name": "even",
        "glacier.task.attempt": 1,
        "glacier.task.state": "succeeded",
        "glacier.task.rows": 2,
        "glacier.task.rows_in": 4,
        "glacier.task.rows_out": 2,
        "glacier.task.bytes_in": 32,
        "glacier.metric.odd_rows": 2,
        "code.function.name": "test_telemetry.even",
        "code.file.path": __file__,
        "code.line.number": even.site.line,
    }


def test_what_orders_tasks_without_data_is_a_link_too(tmp_path: Any) -> None:
    bucket = LocalProvider(tmp_path).bucket("raw", path="a.parquet")

    @task
    def written(target: Bucket) -> None:
        target.write(pl.DataFrame({"n": [1]}))

    @task
    def read(source: Bucket) -> int:
        return source.read().height

    @pipeline
    def ordered() -> int:
        written(bucket)
        return read(bucket)

    ordered.run()
    assert linked(ended()["read"]) == {("written", "resource")}


def test_turns_of_a_loop_are_spans_linked_in_their_turn_and_the_last_to_what_comes_after() -> None:
    @task
    def items() -> list[int]:
        return [0, 1]

    @task
    def first(item: int) -> int:
        return item

    @task
    def second(item: int) -> int:
        return item

    @task
    def joined(all_: list[int]) -> int:
        return len(all_)

    @pipeline
    def looping() -> int:
        return joined([second(first(item)) for item in items()])

    looping.run(executor="sync")
    spans = [span for span in SPANS.get_finished_spans() if span.name == "second"]
    firsts = [span for span in SPANS.get_finished_spans() if span.name == "first"]
    assert [(span.attributes or {})["glacier.loop.items"] for span in spans] == [(0,), (1,)]
    assert [span.links[0].context for span in spans] == [span.context for span in firsts]
    assert [link.context for link in ended()["joined"].links] == [spans[-1].context]


def test_a_failure_is_told_without_secrets_and_each_try_has_a_span() -> None:
    @task(retries=1, retry_delay=0.0)
    def failing(token: Secret) -> None:
        raise OSError(f"refused {token.get_secret_value()}")

    @pipeline
    def fails() -> None:
        failing(Secret("s3cr3t"))

    with pytest.raises(TaskError):
        fails.run()
    run = ended()["fails"]
    assert (run.status.status_code, run.status.description) == (
        StatusCode.ERROR,
        "`failing` failed: OSError: refused **********",
    )
    assert (run.attributes or {})["error.type"] == "OSError"
    tries = [span for span in SPANS.get_finished_spans() if span.name == "failing"]
    assert [(span.attributes or {})["glacier.task.attempt"] for span in tries] == [1, 2]
    for span in tries:
        assert span.status.status_code is StatusCode.ERROR
        assert (span.attributes or {})["error.type"] == "OSError"
        (event,) = span.events
        told = dict(event.attributes or {})
        assert (event.name, told["exception.type"], told["exception.message"]) == (
            "exception",
            "OSError",
            "OSError: refused **********",
        )
        assert "in failing" in str(told["exception.stacktrace"])
        assert "s3cr3t" not in span.to_json()


def test_the_trace_goes_to_worker_processes() -> None:
    elsewhere.run(executor="processes")
    spans = ended()
    run = spans["elsewhere"]
    assert run.context is not None
    told = elsewhere.get_metrics()["tracing"]
    assert told == {
        "trace": float(run.context.trace_id % 2**32),
        "span": float((spans["tracing"].context or run.context).span_id % 2**32),
    }


@task
def tracing() -> None:
    current = trace.get_current_span().get_span_context()
    context().metric("trace", current.trace_id % 2**32)
    context().metric("span", current.span_id % 2**32)


@pipeline
def elsewhere() -> None:
    tracing()


def test_metrics_have_units_and_say_what_failed() -> None:
    @task
    def broken() -> None:
        raise ValueError("no")

    @pipeline
    def breaking() -> None:
        broken()

    counting.run()
    with pytest.raises(TaskError):
        breaking.run()
    data = METRICS.get_metrics_data()
    assert data is not None
    found = {
        metric.name: (metric.unit, [(dict(point.attributes or {}), point) for point in metric.data.data_points])
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    units = {name: unit for name, (unit, _) in found.items()}
    assert {name: unit for name, unit in units.items() if not name.startswith("glacier.metric.")} == {
        "glacier.run.duration": "s",
        "glacier.task.duration": "s",
        "glacier.task.cpu.time": "s",
        "glacier.task.memory.rise": "By",
        "glacier.task.rows": "{row}",
        "glacier.task.io": "By",
    }
    assert units["glacier.metric.odd_rows"] == ""
    named = {"glacier.pipeline.name": "breaking"}
    assert {**named, "glacier.run.state": "failed", "error.type": "ValueError"} in [
        attributes for attributes, _ in found["glacier.run.duration"][1]
    ]
    assert {**named, "glacier.task.name": "broken", "error.type": "ValueError"} in [
        attributes for attributes, _ in found["glacier.task.duration"][1]
    ]
    rows = [str(attributes["glacier.direction"]) for attributes, _ in found["glacier.task.rows"][1]]
    assert sorted(rows) == ["in", "out"]


def test_log_records_have_the_span_and_the_ids_of_run_and_task() -> None:
    from opentelemetry.instrumentation.logging.handler import (  # pyright: ignore[reportMissingTypeStubs]
        LoggingHandler,
    )
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK's own omission
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    handler = LoggingHandler(logger_provider=provider)
    logging.getLogger("glacier.task").addHandler(handler)

    @task
    def logging_() -> str | None:
        context().logger.warning("careful")
        return context().run_id

    @pipeline
    def logged() -> str | None:
        return logging_()

    try:
        run_id = logged.run()
    finally:
        logging.getLogger("glacier.task").removeHandler(handler)
    (record,) = exporter.get_finished_logs()
    attributes = dict(record.log_record.attributes or {})
    assert record.log_record.body == "careful"
    assert (attributes["run_id"], attributes["pipeline"], attributes["task"]) == (run_id, "logged", "logging_")
    span = ended()["logging_"].context
    assert span is not None
    assert (record.log_record.trace_id, record.log_record.span_id) == (span.trace_id, span.span_id)


class Broken(SpanProcessor):
    """Fails as an exporter of somebody else may."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("no exporter")


def test_what_an_exporter_raises_stops_no_run_and_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    provider = TracerProvider()
    provider.add_span_processor(Broken())
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)

    @task
    def one() -> int:
        return 1

    @pipeline
    def ones() -> int:
        return one()

    assert ones.run() == 1
    assert [record.getMessage() for record in caplog.records] == ["tracing a run failed: no exporter"]


def test_where_it_is_not_set_up_nothing_is_imported_and_nothing_traced() -> None:
    program = """
import sys
from glacier import pipeline, task
from glacier.telemetry.telemetry import telemetry
@task
def one(): return 1
@pipeline
def ones(): return one()
assert ones.run() == 1
print([name for name in sys.modules if name.startswith("opentelemetry")], telemetry())
from opentelemetry import metrics, trace
print(telemetry())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[] None\nNone\n"


def test_a_try_that_is_given_up_at_its_deadline_has_a_span() -> None:
    go_on = threading.Event()

    @task(timeout=0.05)
    def late() -> None:
        go_on.wait(10)

    @pipeline
    def waiting() -> None:
        late()

    with pytest.raises(TaskError):
        waiting.run()
    go_on.set()
    assert (ended()["late"].attributes or {})["glacier.task.state"] == "failed"
    assert (ended()["late"].attributes or {})["error.type"] == "glacier.errors.TaskTimeout"


def test_a_run_that_is_interrupted_ends_its_spans() -> None:
    @task
    def interrupted() -> None:
        raise KeyboardInterrupt

    @pipeline
    def stopping() -> None:
        interrupted()

    with pytest.raises(KeyboardInterrupt):
        stopping.run(executor="sync")
    assert (ended()["stopping"].attributes or {})["glacier.run.state"] == "cancelled"
    assert (ended()["interrupted"].attributes or {})["glacier.task.state"] == "cancelled"
