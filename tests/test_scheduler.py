"""A run: order, overlap, failures, interruption; the same on every executor."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

import polars as pl
import pytest

from glacier import pipeline, task
from glacier.errors import ConfigError, GateClosed, InputError, RunErrors, TaskError
from glacier.execution.options import Executor
from glacier.execution.record import NodeRecord, Recorder, RunRecord, RunStart
from glacier.graph import Graph
from glacier.options import Materialize
from glacier.providers import LocalProvider
from glacier.testing import MemoryProvider


@task
def one() -> int:
    return 1


@task
def add(x: int, y: int = 1) -> int:
    return x + y


@task
def fail(text: str = "no") -> int:
    raise ValueError(text)


@task
def frame(rows: int) -> pl.DataFrame:
    return pl.DataFrame({"n": range(rows)})


@task
def lazy(df: pl.DataFrame) -> pl.LazyFrame:
    return df.lazy().filter(pl.col("n") % 2 == 0)


@task
def height(df: pl.LazyFrame) -> int:
    return df.collect().height


@pipeline
def diamond() -> int:
    a = one()
    b, c = add(a), add(a, 2)
    return add(b, c)


@pipeline
def frames() -> tuple[int, pl.LazyFrame, dict[str, pl.DataFrame]]:
    df = frame(10)
    even = lazy(df)
    return height(even), even, {"all": df}


class Told:
    """Keeps what an observer is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.start: RunStart
        self.graph: Graph | None = None
        self.record: RunRecord | None = None
        self.lock = threading.Lock()

    def run_started(self, run: RunStart) -> None:
        self.start = run
        self.graph = run.graph

    def node_started(self, index: int) -> None:
        assert self.graph
        with self.lock:
            self.events.append(("started", self.graph.names[index]))

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        raise AssertionError("no loop over a result here")

    def node_ended(self, index: int, record: NodeRecord) -> None:
        with self.lock:
            self.events.append((record.state, record.name))

    def run_ended(self, record: RunRecord) -> None:
        self.record = record


EXECUTORS: tuple[Executor, ...] = get_args(Executor)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_same_result_on_every_executor(executor: Executor) -> None:
    assert diamond.run(executor=executor) == diamond() == 5


@pytest.mark.parametrize("executor", EXECUTORS)
def test_frames_on_every_executor(executor: Executor) -> None:
    rows, even, named = frames.run(executor=executor)
    assert rows == 5
    assert isinstance(even, pl.LazyFrame)
    assert even.collect()["n"].to_list() == [0, 2, 4, 6, 8]
    assert named["all"].height == 10


@pytest.mark.parametrize("executor", EXECUTORS)
def test_failure_on_every_executor(executor: Executor) -> None:
    @pipeline
    def failing() -> int:
        return add(fail("boom"))

    with pytest.raises(TaskError, match="task `fail` of pipeline `failing` failed: ValueError: boom") as error:
        failing.run(executor=executor)
    assert isinstance(error.value.__cause__, ValueError)


def test_a_task_of_a_function_cannot_go_to_a_process() -> None:
    @task
    def local() -> int:
        return 1

    @pipeline
    def body() -> int:
        return local()

    with pytest.raises(TaskError, match="`local` cannot go to a worker process") as error:
        body.run(executor="processes")
    assert (
        error.value.fix
        == "keep tasks and their arguments at module level and picklable, or run with executor='threads'"
    )


class Unportable(Exception):
    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


@task
def raises_unportable() -> int:
    raise Unportable(1, 2)


@task
def dies() -> int:
    os._exit(3)


@task
def gives_a_lambda() -> object:
    return lambda: 1


@pipeline
def troubles(kind: str) -> list[object]:
    first = {"unportable": raises_unportable, "dies": dies, "lambda": gives_a_lambda}[kind]()
    return [first, one(), add(1), add(2)]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("unportable", "task `raises_unportable` of pipeline `troubles` failed: RemoteError: Unportable: 1 and 2"),
        ("lambda", "task `gives_a_lambda` of pipeline `troubles` failed: GraphError: what `gives_a_lambda` returned"),
        ("dies", "task `dies` of pipeline `troubles` failed: WorkerDied: its worker process ended with exit code 3"),
    ],
)
def test_trouble_in_one_process_is_its_own(kind: str, message: str) -> None:
    recorder = Recorder()
    with pytest.raises(RunErrors) as error:
        troubles.run(
            inputs={"kind": kind}, executor="processes", max_workers=1, on_failure="continue", progress=recorder
        )
    (failure,) = error.value.exceptions
    assert str(failure).startswith(message)
    assert recorder.record is not None
    assert recorder.record.counts() == {"failed": 1, "succeeded": 3}


