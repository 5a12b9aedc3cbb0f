"""SIGINT and SIGTERM: a run ends soon, recorded as cancelled, and leaves no staged file and no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from glacier import pipeline, task
from test_processes import gone

SIGNALS = [signal.SIGINT, signal.SIGTERM]
EXECUTORS = ["threads", "processes"]
SCRIPT = """
import os, signal, sys, threading, time
from pathlib import Path

import polars as pl
from glacier import Bucket, pipeline, task
from glacier.execution import run
from glacier.execution.record import Recorder
from glacier.providers import LocalProvider

HERE = Path(__file__).parent
buckets = LocalProvider(HERE)

def begun():
    (HERE / f"pid-{os.getpid()}").touch()

def slowly(frame):
    begun()
    time.sleep(60)
    return frame

@task
def sleeps(n: int) -> int:
    begun()
    time.sleep(60)
    return n

@task
def computes() -> int:
    begun()
    numbers = pl.LazyFrame({"a": range(1_000_000)}, schema={"a": pl.Int64})
    return numbers.join(numbers, how="cross").select(pl.col("a").sum() + pl.col("a_right").sum()).collect().item()

@task
def loops_in_polars() -> int:
    begun()
    def plus(v):
        return v + 1
    numbers = pl.LazyFrame({"a": range(100_000_000)})
    return numbers.select(pl.col("a").map_elements(plus, return_dtype=pl.Int64).sum()).collect().item()

@task
def writes(target: Bucket) -> None:
    target.write(pl.LazyFrame({"n": [1]}).map_batches(slowly))

@task
def writes_parts(target: Bucket) -> None:
    parts = pl.LazyFrame({"k": [1, 2], "n": [1, 2]})
    target.write(pl.concat([parts, parts.map_batches(slowly)]), partition_by="k")

@task
def source() -> pl.LazyFrame:
    return pl.LazyFrame({"n": [1]}).map_batches(slowly)

@pipeline
def sleep():
    return [sleeps(n) for n in range(50)]

@pipeline
def query():
    return computes()

@pipeline
def python_in_query():
    return loops_in_polars()

@pipeline
def write():
    writes(buckets.bucket("out", path="a.parquet"))

@pipeline
def write_parts():
    writes_parts(buckets.bucket("out", path="parts/"))

@pipeline
def write_in_body():
    frame = source()
    buckets.bucket("out", path="a.parquet").write(frame)
    buckets.bucket("out", path="b.csv").write(frame)

if __name__ == "__main__":
    recorder = Recorder()
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    try:
        globals()[sys.argv[1]].run(executor=sys.argv[2], max_workers=3, progress=recorder)
    finally:
        print("over", time.time(), recorder.record.state, *sorted(recorder.record.counts()))
        print("restored", before == [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)])
        print("left", *(p.name for p in HERE.glob("out/**/*")), flush=True)
