"""Serverless functions: what they are given and give, their limits, what waits for them, what may invoke them."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, Serverless, pipeline, task
from glacier.config import AzureFunctionConfig, CloudFunctionConfig, LambdaConfig, S3Config
from glacier.errors import ConfigError, FunctionError, TaskError
from glacier.providers import LocalProvider
from glacier.providers.local_functions import StandIn
from glacier.testing import MemoryProvider

Line = Callable[[str], str]
CODE = """
import os, sys, threading, time
from pathlib import Path

def told(event, context):
    print("told", event)
    print("and warned", file=sys.stderr)
    return {"event": event, "stage": os.environ.get("STAGE"), "here": Path.cwd().name, "name": context.function_name,
            "memory": context.memory_limit_in_mb, "left": 0 < context.get_remaining_time_in_millis() <= 60_000}

def fails(event, context):
    def inner():
        raise KeyError("input_path")
    inner()

def sleeps(event, context):
    time.sleep(30)

def grows(event, context):
    held = []
    while True:
        held.append(bytearray(os.urandom(1024)) * 8192)

def dies(event, context):
    os._exit(3)

def leaves(event, context):
    threading.Thread(target=time.sleep, args=(30,)).start()
    return os.getpid()

def odd(event, context):
    return {1, 2}

def notes(event, context):
    Path(event).write_text("done")
    raise ValueError("afterwards")
