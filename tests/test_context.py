"""`context()`: who asks is told the run, the task, the try; what a task tells of itself; log records that say who."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from glacier import context, pipeline, task
from glacier.errors import GraphError, InputError, TaskError
from glacier.execution.options import Executor
from glacier.execution.record import Recorder
from glacier.logs import RunFields

Seen = tuple[str | None, str | None, str | None, int]


def seen() -> Seen:
    now = context()
    return now.run_id, now.pipeline, now.task, now.attempt


@task
def asking(number: int) -> Seen:
    context().metric("number", number)
    return seen()


@task
async def awaiting(number: int) -> Seen:
    context().metric("number", number)
    return seen()


@pipeline
async def several() -> tuple[Seen, Seen, Seen]:
    first = asking(1)
    second = asking(2)
    return first, second, await awaiting(3)


@pytest.mark.parametrize("executor", ["threads", "processes", "sync"])
def test_a_task_knows_its_run_and_name_and_tells_metrics(executor: Executor) -> None:
    recorder = Recorder()
    found = several.run(executor=executor, progress=recorder)
    assert recorder.record is not None
    run_id = recorder.record.run_id
    assert found == (
        (run_id, "several", "asking[first]", 1),
        (run_id, "several", "asking[second]", 1),
        (run_id, "several", "awaiting", 1),
    )
    assert several.get_metrics() == {
        "asking[first]": {"number": 1},
        "asking[second]": {"number": 2},
        "awaiting": {"number": 3},
    }


def test_outside_of_a_run_it_knows_nothing_and_keeps_nothing() -> None:
    assert asking(1) == (None, None, None, 1)
    assert repr(context()) == "<context of no run>"


def test_a_run_that_a_task_starts_is_another() -> None:
    @task
    def starting() -> tuple[Seen, Seen]:
        inner = several.run()
        return inner[0], seen()

    @pipeline
    def around() -> tuple[Seen, Seen]:
        return starting()

    inner, outer = around.run()
    assert (inner[1], outer[1]) == ("several", "around")
    assert inner[0] != outer[0]
    assert around.get_metrics() == {}


def test_a_body_has_no_context() -> None:
    @pipeline
    def early() -> None:
        context()

    with pytest.raises(GraphError, match=r"context\(\) is called in the body of pipeline `early`"):
        early.run()


def test_values_of_one_metric_come_to_what_is_said() -> None:
    @task
    def telling(turn: int) -> None:
        now = context()
        for value in (turn, 5, 2):
            now.metric("sum", value)
            now.metric("last", value, combine="last")
            now.metric("max", value, combine="max")
            now.metric("min", value / 2, combine="min")

    @task
    def turns() -> list[int]:
        return [1, 9]

    @pipeline
    def looping() -> None:
        for turn in turns():
            telling(turn)

    looping.run(executor="sync")
    assert looping.get_metrics() == {"telling": {"sum": 24, "last": 2, "max": 9, "min": 0.5}}


def test_threads_of_a_task_tell_metrics_by_its_context() -> None:
    @task
    def threaded() -> None:
        now = context()

        def tell() -> None:
            for _ in range(1000):
                now.metric("count", 1)

        threads = [threading.Thread(target=tell) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    pipeline_ = pipeline(name="threads")(lambda: threaded())  # noqa: PLW0108  # a pipeline is no task
    pipeline_.run()
    assert pipeline_.get_metrics() == {"threaded": {"count": 4000}}


def test_metrics_of_a_task_that_fails_are_kept() -> None:
    executors: list[Executor] = ["threads", "processes"]
    for executor in executors:
        with pytest.raises(TaskError):
            failing.run(executor=executor)
        assert failing.get_metrics() == {"broken": {"nulls": 3}}


@task
def broken() -> None:
    context().metric("nulls", 3)
    raise ValueError("no")


@pipeline
def failing() -> None:
    broken()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("", 1, "a metric got '' for a name"),
        (3, 1, "a metric got 3 for a name"),
        ("duration_ms", 1, "`duration_ms` is the name of what @observe measures"),
        ("nulls", "3", "metric `nulls` got a str, not a number"),
        ("nulls", None, "metric `nulls` got a NoneType, not a number"),
        ("nulls", True, "metric `nulls` got a bool, not a number"),
    ],
)
def test_what_is_no_metric_is_refused_outside_of_a_run_too(name: Any, value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        context().metric(name, value)
    assert caught.value.site is not None
    assert caught.value.site.text == "context().metric(name, value)"


def test_a_number_that_is_not_finite_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def nan() -> None:
        context().metric("mean", float("nan"))

    pipeline_ = pipeline(name="nans")(lambda: nan())  # noqa: PLW0108  # a pipeline is no task
    pipeline_.run()
    assert pipeline_.get_metrics() == {}
    assert [record.getMessage() for record in caplog.records] == ["metric `mean` is nan and is left out"]


def test_log_records_say_who_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(RunFields())
    caplog.set_level(logging.INFO)

    @task
    def logging_() -> str | None:
        logging.getLogger("mine").info("by a logger of mine")
        context().logger.info("by %s", "the context", extra={"rows": 3})
        return context().run_id

    run_id = pipeline(name="logs")(lambda: logging_()).run()  # noqa: PLW0108  # a pipeline is no task
    logging.getLogger("mine").info("outside")
    mine, own, outside = caplog.records
    for record in (mine, own):
        assert (record.run_id, record.pipeline, record.task, record.attempt) == (  # type: ignore[attr-defined]
            *(run_id, "logs", "logging_"),
            1,
        )
    assert (own.name, own.getMessage(), own.rows) == ("glacier.task", "by the context", 3)  # type: ignore[attr-defined]
    assert (outside.run_id, outside.task) == (None, None)  # type: ignore[attr-defined]
