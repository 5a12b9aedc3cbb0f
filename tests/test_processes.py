"""Worker processes, and tasks that do what they should not: each one clear failure, and no hang."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, Pipeline, pipeline, task
from glacier.errors import RunErrors, TaskError, WorkerDied
from glacier.execution.options import Executor
from glacier.execution.record import Recorder
from glacier.execution.workers import Workers
from glacier.lease import GivenUp
from glacier.providers import LocalProvider

EXECUTORS: list[Executor] = ["threads", "processes", "sync"]
LONG = 60.0


def is_running(pid: int) -> bool:
    """Says whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int) -> bool:
    """Waits a little for the end of a process."""
    end = time.perf_counter() + 5
    while is_running(pid) and time.perf_counter() < end:
        time.sleep(0.01)
    return not is_running(pid)


@task
def one() -> int:
    return 1


@task(timeout=0.5)
def stuck(folder: Path) -> int:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (folder / "pids").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(LONG)
    return 1


@pipeline
def late(folder: Path) -> list[int]:
    first = stuck(folder)
    return [first, one(), one()]


def test_a_process_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    recorder = Recorder()
    with pytest.raises(RunErrors) as errors:
        late.run(
            inputs={"folder": tmp_path}, executor="processes", max_workers=1, on_failure="continue", progress=recorder
        )
    (failure,) = errors.value.exceptions
    assert str(failure).startswith(
        "task `stuck` of pipeline `late` failed: TaskTimeout: it ran longer than its timeout of 0.5 s\n"
    )
    assert recorder.record is not None
    assert recorder.record.counts() == {"failed": 1, "succeeded": 2}  # in another process
    worker, child = map(int, (tmp_path / "pids").read_text().split())
    assert gone(worker)
    assert gone(child)


def slowly(frame: pl.DataFrame) -> pl.DataFrame:
    time.sleep(LONG)
    return frame


@task(timeout=1.0)
def write_slowly(target: Bucket) -> None:
    target.write(pl.LazyFrame({"n": [1]}).map_batches(slowly))


@pipeline
def writing(target: Bucket) -> None:
    write_slowly(target)


def test_what_an_ended_process_has_staged_is_discarded(tmp_path: Path) -> None:
    target = LocalProvider(tmp_path).bucket("out", path="a.parquet")
    with pytest.raises(TaskError, match="longer than its timeout of 1 s"):
        writing.run(inputs={"target": target}, executor="processes")
    assert list((tmp_path / "out").iterdir()) == []


class Unportable(OSError):
    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Closed(Exception):
    def __reduce__(self) -> Any:
        raise SystemExit(5)


def once(folder: Path) -> bool:
    """Says whether this is asked for the first time."""
    try:
        (folder / "asked").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@task(retries=1, retry_delay=0, retry_on=OSError)
def unportable_once(folder: Path) -> int:
    if once(folder):
        raise Unportable(1, 2)
    return 3


@task(retries=1, retry_delay=0, retry_on=WorkerDied)
def dies_once(folder: Path) -> int:
    if once(folder):
        os._exit(7)
    return 3


@pipeline
def again(folder: Path, kind: str) -> int:
    return unportable_once(folder) if kind == "unportable" else dies_once(folder)


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("unportable", "unportable_once", "RemoteError: Unportable: 1 and 2"),
        ("dies", "dies_once", "WorkerDied: its worker process ended with exit code 7 before it had a result"),
    ],
)
def test_what_failed_in_a_process_is_tried_again(tmp_path: Path, kind: str, name: str, told: str) -> None:
    recorder = Recorder()
    assert again.run(inputs={"folder": tmp_path, "kind": kind}, executor="processes", progress=recorder) == 3
    assert recorder.record is not None
    (node,) = recorder.record.nodes
    assert (node.name, [attempt.error for attempt in node.attempts]) == (name, [told, None])


@task
def segfaults() -> int:
    ctypes.string_at(0)
    return 1


@task
def exits() -> int:
    sys.exit(3)


@task
def mute() -> int:
    raise Mute


@task
def closed() -> int:
    raise Closed("shut")


@task
def prints() -> int:
    print("x" * 1_000_000)
    print("y" * 1_000_000, file=sys.stderr)
    return 1


@task
def ends_itself() -> int:
    os.kill(os.getpid(), 9)
    return 1


@task
def waits(seconds: float) -> int:
    time.sleep(seconds)
    return 2


KINDS = {"segfaults": segfaults, "exits": exits, "mute": mute, "closed": closed, "prints": prints, "kill": ends_itself}


@pipeline
def trouble(kind: str) -> tuple[int, int]:
    return KINDS[kind](), waits(0.3)