def test_independent_tasks_overlap_and_results_wait_for_all() -> None:
    both = threading.Barrier(2, timeout=5)

    @task
    def meet(n: int) -> int:
        both.wait()
        return n

    @pipeline
    def body() -> list[int]:
        return [meet(1), meet(2)]

    assert body.run(max_workers=2) == [1, 2]


def test_one_worker_goes_in_body_order() -> None:
    told = Told()
    diamond.run(max_workers=1, progress=told)
    assert [name for state, name in told.events if state == "started"] == ["one", "add[b]", "add[c]", "add[#1]"]
    assert told.record is not None
    assert [(n.name, n.state) for n in told.record.nodes] == [
        ("one", "succeeded"),
        ("add[b]", "succeeded"),
        ("add[c]", "succeeded"),
        ("add[#1]", "succeeded"),
    ]


def test_fail_fast_cancels_the_rest_and_leaves_no_thread() -> None:
    ran: list[int] = []

    @task
    def note(n: int) -> int:
        ran.append(n)
        return n

    @pipeline
    def body() -> list[int]:
        first = fail()
        return [*[note.after(first)(n) for n in range(5)], *[note(n) for n in range(20)]]

    before = threading.active_count()
    told = Told()
    with pytest.raises(TaskError):
        body.run(progress=told, max_workers=1)
    assert ran == []
    assert threading.active_count() == before
    assert told.record is not None
    assert told.record.counts() == {"failed": 1, "skipped": 5, "cancelled": 20}


def test_continue_runs_what_does_not_depend_on_the_failure() -> None:
    ran: list[str] = []

    @task
    def note(text: str, x: int = 0) -> int:
        ran.append(text)
        return x

    @pipeline
    def body() -> int:
        bad = fail()
        note("below", bad)
        note("beside")
        return note("last", 1)

    told = Told()
    with pytest.raises(RunErrors) as error:
        body.run(on_failure="continue", progress=told)
    assert sorted(ran) == ["beside", "last"]
    assert len(error.value.exceptions) == 1
    assert told.record is not None
    skipped = [node for node in told.record.nodes if node.state == "skipped"]
    assert [(node.name, node.reason) for node in skipped] == [("note[#1]", "`fail` failed")]


def test_a_closed_gate_skips_what_waits_for_it() -> None:
    @task
    def is_good(good: bool) -> bool:
        return good

    @task(depends_on=[is_good])
    def use() -> int:
        return 1

    @task
    def tell(good: bool) -> str:
        return f"good: {good}"

    @pipeline
    def result_behind_the_gate(good: bool) -> int:
        is_good(good)
        return add(use())

    @pipeline
    def result_beside_the_gate(good: bool) -> str:
        checked = is_good(good)
        use()
        return tell(checked)

    assert result_behind_the_gate.run(inputs={"good": True}) == 2
    assert result_beside_the_gate.run(inputs={"good": False}) == "good: False"
    with pytest.raises(GateClosed) as error:
        result_behind_the_gate.run(inputs={"good": False})
    assert error.value.message == (
        "pipeline `result_behind_the_gate` has no result: `add` was skipped because `is_good` returned False"
    )
    assert error.value.fix == (
        "mend what the check found, or let the pipeline return something that does not depend on it; "
        "a task that is no check, though it gives a bool, takes @task(gate=False)"
    )


def test_a_check_may_give_a_truth_value_of_numpy() -> None:
    class Truth:
        def __init__(self, value: object) -> None:
            self.value = bool(value)

        def __bool__(self) -> bool:
            return self.value

    numpys = type("bool", (Truth,), {"__module__": "numpy"})  # as the library has it, which is not installed here

    @task
    def is_good(good: bool) -> bool:
        return cast("bool", numpys(good))

    @task(depends_on=[is_good])
    def use() -> int:
        return 1

    @pipeline
    def gated(good: bool) -> int:
        is_good(good)
        return use()

    assert gated.run(inputs={"good": True}) == 1
    with pytest.raises(GateClosed):
        gated.run(inputs={"good": False})


def test_replace_for_tests() -> None:
    assert diamond.run(replace={one: lambda: 10}) == 23
    with pytest.raises(InputError) as error:
        diamond.run(replace={fail: lambda: 1})
    assert error.value.message == "replace= names task `fail`, which pipeline `diamond` never calls"