"""


class Child:
    """A process that runs the script above, or another one, in a folder of its own."""

    def __init__(self, folder: Path, *args: str, script: str = SCRIPT) -> None:
        self.folder = folder
        self.scratch = folder / "tmp"
        self.scratch.mkdir()
        file = folder / "script.py"
        file.write_text(textwrap.dedent(script))
        self.process = subprocess.Popen(
            [sys.executable, str(file), *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(self.scratch)},
            start_new_session=True,
        )
        self.killed = 0.0

    def wait_until(self, done: Callable[[], bool]) -> None:
        end = time.perf_counter() + 60
        while not done():
            assert self.process.poll() is None, self.process.communicate()
            assert time.perf_counter() < end, "the script does not begin"
            time.sleep(0.01)

    def pids(self) -> list[int]:
        """Gives the processes that did work, once there is one."""
        self.wait_until(lambda: bool(list(self.folder.glob("pid-*"))))
        return [int(file.name.removeprefix("pid-")) for file in self.folder.glob("pid-*")]

    def send(self, number: signal.Signals) -> None:
        self.killed = time.time()
        self.process.send_signal(number)

    def output(self) -> tuple[dict[str, list[str]], str]:
        """Gives what it prints by the first word of each line, and its errors."""
        out, err = self.process.communicate(timeout=30)
        return {line.split()[0]: line.split()[1:] for line in out.splitlines()}, err


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    made: list[Child] = []

    def make(*args: str, script: str = SCRIPT) -> Child:
        made.append(Child(tmp_path, *args, script=script))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.communicate()


def ends_soon(child: Child, number: signal.Signals) -> None:
    pids = child.pids()
    child.send(number)
    told, err = child.output()
    at, state, *states = told["over"]
    assert float(at) - child.killed < 2
    assert (state, states[0]) == ("cancelled", "cancelled")
    assert told["restored"] == ["True"]
    assert told["left"] == []
    assert list(child.scratch.glob("glacier-*")) == []
    assert all(gone(pid) for pid in pids)
    if number == signal.SIGINT:
        assert child.process.returncode == -signal.SIGINT, err
        assert err.rstrip().endswith("KeyboardInterrupt")
    else:
        assert child.process.returncode == 128 + signal.SIGTERM, err
        assert "Traceback" not in err


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("body", ["sleep", "query", "write", "write_parts"])
def test_a_signal_ends_a_run(child: Callable[..., Child], body: str, number: signal.Signals, executor: str) -> None:
    ends_soon(child(body, executor), number)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("body", ["write_in_body", "python_in_query"])
def test_a_signal_ends_writes_of_the_body_and_python_in_polars(
    child: Callable[..., Child], body: str, number: signal.Signals
) -> None:
    ends_soon(child(body, "threads"), number)


QUERY_WITHOUT_A_THREAD = """
import sys, time
import polars as pl
from glacier.execution.abandoned import abandon

def plus(v):
    return v + 1

if __name__ == "__main__":
    numbers = pl.LazyFrame({"a": range(100_000_000)})
    going_on = numbers.select(pl.col("a").map_elements(plus, return_dtype=pl.Int64).sum()).collect(background=True)
    time.sleep(0.5)
    assert going_on.fetch() is None
    abandon([])
    sys.exit(3)
"""


def test_an_exit_ends_python_in_polars_that_no_thread_of_a_run_waits_for(child: Callable[..., Child]) -> None:
    """So it is after an interrupt that ended the query for its caller, while Polars' threads still work on a part."""
    leaving = child(script=QUERY_WITHOUT_A_THREAD)
    _, err = leaving.output()
    assert leaving.process.returncode == 3, err


TEXT_IS_RUN_AT_THE_EXIT = """
import threading, time
from glacier.execution.abandoned import abandon

def late():
    try:
        time.sleep(0.2)
    finally:
        print(eval("'evaluated'"), flush=True)

if __name__ == "__main__":
    thread = threading.Thread(target=late, daemon=True)
    thread.start()
    abandon([thread])
    raise KeyboardInterrupt
"""


def test_what_is_waited_for_does_not_change_how_an_interrupted_process_ends(child: Callable[..., Child]) -> None:
    """CPython forgets that an interrupt ends it once another thread runs text, as a named tuple's definition does."""
    leaving = child(script=TEXT_IS_RUN_AT_THE_EXIT)
    told, err = leaving.output()
    assert (list(told), leaving.process.returncode) == (["evaluated"], -signal.SIGINT), err


THREADS_OF_OTHERS = """
import _thread, atexit, time
from glacier.execution.abandoned import abandon

ended = _thread.allocate_lock()

def work():
    while ended.acquire(blocking=False):
        ended.release()
        time.sleep(0.01)
    print("told to end", flush=True)

def end():
    ended.acquire()
    time.sleep(0.5)

if __name__ == "__main__":
    atexit.register(end)
    _thread.start_new_thread(work, ())
    abandon([])
"""