def failure_of(body: Pipeline[..., Any], executor: Executor, **inputs: object) -> str:
    """Gives the first line of a run's one failure; the others of its tasks have run."""
    recorder = Recorder()
    with pytest.raises(RunErrors) as errors:
        body.run(inputs=inputs, executor=executor, on_failure="continue", progress=recorder)
    assert recorder.record is not None
    assert recorder.record.counts() == {"failed": 1, "succeeded": 1}
    (failure,) = errors.value.exceptions
    return str(failure).partition("\n")[0]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("segfaults", "WorkerDied: its worker process was killed by SIGSEGV"),
        ("kill", "WorkerDied: its worker process was killed by SIGKILL"),
        ("closed", "RemoteError: Closed: shut"),
        ("mute", "Mute: (its text cannot be had)"),
        ("exits", "SystemExit: 3"),
    ],
)
def test_trouble_of_a_task_in_a_process_is_one_failure_of_that_task(kind: str, told: str) -> None:
    name = KINDS[kind].name
    assert failure_of(trouble, "processes", kind=kind) == f"task `{name}` of pipeline `trouble` failed: {told}"


@pytest.mark.parametrize("executor", ["threads", "sync"])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("closed", "Closed: shut"),
        ("mute", "Mute: (its text cannot be had)"),
        ("exits", "SystemExit: 3"),
    ],
)
def test_trouble_of_a_task_in_this_process_is_one_failure_of_that_task(
    executor: Executor, kind: str, told: str
) -> None:
    assert failure_of(trouble, executor, kind=kind) == f"task `{kind}` of pipeline `trouble` failed: {told}"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_task_may_print_a_megabyte(executor: Executor, capfd: pytest.CaptureFixture[str]) -> None:
    assert trouble.run(inputs={"kind": "prints"}, executor=executor) == (1, 2)
    out, err = capfd.readouterr()
    assert out.count("x") == 1_000_000
    assert err.count("y") == 1_000_000


@task
def forks(folder: Path) -> int:
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    return -1


@task
async def forks_async(folder: Path) -> int:
    return forks(folder)


@task
def note(code: int, folder: Path) -> int:
    with (folder / "notes").open("a") as notes:
        notes.write(f"{code}\n")
    return code


@pipeline
def forking(folder: Path) -> int:
    return note(forks(folder), folder)


@pipeline
def forking_async(folder: Path) -> int:
    return note(forks_async(folder), folder)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("body", [forking, forking_async])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_process_that_a_task_forks_does_not_go_on_with_the_run(
    body: Pipeline[..., int], executor: Executor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert body.run(inputs={"folder": tmp_path}, executor=executor) == 1
    assert (tmp_path / "notes").read_text() == "1\n"
    assert capfd.readouterr().err == (
        "glacier: a task forked, and the child came back from the task: it ends here, its parent goes on\n"
    )


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from glacier import pipeline, task\n"
        "@task\ndef one() -> int:\n    return 1\n"
        "@pipeline\ndef body() -> int:\n    return one()\n"
        "body.run(executor='processes')\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=LONG, check=False)
    assert done.returncode == 1
    assert "WorkerDied: its worker process ended with exit code 1 before it could start" in done.stderr
    assert 'under `if __name__ == "__main__":`' in done.stderr


def test_the_processes_of_a_run_are_gone_with_it(tmp_path: Path) -> None:
    assert pids.run(inputs={"count": 3}, executor="processes", max_workers=3)
    found = pids.run(inputs={"count": 3}, executor="processes", max_workers=3)
    assert all(gone(pid) for pid in found)


@task
def pid_of(n: int) -> int:
    return os.getpid()


@pipeline
def pids(count: int) -> list[int]:
    return [pid_of(n) for n in range(count)]


def wait_for_ever(payload: bytes, begun: Callable[[], None]) -> bytes:
    begun()
    time.sleep(LONG)
    return payload


def test_a_worker_that_is_ended_from_two_sides_is_hung_up_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the end of the pool, and by the thread that waits for an answer: the second would close another's file."""
    closed: list[int] = []
    real: Callable[[Connection], None] = Connection.close

    def slowly(self: Connection) -> None:
        if not self.closed:
            handle = self.fileno()
            time.sleep(0.2)
            closed.append(handle)
            real(self)

    workers = Workers(1, wait_for_ever)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(workers.answer, b"", None)
        while not (begun := [*workers._all]) or not begun[0]._ready:
            time.sleep(0.01)
        monkeypatch.setattr(Connection, "close", slowly)
        workers.end()
        with pytest.raises(GivenUp):
            asked.result()
    assert len(closed) == len(set(closed)) == 2