"""


@pytest.fixture
def provider(in_tmp: Path) -> LocalProvider:
    (in_tmp / "code").mkdir()
    (in_tmp / "code" / "job.py").write_text(CODE)
    return LocalProvider("data")


def function(provider: LocalProvider, handler: str, **options: Any) -> Serverless:
    return provider.serverless("worker", handler=handler, source=Path.cwd() / "code", **options)


def refused(run: Callable[[], object]) -> str:
    with pytest.raises(FunctionError) as caught:
        run()
    return str(caught.value)


def test_what_a_function_gets_and_gives(provider: LocalProvider, caplog: pytest.LogCaptureFixture) -> None:
    worker = function(provider, "job.told", env={"STAGE": "s3cret"})
    with caplog.at_level(logging.INFO, "glacier.functions"):
        answer = worker.invoke(payload={"ids": [1, 2.5, None, True, "ü"]})
    assert answer == {
        "event": {"ids": [1, 2.5, None, True, "ü"]},
        "stage": "s3cret",
        "here": "code",
        "name": "worker",
        "memory": 512,
        "left": True,
    }
    lines = [(entry.name, entry.levelname, entry.getMessage()) for entry in caplog.records]
    assert lines == [
        ("glacier.functions.worker", "INFO", "told {'ids': [1, 2.5, None, True, 'ü']}"),
        ("glacier.functions.worker", "INFO", "and warned"),
    ]
    assert "s3cret" not in repr(worker)
    assert function(provider, "job.leaves").invoke() != os.getpid()


def test_the_exception_is_told_as_the_functions(provider: LocalProvider, line: Line) -> None:
    worker = function(provider, "job.fails")
    with pytest.raises(FunctionError) as caught:
        worker.invoke()
    number = CODE.splitlines().index("    inner()") + 1
    assert str(caught.value) == (
        "function `worker` (job.fails) raised KeyError: 'input_path'\n"
        f'      File "job.py", line {number}, in fails\n'
        "        inner()\n"
        f'      File "job.py", line {number - 1}, in inner\n'
        '        raise KeyError("input_path")\n'
        f"  at {line('worker.invoke()')}\n"
        "     worker.invoke()\n"
        "  Fix: correct the handler, or what it is given as payload"
    )
    assert (caught.value.function, caught.value.raised) == ("worker", "KeyError")


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        ("job.missing", "raised AttributeError: module 'job' has no attribute 'missing'"),
        ("no_such.handler", "raised ModuleNotFoundError: No module named 'no_such'"),
        ("job.odd", "raised TypeError: Object of type set is not JSON serializable"),
        ("job.dies", "ended with exit code 3 before it had a result"),
    ],
)
def test_what_else_goes_wrong(provider: LocalProvider, handler: str, told: str) -> None:
    worker = function(provider, handler)
    assert refused(worker.invoke).startswith(f"function `worker` ({handler}) {told}")


def test_limits_are_held(provider: LocalProvider) -> None:
    slow = function(provider, "job.sleeps", config=LambdaConfig(timeout=1))
    start = time.monotonic()
    assert refused(slow.invoke).startswith(
        "function `worker` (job.sleeps) was stopped: it ran longer than its timeout of 1 seconds\n"
    )
    assert time.monotonic() - start < 10
    start = time.monotonic()
    function(provider, "job.leaves").invoke()
    assert time.monotonic() - start < 10
    if sys.platform == "linux":
        large = function(provider, "job.grows", config=CloudFunctionConfig(memory=128))
        message = refused(large.invoke)
        assert message.startswith("function `worker` (job.grows) was stopped: it used 1")
        assert "MiB of memory, and has 128\n" in message


def test_what_is_not_waited_for_runs_on(
    provider: LocalProvider, in_tmp: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = function(provider, "job.notes")
    assert worker.invoke(str(in_tmp / "note"), wait=False) is None
    for thread in threading.enumerate():
        if thread.name == "function worker":
            thread.join()
    assert (in_tmp / "note").read_text() == "done"
    assert [entry.getMessage().partition("\n")[0] for entry in caplog.records if entry.levelname == "ERROR"] == [
        "function `worker` (job.notes) raised ValueError: afterwards"
    ]


def test_payloads_that_are_no_json(provider: LocalProvider, line: Line) -> None:
    worker = provider.serverless("worker", handler="job.told")
    bucket = provider.bucket("raw", path="a.parquet")
    message = refused(lambda: worker.invoke({"frames": [pl.DataFrame()]}))
    assert message == (
        'function `worker` cannot be given `payload["frames"][0]`: JSON holds no DataFrame\n'
        f"  at {line('message = refused(lambda')}\n"
        '     message = refused(lambda: worker.invoke({"frames": [pl.DataFrame()]}))\n'
        "  Fix: write it to a bucket, and pass where: bucket.get_uri()"
    )
    endless: list[Any] = []
    endless.append(endless)
    for payload, start in [
        ({"a": {1: 2}}, '`payload["a"]`: JSON holds no key that is a int'),
        ([float("nan")], "`payload[0]`: JSON holds no number that is infinite or no number"),
        (bucket, "`payload`: JSON holds no Bucket"),
        (b"", "`payload`: JSON holds no bytes"),
    ]:
        assert refused(partial(worker.invoke, payload)).startswith(f"function `worker` cannot be given {start}\n")
    assert "JSON holds no value that holds itself" in refused(lambda: worker.invoke(endless))


def test_declarations_that_are_refused(provider: LocalProvider) -> None:
    def told(name: str = "worker", **given: Any) -> str:
        options: dict[str, Any] = {"handler": "job.told", **given}
        with pytest.raises(ConfigError) as caught:
            provider.serverless(name, **options)
        return caught.value.message

    assert told("a b") == "function name 'a b' is none: letters, digits, hyphens and underscores"
    assert told(handler="handler") == "function `worker` got handler='handler', and takes a module and its function"
    assert told(runtime="nodejs20") == "function `worker` got runtime='nodejs20', and takes a version of Python"
    assert told(requirements="polars") == "function `worker` takes requirements as a list of text"
    assert told(env={"N": 1}) == "function `worker` takes env as text by name"
    assert told(config=S3Config()) == (
        "function `worker` got S3Config, and LocalProvider takes LambdaConfig or CloudFunctionConfig or "
        "AzureFunctionConfig"
    )
    one = provider.serverless("worker", handler="job.told", config=AzureFunctionConfig(), source=Path.cwd() / "code")
    assert one.config == AzureFunctionConfig()
    assert one == provider.serverless("worker", handler="job.told", source=Path.cwd() / "code", env={"A": "b"})


def test_a_stand_in_takes_its_place() -> None:
    def half(event: Any, context: object) -> Any:
        return {"n": event["n"] / 2}

    memory = MemoryProvider(functions={"half": half, "fails": lambda event: event["x"]})
    assert memory.serverless("half", handler="no_such.module").invoke({"n": 3}) == {"n": 1.5}
    worker = memory.serverless("fails", handler="job.fails")
    assert refused(lambda: worker.invoke({})).startswith("function `fails` (job.fails) raised KeyError: 'x'\n")


@task
def put(target: Bucket) -> None:
    target.write(pl.DataFrame({"n": [1]}))


@task
def take(source: Bucket) -> int:
    return source.read().height


@task
def lazily(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def ready(source: Bucket) -> bool:
    return source.exists()


@task
def call(fn: Serverless) -> Any:
    return fn.invoke()


@task
def through_a_helper(fn: Serverless) -> Any:
    return helper(fn)


def helper(fn: Serverless) -> Any:
    return fn.invoke({"deep": True})


@task
def pure(n: int) -> int:
    return n


@task
def holds(fn: Serverless) -> str:
    return fn.name


def functions(**stand_ins: StandIn) -> MemoryProvider:
    return MemoryProvider(functions=stand_ins)


def test_what_waits_for_an_invocation() -> None:
    memory = functions(one=lambda event: 1)
    a, b = (memory.bucket(name, path="x.parquet") for name in "ab")
    fn = memory.serverless("one", handler="m.f")

    @pipeline
    def body() -> Any:
        put(a)
        pure(3)
        early = take(a)
        call(fn)
        holds(fn)
        late = take(b)
        through_a_helper(fn)
        direct = fn.invoke({"n": late})
        return early, direct

    plan = body.run(mode="analyze")
    edges = {(str(e["from"]), str(e["to"])) for e in plan["edges"]}
    assert edges == {
        ("put", "take[early]"),
        ("put", "call"),
        ("take[early]", "call"),
        ("call", "take[late]"),
        ("call", "through_a_helper"),
        ("take[late]", "through_a_helper"),
        ("through_a_helper", "one.invoke"),
        ("take[late]", "one.invoke"),
    }
    reasons = {str(e["reason"]) for e in plan["edges"] if e["to"] in ("call", "take[late]")}
    assert reasons == {
        "`call` waits for `put`: it touches what function `one`, invoked here, may read or change",
        "`call` waits for `take[early]`: it touches what function `one`, invoked here, may read or change",
        "`take[late]` waits for `call`: it invokes a function, which may change `b/x.parquet`",
    }
    (info,) = [r for r in plan["resources"] if r["name"] == "one"]
    assert info["invoked_by"] == ["call", "through_a_helper", "one.invoke"]
    assert info["read_by"] == info["written_by"] == info["uncertain"] == []


def test_branches_and_loops_supersede_nothing() -> None:
    memory = functions(one=lambda event: 1)
    a = memory.bucket("a", path="x.parquet")
    fn = memory.serverless("one", handler="m.f")

    @pipeline
    def body(flag: bool) -> Any:
        put(a)
        call(fn)
        if pure(flag):
            through_a_helper(fn)
        return take(a)

    edges = {(str(e["from"]), str(e["to"])) for e in body.run(mode="analyze")["edges"]}
    assert {("call", "take"), ("through_a_helper", "take"), ("put", "take")} <= edges


def test_a_lazy_frame_sees_what_it_would_see_in_the_plain_call() -> None:
    memory = MemoryProvider()
    a = memory.bucket("a", path="x.csv")
    a.write(pl.DataFrame({"n": [1]}))

    def change(event: object) -> None:
        a.write(pl.DataFrame({"n": [1, 2, 3]}))

    fn = MemoryProvider(functions={"change": change}).serverless("change", handler="m.f")

    @task
    def rows(df: pl.LazyFrame) -> int:
        return df.collect().height

    @pipeline
    def body() -> Any:
        df = lazily(a)
        before = rows(df)
        call(fn)
        return before, rows(df)

    assert body.run() == (1, 3)
    a.write(pl.DataFrame({"n": [1]}))
    assert body() == (1, 3)


def test_a_check_of_a_bucket_does_not_skip_an_invocation() -> None:
    calls: list[str] = []
    memory = functions(one=lambda event: calls.append("one"))
    a = memory.bucket("a", path="x.parquet")
    fn = memory.serverless("one", handler="m.f")

    @pipeline
    def body() -> Any:
        ready(a)
        call(fn)

    body.run()
    assert calls == ["one"]


def test_a_task_that_was_not_seen_to_invoke_is_refused() -> None:
    memory = functions(one=lambda event: 1)
    fn = memory.serverless("one", handler="m.f")

    @task
    def stealthy() -> Any:
        return MemoryProvider(functions={"two": lambda event: 2}).serverless("two", handler="m.f").invoke()

    @task(writes=[])
    def says_not(fn: Serverless) -> Any:
        return fn.invoke()

    @pipeline
    def one() -> Any:
        return stealthy()

    @pipeline
    def two() -> Any:
        return says_not(fn)

    with pytest.raises(TaskError, match="may not `invoke` `two`: its code was not seen to touch it"):
        one.run()
    with pytest.raises(TaskError, match=r"may not `invoke` `one`: its reads= and writes= do not say so"):
        two.run()


def test_what_cannot_be_told_counts_as_invoking() -> None:
    memory = functions(one=lambda event: 1)
    fn = memory.serverless("one", handler="m.f")

    @task
    def unknown(fn: Serverless, name: str) -> Any:
        return getattr(fn, name)()

    @pipeline
    def body() -> Any:
        return unknown(fn, "invoke")

    analysis = body.run(mode="analyze")
    assert analysis["resources"][0]["uncertain"] == analysis["resources"][0]["invoked_by"] == ["unknown"]
    assert "what `unknown` does with `one` cannot be told from its code; it counts as invoking it" in " ".join(
        str(analysis).split()
    )
    assert body.run() == 1


def test_a_check_invokes_nothing() -> None:
    def never(event: object) -> None:
        raise AssertionError

    memory = functions(one=never)
    fn = memory.serverless("one", handler="m.f")

    @task
    def frame(fn: Serverless) -> pl.DataFrame:
        fn.invoke()
        return pl.DataFrame({"n": [1]})

    @pipeline
    def body() -> Any:
        fn.invoke()
        return frame(fn)

    check = body.check()
    assert [(call.name, call.reason) for call in check.calls] == [
        ("one.invoke", "a check invokes no function, `one` neither"),
        ("frame", "it calls `invoke` of `one`"),
    ]


def test_pictures_show_functions() -> None:
    fn = functions(one=lambda event: 1).serverless("one", handler="m.f")

    @pipeline
    def body() -> Any:
        return call(fn)

    diagram = body.graph()
    assert 'r0>"one"]:::function' in diagram.mermaid()
    assert '<g class="function"><title>function://' in diagram.svg()
