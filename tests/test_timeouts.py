"""Timeouts: a task that takes too long has failed at its deadline, and what it does afterwards no longer counts."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from glacier import Bucket, pipeline, task
from glacier.errors import RunErrors, TaskError, TaskTimeout
from glacier.execution.options import Executor
from glacier.execution.record import Recorder
from glacier.lease import GivenUp
from glacier.providers import LocalProvider

LONG = 30.0
"""Seconds that nothing here may take: a wait that should be cut short."""
GOES_ON = "; its thread cannot be stopped, and goes on unheeded"


@pytest.fixture
def free() -> Iterator[threading.Event]:
    """What a stuck task waits for, set at the test's end so that its thread ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def out(tmp_path: Path) -> Bucket:
    return LocalProvider(tmp_path).bucket("out", path="a.parquet")


def test_a_thread_is_given_up_at_the_deadline(free: threading.Event, line: Callable[[str], str]) -> None:
    @task(timeout=0.05)
    def stuck() -> int:
        free.wait(LONG)
        return 1

    @task
    def after(x: int) -> int:
        return x

    @pipeline
    def body() -> int:
        x = stuck()
        return after(x)

    recorder = Recorder()
    began = time.perf_counter()
    with pytest.raises(TaskError) as error:
        body.run(progress=recorder)
    assert time.perf_counter() - began < 5
    assert str(error.value) == (
        "task `stuck` of pipeline `body` failed: TaskTimeout: it ran longer than its timeout of 0.05 s" + GOES_ON + "\n"
        f"  at {line('x = stuck()')}\n"
        "     x = stuck()\n"
        "  Fix: give it a larger timeout=, or less to do; executor='processes' ends what runs too long"
    )
    assert isinstance(error.value.__cause__, TimeoutError)
    assert recorder.record is not None
    first, second = recorder.record.nodes
    assert (first.state, first.reason) == (
        "failed",
        "TaskTimeout: it ran longer than its timeout of 0.05 s" + GOES_ON,
    )
    assert first.seconds is not None
    assert 0.05 <= first.seconds < 5
    assert (second.state, second.reason) == ("skipped", "`stuck` failed")


def test_another_worker_takes_the_place_of_one_that_is_stuck(free: threading.Event) -> None:
    @task(timeout=0.05)
    def stuck() -> int:
        free.wait(LONG)
        return 1

    @task
    def other(n: int) -> int:
        return n

    @pipeline
    def body() -> list[int]:
        first = stuck()
        return [first, *(other(n) for n in range(3))]

    recorder = Recorder()
    with pytest.raises(RunErrors):
        body.run(max_workers=1, on_failure="continue", progress=recorder)
    assert recorder.record is not None
    assert [node.state for node in recorder.record.nodes] == ["failed", "succeeded", "succeeded", "succeeded"]


def test_a_task_in_time_is_not_touched() -> None:
    @task(timeout=LONG)
    def quick(n: int) -> int:
        return n

    @task(timeout=LONG)
    def double(n: int) -> int:
        return 2 * n

    @task
    def numbers() -> list[int]:
        return list(range(500))

    @pipeline
    def body() -> list[int]:
        return [double(quick(n)) for n in numbers()]

    assert body.run() == [2 * n for n in range(500)]


def test_a_try_out_of_time_is_tried_again(free: threading.Event) -> None:
    calls: list[int] = []

    @task(timeout=0.05, retries=2, retry_delay=0, retry_on=TaskTimeout)
    def fetch() -> str:
        calls.append(1)
        if len(calls) < 3:
            free.wait(LONG)
            return "late"
        return "in time"

    @pipeline
    def body() -> str:
        return fetch()

    recorder = Recorder()
    assert body.run(progress=recorder) == "in time"
    assert recorder.record is not None
    late = "TaskTimeout: it ran longer than its timeout of 0.05 s" + GOES_ON
    assert [attempt.error for attempt in recorder.record.nodes[0].attempts] == [late, late, None]


def test_what_a_late_thread_returns_is_not_taken(free: threading.Event) -> None:
    left = threading.Event()

    @task(timeout=0.05, retries=1, retry_delay=0)
    def fetch() -> str:
        if left.is_set():
            return "second"
        left.set()
        free.wait(LONG)
        return "first"

    @task
    def ask(value: str) -> str:
        free.set()  # the first try returns now
        for thread in threading.enumerate():
            if thread.name == "glacier-0":
                thread.join(LONG)
        return value

    @pipeline
    def body() -> tuple[str, str]:
        value = fetch()
        return ask(value), value

    assert body.run() == ("second", "second")


def test_a_late_thread_publishes_nothing(free: threading.Event, out: Bucket, tmp_path: Path) -> None:
    ended: list[BaseException] = []
    over = threading.Event()

    def slow(frame: pl.DataFrame) -> pl.DataFrame:
        free.wait(LONG)
        return frame

    @task(timeout=0.1)
    def write(target: Bucket) -> None:
        try:
            target.write(pl.LazyFrame({"n": [1]}).map_batches(slow))
        except BaseException as error:
            ended.append(error)
            raise
        finally:
            over.set()

    @pipeline
    def body() -> None:
        write(out)

    with pytest.raises(TaskError, match="longer than its timeout"):
        body.run()
    assert list((tmp_path / "out").iterdir()) == []  # nothing staged is left either
    free.set()
    assert over.wait(LONG)
    assert list((tmp_path / "out").iterdir()) == []
    assert len(ended) == 1


