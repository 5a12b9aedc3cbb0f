"""Tries: failed tasks are tried again after a wait that holds no worker, and every try is in the record."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from glacier import Pipeline, pipeline, task
from glacier.errors import ConfigError, RunErrors, TaskError
from glacier.execution.options import Executor
from glacier.execution.record import NodeRecord, Recorder
from glacier.execution.retries import wait_before
from glacier.tries import FailedTry

HOOK = "takes a function that is called with a FailedTry, but got"
EXECUTORS: list[Executor] = ["threads", "sync"]


class Flaky:
    """Fails so many times, then gives what it was given."""

    def __init__(self, failures: int, error: type[BaseException] = OSError) -> None:
        self.left = failures
        self.error = error
        self.calls = 0

    def __call__(self, value: int = 1) -> int:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error(f"call {self.calls}")
        return value


def recorded(body: Pipeline[..., Any], **options: Any) -> dict[str, NodeRecord]:
    recorder = Recorder()
    try:
        body.run(progress=recorder, **options)
    except (TaskError, RunErrors):
        pass
    assert recorder.record is not None
    return {node.name: node for node in recorder.record.nodes}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_task_that_fails_is_tried_again(executor: Executor) -> None:
    flaky = Flaky(2)

    @task(retries=3, retry_delay=0.001)
    def fetch() -> int:
        return flaky(7)

    @task
    def double(x: int) -> int:
        return 2 * x

    @pipeline
    def body() -> int:
        return double(fetch())

    assert body.run(executor=executor) == 14
    assert flaky.calls == 3


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_try_is_in_the_record(executor: Executor) -> None:
    flaky = Flaky(2)

    @task(retries=3, retry_delay=0.02)
    def fetch() -> int:
        return flaky()

    @task
    def once() -> int:
        return 1

    @pipeline
    def body() -> tuple[int, int]:
        return fetch(), once()

    nodes = recorded(body, executor=executor)
    fetched = nodes["fetch"]
    assert [attempt.error for attempt in fetched.attempts] == ["OSError: call 1", "OSError: call 2", None]
    first, second, third = fetched.attempts
    assert second.started - (first.started + first.seconds) >= 0.02
    assert third.started - (second.started + second.seconds) >= 0.04
    assert (fetched.state, fetched.reason) == ("succeeded", None)
    assert fetched.started == first.started
    assert fetched.seconds == sum(attempt.seconds for attempt in fetched.attempts)
    assert fetched.ended == pytest.approx(third.started + third.seconds)
    assert nodes["once"].attempts == ()


def test_a_task_fails_when_its_tries_are_used_up(line: Callable[[str], str]) -> None:
    flaky = Flaky(9)

    @task(retries=2, retry_delay=0)
    def fetch() -> int:
        return flaky()

    @pipeline
    def body() -> int:
        return (fetch(),)[0]

    with pytest.raises(TaskError) as error:
        body.run()
    assert str(error.value) == (
        "task `fetch` of pipeline `body` failed 3 times, at last: OSError: call 3\n"
        f"  at {line('return (fetch(),)[0]')}\n"
        "     return (fetch(),)[0]"
    )
    assert error.value.attempts == 3
    assert str(error.value.__cause__) == "call 3"
    assert [attempt.error for attempt in recorded(body)["fetch"].attempts] == [f"OSError: call {n}" for n in (4, 5, 6)]


def test_only_what_retry_on_names_is_tried_again() -> None:
    named, other, exits = Flaky(1, TimeoutError), Flaky(1, ValueError), Flaky(1, SystemExit)

    def build(flaky: Flaky, **options: Any) -> Pipeline[[], int]:
        @task(retries=1, retry_delay=0, **options)
        def fetch() -> int:
            return flaky(5)

        @pipeline
        def body() -> int:
            return fetch()

        return body

    assert build(named, retry_on=OSError).run() == 5  # TimeoutError is an OSError
    with pytest.raises(TaskError, match="failed: ValueError"):
        build(other, retry_on=[OSError, KeyError]).run()
    with pytest.raises(TaskError, match="failed: SystemExit"):
        build(exits).run()


def test_a_try_that_waits_holds_no_worker() -> None:
    others = threading.Event()
    flaky = Flaky(1)

    @task(retries=1, retry_delay=0.05)
    def fetch() -> int:
        if flaky.calls:
            assert others.is_set(), "the only worker waited for the next try"
        return flaky()

    @task
    def other() -> int:
        others.set()
        return 2

    @pipeline
    def body() -> tuple[int, int]:
        return fetch(), other()

    assert body.run(max_workers=1) == (1, 2)


def test_a_try_that_waits_holds_no_place_of_its_task() -> None:
    seen: list[int] = []

    @task(retries=1, retry_delay=0.05, max_concurrency=1)
    def fetch(x: int) -> int:
        seen.append(x)
        if seen == [0]:
            raise OSError
        return x

    @pipeline
    def body() -> list[int]:
        return [fetch(x) for x in range(3)]

    assert body.run() == [0, 1, 2]
    assert seen == [0, 1, 2, 0]


def test_tries_of_turns_and_of_branches() -> None:
    failed: set[int] = set()

    @task
    def numbers() -> list[int]:
        return [1, 2, 3]

    @task(retries=2, retry_delay=0)
    def odd(x: int) -> bool:
        if x not in failed:
            failed.add(x)
            raise OSError(str(x))
        return x % 2 == 1

    @task
    def keep(x: int) -> int:
        return x

    @pipeline
    def body() -> list[int]:
        kept: list[int] = []
        for x in numbers():
            if odd(x):
                kept.append(keep(x))
        return kept

    assert body.run() == [1, 3]
    failed.clear()
    node = recorded(body)["odd"]
    assert (node.state, node.turns) == ("succeeded", 3)
    assert sorted((attempt.items, attempt.error) for attempt in node.attempts if attempt.error) == [
        ((n - 1,), f"OSError: {n}") for n in (1, 2, 3)
    ]
    assert sorted(attempt.items for attempt in node.attempts if attempt.error is None) == [(0,), (1,), (2,)]
    assert node.seconds == pytest.approx(sum(attempt.seconds for attempt in node.attempts))


def test_tries_in_task_map_and_of_async_tasks() -> None:
    failed: set[int] = set()

    @task
    def numbers() -> list[int]:
        return [1, 2]

    @task(retries=1, retry_delay=0)
    async def fetch(x: int) -> int:
        if x not in failed:
            failed.add(x)
            raise OSError
        return x

    @pipeline
    def body() -> list[int]:
        return fetch.map(numbers())  # type: ignore[return-value]

    assert body.run() == [1, 2]


def test_a_failure_elsewhere_ends_the_wait_for_another_try() -> None:
    waiting = threading.Event()

    @task(retries=1, retry_delay=3600, on_retry=lambda _: waiting.set())
    def fetch() -> int:
        raise OSError("flaky")

    @task
    def fail() -> int:
        waiting.wait(10)
        raise ValueError("for good")

    @pipeline
    def body() -> tuple[int, int]:
        return fetch(), fail()

    with pytest.raises(TaskError, match="`fail` of pipeline `body` failed: ValueError: for good"):
        body.run()
    waiting.clear()
    nodes = recorded(body)
    assert (nodes["fetch"].state, nodes["fetch"].reason, nodes["fetch"].attempts) == ("failed", "OSError: flaky", ())


def test_what_depends_on_a_task_that_is_tried_again_waits(caplog: pytest.LogCaptureFixture) -> None:
    flaky = Flaky(9)

    @task(retries=1, retry_delay=0)
    def fetch() -> int:
        return flaky()

    @task
    def after(x: int) -> int:
        return x

    @task
    def other() -> int:
        return 1

    @pipeline
    def body() -> tuple[int, int]:
        return after(fetch()), other()

    nodes = recorded(body, on_failure="continue")
    assert {name: node.state for name, node in nodes.items()} == {
        "fetch": "failed", "after": "skipped", "other": "succeeded",
    }  # fmt: skip
    assert nodes["after"].reason == "`fetch` failed"
    assert not caplog.records


def test_hooks_are_told_of_each_failed_try() -> None:
    told: list[tuple[str, str, int, str, bool]] = []

    def note(who: str) -> Callable[[FailedTry], None]:
        def hook(failed: FailedTry) -> None:
            assert failed.pipeline == "body"
            told.append((who, failed.task, failed.attempt, str(failed.error), failed.wait is None))

        return hook

    @task(retries=1, retry_delay=0, on_retry=note("task retry"), on_failure=note("task failure"))
    def fetch() -> int:
        raise OSError("down")

    @task
    def other() -> int:
        raise ValueError("no")

    @pipeline(on_failure=note("inner failure"))
    def inner() -> int:
        return fetch()

    @pipeline(on_retry=note("retry"), on_failure=note("failure"))
    def body() -> tuple[int, int]:
        return inner(), other()

    with pytest.raises(RunErrors):
        body.run(executor="sync", on_failure="continue")
    assert told == [
        ("task retry", "fetch", 1, "down", False),
        ("retry", "fetch", 1, "down", False),
        ("failure", "other", 1, "no", True),
        ("task failure", "fetch", 2, "down", True),
        ("inner failure", "fetch", 2, "down", True),
        ("failure", "fetch", 2, "down", True),
    ]


def test_a_hook_that_raises_is_reported_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def hook(failed: FailedTry) -> None:
        raise SystemExit(3)

    flaky = Flaky(1)

    @task(retries=1, retry_delay=0, on_retry=hook)
    def fetch() -> int:
        return flaky(3)

    @pipeline
    def body() -> int:
        return fetch()

    with caplog.at_level(logging.INFO, "glacier"):
        assert body.run() == 3
    told, record = caplog.records
    assert told.getMessage() == "`fetch` failed in try 1, next in 0 s: OSError: call 1"
    assert told.levelno == logging.INFO
    assert record.getMessage().endswith("hook` of task `fetch` failed itself")
    assert record.exc_info is not None
    assert record.exc_info[0] is SystemExit


def test_waits_grow_twofold_from_retry_delay_with_chance_added() -> None:
    waits = [[wait_before(retry, 2.0) for _ in range(200)] for retry in (1, 2, 3, 20)]
    assert [(min(some) >= low, max(some) <= low + 2) for some, low in zip(waits, (2, 4, 8, 300), strict=True)] == [
        (True, True)
    ] * 4
    assert max(waits[0]) - min(waits[0]) > 1  # calls that failed together do not come back together
    assert 600 <= wait_before(5, 600) <= 1200
    assert wait_before(4, 0) == 0


@pytest.mark.parametrize(
    ("options", "message", "fix"),
    [
        ({"retries": -1}, "retries takes a whole number from 0 on, but got -1", "retries=3"),
        ({"retries": True}, "retries takes a whole number from 0 on, but got True", "retries=3"),
        ({"retries": 1.5}, "retries takes a whole number from 0 on, but got 1.5", "retries=3"),
        ({"retry_delay": -2}, "retry_delay takes seconds, 0 or more, but got -2", "retry_delay=2.0"),
        ({"retry_delay": float("nan")}, "retry_delay takes seconds, 0 or more, but got nan", "retry_delay=2.0"),
        ({"retry_on": "OSError"}, "retry_on takes types of exceptions, but got 'OSError'", "write retry_on=(OSError,)"),
        ({"retry_on": (int,)}, f"retry_on takes types of exceptions, but got ({int!r},)", "write retry_on=(OSError,)"),
        ({"retry_on": ()}, "retry_on takes types of exceptions, but got ()", "write retry_on=(OSError,)"),
        ({"timeout": 0}, "timeout takes seconds, more than 0, but got 0", "timeout=60"),
        ({"timeout": -1.0}, "timeout takes seconds, more than 0, but got -1.0", "timeout=60"),
        ({"timeout": True}, "timeout takes seconds, more than 0, but got True", "timeout=60"),
        ({"on_retry": 3}, f"on_retry {HOOK} 3", "write on_retry=the_function"),
        ({"on_failure": "mail"}, f"on_failure {HOOK} 'mail'", "write on_failure=the_function"),
    ],
)  # fmt: skip
def test_options_are_checked_at_the_decorator(
    options: dict[str, Any], message: str, fix: str, line: Callable[[str], str]
) -> None:
    with pytest.raises(ConfigError) as error:

        @task(**options)
        def fetch() -> int:
            return 1

    assert str(error.value) == f"{message}\n  at {line('@task(**options)')}\n     @task(**options)\n  Fix: {fix}"


def test_hooks_of_pipelines_are_checked_too(line: Callable[[str], str]) -> None:
    async def hook(failed: FailedTry) -> None:
        del failed

    with pytest.raises(ConfigError) as error:

        @pipeline(on_failure=hook)
        def body() -> int:
            return 1

    assert str(error.value) == (
        "on_failure takes a function that is called with a FailedTry, but got an `async def`\n"
        f"  at {line('@pipeline(on_failure=hook)')}\n"
        "     @pipeline(on_failure=hook)\n"
        "  Fix: write on_failure=the_function"
    )


def test_observers_hear_once_that_a_task_starts() -> None:
    started: list[int] = []

    class Listening(Recorder):
        def node_started(self, index: int) -> None:
            started.append(index)

    flaky = Flaky(2)

    @task(retries=2, retry_delay=0)
    def fetch() -> int:
        return flaky()

    @pipeline
    def body() -> int:
        return fetch()

    assert body.run(progress=Listening()) == 1
    assert started == [0]


def test_each_try_is_given_what_the_call_was() -> None:
    tries: list[int] = []

    @task(retries=1, retry_delay=0)
    def flaky(found: list[int]) -> list[int]:
        found.append(len(found))
        tries.append(len(found))
        if len(tries) == 1:
            raise OSError
        return found

    @pipeline
    def body() -> list[int]:
        return flaky([7])

    assert body.run() == [7, 1]
    assert tries == [2, 2]