def test_replace_takes_tasks_and_functions() -> None:
    bucket = LocalProvider("data").bucket("raw", path="a.csv")
    wrong: list[tuple[Any, str, str]] = [
        ({"one": add}, "'one'", "write replace={one: ...}, with what @task has made"),
        ({one.function: add}, repr(one.function), "write replace={one: ...}, with what @task has made"),
        ([one], repr([one]), "write replace={the_task: the_function}"),
        ({one: 5}, "5 for task `one`", "write replace={one: lambda ...: 5}, with the parameters of `one`"),
        (
            {bucket: add},
            "bucket `raw/a.csv`",
            "give the pipeline a provider for tests: see the tests of pipelines in docs/running.md",
        ),
    ]
    for replace, got, fix in wrong:
        with pytest.raises(ConfigError) as error:
            diamond.run(replace=replace)
        assert error.value.message == f"replace= takes a function for each task, by the task itself, but got {got}"
        assert error.value.fix == fix


def test_options_of_generating_are_for_generating() -> None:
    options: list[tuple[dict[str, Any], str, str]] = [
        ({"provider": MemoryProvider()}, "`provider`", "let the body declare its buckets on a provider"),
        ({"force": True, "output_dir": "tf"}, "`output_dir`, `force`", "write mode='generate', or drop output_dir="),
        ({"mode": "analyze", "backend": "s3"}, "`backend`", "write mode='generate', or drop backend="),
    ]
    for given, named, fix in options:
        with pytest.raises(ConfigError) as error:
            diamond.run(**given)
        mode = given.get("mode", "local")
        assert error.value.message == f"pipeline `diamond` is run in mode '{mode}', which does not take {named}"
        assert error.value.fix is not None
        assert error.value.fix.startswith(fix)
        assert error.value.site is not None


def test_wrong_options() -> None:
    wrong: list[dict[str, Any]] = [{"max_workers": 0}, {"executor": "thread"}, {"on_failure": "go"}]
    for options in wrong:
        with pytest.raises(ConfigError):
            diamond.run(**options)


def test_a_pipeline_with_no_task() -> None:
    @pipeline
    def plain() -> dict[str, int]:
        return {"a": 1}

    @pipeline
    def nothing() -> None:
        pass

    assert plain.run() == {"a": 1}
    assert nothing.run() is None


def test_ten_thousand_calls_and_deep_chains() -> None:
    @pipeline
    def wide() -> int:
        return total([add(n) for n in range(10_000)])

    @pipeline
    def deep() -> int:
        x = one()
        for _ in range(10_000):
            x = add(x)
        return x

    @task
    def total(items: list[int]) -> int:
        return sum(items)

    assert wide.run() == sum(range(1, 10_001))
    assert deep.run() == 10_001


def test_depends_on_between_two_tasks_of_many_calls_stays_linear() -> None:
    done: list[int] = []

    @task
    def first(n: int) -> None:
        done.append(n)

    @task(depends_on=[first])
    def second(n: int) -> int:
        return len(done)

    @pipeline
    def body() -> list[int]:
        for n in range(2_000):
            first(n)
        return [second(n) for n in range(2_000)]

    assert body.run() == [2_000] * 2_000
    assert sum(1 for _ in body.plan().edges()) == 4_000


def test_values_are_dropped_when_nobody_takes_them_any_more() -> None:
    alive: list[int] = []

    class Big:
        def __init__(self) -> None:
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    @task
    def make(before: object = None) -> Big:
        return Big()

    @task
    def look(big: Big) -> int:
        del big
        return len(alive)

    @pipeline
    def body() -> list[int]:
        seen: list[int] = []
        last: int | None = None
        for _ in range(10):
            last = look(make(last))
            seen.append(last)
        return seen

    assert max(body.run(max_workers=1)) <= 2


@pytest.mark.parametrize("value", [SystemExit(3), RecursionError("deep"), BaseExceptionGroup("g", [ValueError("v")])])
def test_whatever_a_task_raises_fails_the_run(value: BaseException) -> None:
    @task
    def bad() -> None:
        raise value

    @pipeline
    def body() -> None:
        bad()

    with pytest.raises(TaskError) as error:
        body.run()
    assert error.value.__cause__ is value


def test_a_task_may_run_a_pipeline() -> None:
    @task
    def nested() -> int:
        return diamond.run()

    @pipeline
    def body() -> int:
        return nested()

    assert body.run() == 5