def test_a_late_thread_that_tries_whatever_happens_ends_where_it_writes(free: threading.Event, out: Bucket) -> None:
    ended: list[BaseException] = []
    over = threading.Event()

    @task(timeout=0.05)
    def write(target: Bucket) -> None:
        free.wait(LONG)
        try:
            while True:
                try:
                    target.write(pl.DataFrame({"n": [1]}))
                except Exception:  # noqa: BLE001
                    continue
        except BaseException as error:
            ended.append(error)
            over.set()
            raise

    @pipeline
    def body() -> None:
        write(out)

    with pytest.raises(TaskError, match="longer than its timeout"):
        body.run()
    free.set()
    assert over.wait(LONG)
    assert [type(error) for error in ended] == [GivenUp]
    assert not out.exists()


def test_a_write_that_is_being_published_at_the_deadline_is_finished_first(
    out: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glacier.providers.local_staged import LocalStaged

    publish = LocalStaged.publish

    def slowly(staged: LocalStaged) -> None:
        time.sleep(0.3)
        publish(staged)

    monkeypatch.setattr(LocalStaged, "publish", slowly)

    @task(timeout=0.15)
    def write(target: Bucket) -> None:
        target.write(pl.DataFrame({"n": [1]}))

    @pipeline
    def body() -> None:
        write(out)

    with pytest.raises(TaskError, match=r"longer than its timeout of 0\.15 s"):
        body.run()
    assert out.exists()


def test_async_tasks_are_cancelled() -> None:
    cancelled: list[str] = []

    @task(timeout=0.05)
    async def fetch() -> int:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            cancelled.append("fetch")
            raise
        return 1

    @pipeline
    def body() -> int:
        return fetch()  # type: ignore[return-value]

    with pytest.raises(TaskError) as error:
        body.run()
    assert cancelled == ["fetch"]
    assert "failed: TaskTimeout: it ran longer than its timeout of 0.05 s\n" in str(error.value)


def test_an_async_task_that_does_not_let_itself_be_cancelled_is_given_up(free: threading.Event) -> None:
    @task(timeout=0.05)
    async def fetch() -> int:
        free.wait(LONG)  # blocks the event loop
        return 1

    @pipeline
    def body() -> int:
        return fetch()  # type: ignore[return-value]

    with pytest.raises(TaskError, match=f"timeout of 0.05 s{GOES_ON}"):
        body.run()


def test_a_timeout_of_the_tasks_own_is_its_own() -> None:
    @task(timeout=LONG)
    async def fetch() -> int:
        raise TimeoutError("of a server")

    @pipeline
    def body() -> int:
        return fetch()  # type: ignore[return-value]

    with pytest.raises(TaskError, match="failed: TimeoutError: of a server"):
        body.run()


def test_turns_of_a_loop_have_each_their_own_deadline(free: threading.Event) -> None:
    @task
    def numbers() -> list[int]:
        return [1, 2, 3]

    @task(timeout=0.2)
    def step(n: int) -> int:
        if n == 2:
            free.wait(LONG)
        return n

    @pipeline
    def body() -> list[int]:
        return [step(n) for n in numbers()]

    recorder = Recorder()
    with pytest.raises(RunErrors) as errors:
        body.run(on_failure="continue", progress=recorder)
    assert [error.items for error in errors.value.exceptions if isinstance(error, TaskError)] == [(1,)]
    assert recorder.record is not None
    assert recorder.record.nodes[1].reason is not None
    assert recorder.record.nodes[1].reason.startswith("1 of 3 turns failed, one with TaskTimeout")


def test_a_run_within_a_late_task_publishes_nothing_either(free: threading.Event, out: Bucket) -> None:
    over = threading.Event()

    @task
    def write(target: Bucket) -> None:
        target.write(pl.DataFrame({"n": [1]}))

    @pipeline
    def inner() -> None:
        write(out)

    @task(timeout=0.05)
    def nested() -> None:
        free.wait(LONG)
        try:
            inner.run()
        finally:
            over.set()

    @pipeline
    def body() -> None:
        nested()

    with pytest.raises(TaskError, match="`nested` of pipeline `body` failed: TaskTimeout"):
        body.run()
    free.set()
    assert over.wait(LONG)
    assert not out.exists()


def test_the_calling_thread_holds_no_timeout() -> None:
    @task(timeout=0.01)
    def slow() -> int:
        time.sleep(0.05)
        return 1

    @pipeline
    def body() -> int:
        return slow()

    assert body.run(executor="sync") == 1
    assert slow() == 1


@pytest.mark.parametrize("executor", ["threads", "sync"])
def test_a_run_is_gone_with_its_values_when_it_is_over(executor: Executor) -> None:
    class Value:
        pass

    made: list[weakref.ref[Value]] = []

    @task(timeout=LONG, retries=1, retry_delay=0)
    def make() -> Value:
        if not made:
            made.append(weakref.ref(Value()))
            raise OSError
        value = Value()
        made.append(weakref.ref(value))
        return value

    @task(timeout=LONG)
    def look(value: Value) -> Value:
        return value

    @pipeline
    def body() -> Value:
        return look(make())

    gc.disable()  # which would find a run that holds itself
    try:
        body.run(executor=executor)
        assert [one() for one in made] == [None, None]
    finally:
        gc.enable()