def test_an_exit_leaves_the_threads_of_others_to_them(child: Callable[..., Child]) -> None:
    leaving = child(script=THREADS_OF_OTHERS)
    told, err = leaving.output()
    assert (told, err) == ({"told": ["to", "end"]}, "")


HOOKS = """
import asyncio, os, signal, subprocess, sys, threading, time
from pathlib import Path
from glacier import pipeline, task

HERE = Path(__file__).parent

def hook(failed):
    print("hook", failed.task, repr(failed.error), flush=True)

@task(retries=2, on_failure=hook, on_retry=hook)
async def awaits() -> int:
    (HERE / f"pid-{os.getpid()}").touch()
    await asyncio.sleep(60)
    return 1

@task(on_failure=hook)
def calls() -> int:
    subprocess.run(["sh", "-c", 'touch "$0"; exec sleep 60', HERE / f"pid-{os.getpid()}"], check=True)
    return 1

@pipeline
def awaiting():
    return awaits()

@pipeline
def calling():
    return calls()

if __name__ == "__main__":
    globals()[sys.argv[1]].run()
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("body", ["awaiting", "calling"])
def test_no_hook_hears_of_what_an_interrupt_ends(
    child: Callable[..., Child], body: str, number: signal.Signals
) -> None:
    """A terminal sends its Ctrl-C to the processes that tasks have started, too."""
    interrupted = child(body, script=HOOKS)
    interrupted.pids()
    time.sleep(0.2)
    os.killpg(interrupted.process.pid, number)
    told, err = interrupted.output()
    assert told == {}, err
    assert interrupted.process.returncode == (-number if number == signal.SIGINT else 128 + number), err


def test_a_second_signal_ends_it_at_once(child: Callable[..., Child]) -> None:
    patient = SCRIPT.replace("    recorder = Recorder()", "    run.GRACE = 60\n    recorder = Recorder()")
    waiting = child("sleep", "threads", script=patient)
    waiting.pids()
    waiting.send(signal.SIGINT)
    time.sleep(0.5)
    assert waiting.process.poll() is None
    waiting.send(signal.SIGINT)
    told, _ = waiting.output()
    assert float(told["over"][0]) - waiting.killed < 2
    assert waiting.process.returncode == -signal.SIGINT


@pytest.mark.parametrize("body", ["sleep", "write"])
def test_processes_do_not_outlive_one_that_is_killed(child: Callable[..., Child], body: str) -> None:
    killed = child(body, "processes")
    pids = killed.pids()
    killed.send(signal.SIGKILL)
    killed.process.communicate()
    assert all(gone(pid) for pid in pids)
    assert [file for file in killed.folder.glob("out/**/*") if file.exists()] == []


@task
def handler_now() -> object:
    return signal.getsignal(signal.SIGTERM)


@pipeline
def asking() -> object:
    return handler_now()


def test_a_handler_is_there_for_the_run_and_in_the_main_thread_only() -> None:
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert callable(asking.run())
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(asking.run()))
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


def test_a_handler_of_the_users_stays() -> None:
    def mine(number: int, frame: FrameType | None) -> None:
        del number, frame

    try:
        signal.signal(signal.SIGTERM, mine)
        assert asking.run() is mine
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_what_a_handler_of_the_users_raises_cancels_the_run(child: Callable[..., Child]) -> None:
    own = SCRIPT.replace(
        "    recorder = Recorder()",
        "    def mine(number, frame):\n"
        "        raise ZeroDivisionError('mine')\n"
        "    signal.signal(signal.SIGTERM, mine)\n"
        "    recorder = Recorder()",
    )
    ended = child("sleep", "threads", script=own)
    ended.pids()
    ended.send(signal.SIGTERM)
    told, err = ended.output()
    assert float(told["over"][0]) - ended.killed < 2
    assert told["restored"] == ["True"]
    assert err.rstrip().endswith("ZeroDivisionError: mine")