def test_interrupt_returns_within_a_second(tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(
        textwrap.dedent(
            """
            import time, threading
            from glacier import task, pipeline

            @task
            def wait(n: int) -> int:
                time.sleep(30)
                return n

            @pipeline
            def body():
                return [wait(n) for n in range(50)]

            threading.Timer(0.5, lambda: print("waiting", flush=True)).start()
            body.run(max_workers=3)
            """
        )
    )
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    began = time.perf_counter()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert time.perf_counter() - began < 1.5  # a second for the run, the rest for the interpreter to leave
    assert "KeyboardInterrupt" in stderr


def test_context_variables_of_the_caller_hold_in_tasks() -> None:
    from contextvars import ContextVar

    who: ContextVar[str] = ContextVar("who", default="nobody")

    @task
    def ask() -> str:
        return who.get()

    @pipeline
    def body() -> str:
        return ask()

    who.set("me")
    assert body.run() == "me"


def test_context_variables_set_in_a_task_stay_in_it() -> None:
    from contextvars import ContextVar

    who: ContextVar[str] = ContextVar("who", default="nobody")

    @task
    def call_me(name: str) -> str:
        before = who.get()
        who.set(name)
        return before

    @pipeline
    def body() -> list[str]:
        return [call_me(name) for name in "abcdef"]

    assert set(body.run(max_workers=2)) == {"nobody"}
    assert set(body.run(executor="sync")) == {"nobody"}
    assert who.get() == "nobody"


def test_an_observer_that_fails_ends_the_run() -> None:
    class Faulty(Told):
        def node_ended(self, index: int, record: NodeRecord) -> None:
            raise RuntimeError("observer")

    with pytest.raises(RuntimeError, match="observer"):
        diamond.run(progress=Faulty())


def test_shared_expensive_frame_is_computed_once() -> None:
    calls: list[int] = []

    def counted(df: pl.DataFrame) -> pl.DataFrame:
        calls.append(df.height)
        return df

    def build(materialize: Materialize) -> Callable[[], int]:
        @task(materialize=materialize)
        def source() -> pl.LazyFrame:
            return pl.LazyFrame({"n": [1, 2]}).map_batches(counted)

        @task
        def rows(df: pl.LazyFrame) -> int:
            return df.collect().height

        @pipeline
        def body() -> int:
            df = source()
            return add(rows(df), rows(df))

        return body.run

    computed: dict[Materialize, int] = {"auto": 1, True: 1, "disk": 1, False: 2}
    for materialize, expected in computed.items():
        calls.clear()
        assert build(materialize)() == 4
        assert len(calls) == expected, materialize


def test_a_shared_frame_that_cannot_be_computed_fails_whoever_collects_it_and_nobody_else() -> None:
    @task
    def broken() -> pl.LazyFrame:
        return pl.LazyFrame({"n": [1, 2]}).sort("missing")

    @task
    def numbers(count: int) -> list[int]:
        return list(range(count))

    @task
    def rows(df: pl.LazyFrame, more: int = 0) -> int:
        return df.collect().height + more

    @pipeline
    def in_branch(count: int) -> int:
        df, found = broken(), 0
        if numbers(count):
            found = add(rows(df), rows(df))
        return found

    @pipeline
    def in_loop(count: int) -> list[int]:
        df = broken()
        return [rows(df, number) for number in numbers(count)]

    assert (in_branch.run(inputs={"count": 0}), in_branch(0)) == (0, 0)
    assert (in_loop.run(inputs={"count": 0}), in_loop(0)) == ([], [])
    for body in (in_branch, in_loop):
        with pytest.raises(TaskError, match="task `rows"):
            body.run(inputs={"count": 2})


class Interrupting(Told):
    def node_started(self, index: int) -> None:
        raise KeyboardInterrupt


def test_a_record_tells_the_run_s_id_start_and_end() -> None:
    before = datetime.now(UTC)
    first, second = Recorder(), Recorder()
    diamond.run(progress=first)
    diamond.run(progress=second)
    assert first.record
    assert second.record
    assert before <= first.record.started <= second.record.started <= datetime.now(UTC)
    assert first.record.run_id < second.record.run_id
    assert re.fullmatch(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{8}", first.record.run_id)
    assert first.record.state == "succeeded"


@pytest.mark.parametrize("executor", ["threads", "sync"])
def test_how_a_run_ended_is_in_its_record(executor: Executor) -> None:
    @task
    def check() -> bool:
        return False

    @pipeline
    def failing() -> int:
        return add(fail())

    @pipeline
    def closed() -> int:
        return add.after(check())(1)

    failed, without_result, interrupted = Recorder(), Recorder(), Interrupting()
    with pytest.raises(TaskError):
        failing.run(progress=failed, executor=executor)
    with pytest.raises(GateClosed):
        closed.run(progress=without_result, executor=executor)
    with pytest.raises(KeyboardInterrupt):
        diamond.run(progress=interrupted, executor=executor)
    assert failed.record
    assert failed.record.state == "failed"
    assert without_result.record
    assert without_result.record.state == "failed"
    assert interrupted.record
    assert interrupted.record.state == "cancelled"
    assert interrupted.record.run_id == interrupted.start.run_id
