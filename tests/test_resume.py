"""A run that was interrupted or failed goes on where it ended: what it finished is not done again."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Pipeline, Secret, pipeline, task
from glacier.errors import GateClosed, InputError, RunErrors, StorageError, TaskError
from glacier.execution.record import Recorder, RunRecord
from glacier.loading import load_pipeline
from glacier.providers import durable
from glacier.testing import MemoryProvider

provider = MemoryProvider()
done: list[str] = []
_broken: ContextVar[frozenset[str]] = ContextVar("broken", default=frozenset())  # has no form as data: it is no code


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLACIER_HOME", str(tmp_path / "home"))
    done.clear()
    broken()
    return tmp_path / "home"


def broken(*names: str) -> None:
    """Says which tasks fail from now on."""
    _broken.set(frozenset(names))


def note(name: str) -> None:
    done.append(name)
    if name in _broken.get():
        raise ValueError(f"{name} is broken")


def was_done() -> list[str]:
    names = sorted(done)
    done.clear()
    return names


@dataclass(frozen=True)
class Model:
    size: int


@task
def load(n: int) -> pl.LazyFrame:
    note("load")
    return pl.LazyFrame({"a": range(n)})


@task
def eager(frame: pl.LazyFrame) -> pl.DataFrame:
    note("eager")
    return frame.with_columns(b=pl.col("a") * 2).collect()


@task
def fit(frame: pl.DataFrame) -> Model:
    note("fit")
    return Model(frame.height)


@task
def sizes(model: Model) -> list[int]:
    note("sizes")
    return list(range(model.size))


@task
def part(n: int) -> int:
    note(f"part {n}")
    return n * n


@task
def report(model: Model, found: list[int]) -> str:
    note("report")
    return f"{model.size}: {found}"


@pipeline(checkpoint=True)
def sales(n: int = 3) -> str:
    model = fit(eager(load(n)))
    found: list[int] = []
    for size in sizes(model):
        found.append(part(size))
    return report(model, found)


def fails(made: Pipeline[..., Any], **options: Any) -> None:
    with pytest.raises(TaskError):
        made.run(max_workers=1, **options)


def recorded(made: Pipeline[..., Any], **options: Any) -> tuple[Any, RunRecord]:
    recorder = Recorder()
    result = made.run(progress=recorder, **options)
    assert recorder.record is not None
    return result, recorder.record


@pytest.mark.parametrize("name", ["load", "eager", "fit", "sizes", "part 1", "report"])
@pytest.mark.parametrize("executor", ["threads", "sync"])
def test_what_was_finished_is_not_done_again(name: str, executor: Any) -> None:
    broken(name)
    fails(sales, executor=executor)
    first = was_done()
    broken()
    assert sales.run(resume="last", executor=executor) == "3: [0, 1, 4]"
    assert sorted({*first, *done}) == ["eager", "fit", "load", "part 0", "part 1", "part 2", "report", "sizes"]
    assert set(first) & set(done) == {name}


def test_a_run_that_succeeded_leaves_nothing_to_resume(home: Path) -> None:
    assert sales.run() == "3: [0, 1, 4]"
    assert list((home / "checkpoints").iterdir()) == []
    with pytest.raises(InputError) as caught:
        sales.run(resume="last")
    assert caught.value.message == (
        "no run of pipeline `sales` can be resumed: none was interrupted or failed that kept what it had finished"
    )


def test_runs_without_a_checkpoint_keep_nothing(home: Path) -> None:
    broken("report")
    fails(sales, checkpoint=False)
    assert not (home / "checkpoints").exists()


def test_a_run_is_resumed_as_often_as_it_fails() -> None:
    broken("fit")
    fails(sales)
    broken()
    broken("part 2")
    fails(sales, resume="last")
    was_done()
    broken()
    assert sales.run(resume="last") == "3: [0, 1, 4]"
    assert was_done() == ["part 2", "report"]


def test_the_record_says_what_was_taken_from_the_run_before() -> None:
    broken("sizes")
    with pytest.raises(TaskError):
        recorded(sales)
    broken()
    _, record = recorded(sales, resume="last")
    assert [node.name for node in record.nodes if node.recalled] == ["load", "eager", "fit"]
    assert {node.state for node in record.nodes} == {"succeeded"}


def test_a_run_is_named_by_its_id_or_a_part_of_it() -> None:
    ids: list[str] = []
    for n in (3, 4):
        broken("report")
        recorder = Recorder()
        fails(sales, inputs={"n": n}, progress=recorder)
        assert recorder.record is not None
        ids.append(recorder.record.run_id)
    was_done()
    broken()
    assert sales.run(resume=ids[0].rpartition("-")[2]) == "3: [0, 1, 4]"
    assert was_done() == ["report"]
    with pytest.raises(InputError, match=f"run `{ids[0]}` of pipeline `sales` cannot be resumed"):
        sales.run(resume=ids[0])
    assert sales.run(resume=ids[1]) == "4: [0, 1, 4, 9]"
    assert was_done() == ["report"]


def test_inputs_left_out_are_what_they_were_and_others_change_what_is_done() -> None:
    broken("report")
    fails(sales, inputs={"n": 2})
    fails(sales, resume="last")
    was_done()
    broken()
    assert sales.run(resume="last", inputs={"n": 1}) == "1: [0]"
    assert was_done() == ["eager", "fit", "load", "part 0", "report", "sizes"]


def test_a_checks_false_is_asked_again() -> None:
    @task
    def good() -> bool:
        done.append("good")
        return "good" in _broken.get()

    @task
    def after(x: int) -> int:
        note("after")
        return x

    @pipeline(checkpoint=True)
    def checked() -> int:
        ok = good()
        return after.after(ok)(part(2))

    with pytest.raises(GateClosed):
        checked.run()
    assert was_done() == ["good", "part 2"]
    broken("good")
    assert checked.run(resume="last") == 4
    assert was_done() == ["after", "good"]


def test_calls_that_are_alike_are_told_apart() -> None:
    @task
    def notify() -> None:
        note("notify")

    @task
    def last(depends: None) -> int:
        note("last")
        return 1

    @pipeline(checkpoint=True)
    def notifying() -> int:
        notify()
        return last(notify())

    broken("last")
    fails(notifying)
    assert was_done() == ["last", "notify", "notify"]
    broken()
    assert notifying.run(resume="last") == 1
    assert was_done() == ["last"]


def test_writes_are_not_done_again_and_what_they_replace_is_not_read_again() -> None:
    bucket = provider.bucket("place", path="counts.parquet")

    @task
    def one_more(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.with_columns(pl.col("n") + 1)

    @task
    def end() -> int:
        note("end")
        return 1

    @pipeline(checkpoint=True)
    def counting() -> int:
        bucket.write(one_more(bucket.scan()))
        return end()

    bucket.write(pl.DataFrame({"n": [1]}))
    broken("end")
    fails(counting)
    broken()
    counting.run(resume="last")
    assert bucket.read()["n"].to_list() == [2]


def test_a_value_without_a_form_as_data_is_made_again_with_all_after_it(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def connect() -> object:
        note("connect")
        return object()

    @task
    def query(connection: object) -> int:
        note("query")
        return 7

    @task
    def other() -> int:
        note("other")
        return 1

    @task
    def end(x: int, y: int) -> int:
        note("end")
        return x + y

    @pipeline(checkpoint=True)
    def connecting() -> int:
        return end(query(connect()), other())

    broken("end")
    with caplog.at_level(logging.WARNING, "glacier.checkpoints"):
        fails(connecting)
    (warning,) = caplog.records
    assert "what `connect` gave is not kept" in warning.getMessage()
    assert "a object has no form as data" in warning.getMessage()
    was_done()
    broken()
    assert connecting.run(resume="last") == 8
    assert was_done() == ["connect", "end", "query"]


def test_secrets_are_not_written_down(home: Path) -> None:
    @task
    def token() -> Secret:
        return Secret("s3cr3t-token")

    @task
    def end(secret: Secret, password: Secret) -> int:
        note("end")
        return 1

    @pipeline(checkpoint=True)
    def secretive(password: Secret) -> int:
        return end(token(), password)

    broken("end")
    fails(secretive, inputs={"password": Secret("hunter2-hunter2")})
    written = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert b"s3cr3t" not in written
    assert b"hunter2" not in written
    broken()
    with pytest.raises(InputError, match="password"):
        secretive.run(resume="last")
    assert secretive.run(resume="last", inputs={"password": Secret("another")}) == 1


CHANGING = """
    from pathlib import Path
    import helper
    from glacier import pipeline, task

    LOG = Path(__file__).with_name("log")

    def note(name):
        with LOG.open("a") as file:
            file.write(name + " ")

    @task
    def one() -> int:
        note("one")
        return helper.value()

    @task
    def two() -> int:
        note("two")
        return 2

    @task
    def both(x: int, y: int) -> int:
        note("both")
        if x < 100:
            raise ValueError(x)
        return x + y

    @pipeline(checkpoint=True)
    def changing() -> int:
        return both(one(), two())
"""


def test_changed_code_is_done_again_with_all_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "changing.py").write_text(textwrap.dedent(CHANGING))

    def loaded(value: int) -> Pipeline[..., Any]:
        (tmp_path / "helper.py").write_text(f"def value():\n    return {value}\n")
        importlib.invalidate_caches()
        for name in ("changing", "helper"):
            sys.modules.pop(name, None)
        return load_pipeline(str(tmp_path / "changing.py"))

    fails(loaded(1))
    assert sorted((tmp_path / "log").read_text().split()) == ["both", "one", "two"]
    (tmp_path / "log").unlink()
    assert loaded(100).run(resume="last") == 102
    assert (tmp_path / "log").read_text().split() == ["one", "both"]


def test_a_run_that_goes_on_is_not_resumed() -> None:
    @task
    def inner() -> int:
        with pytest.raises(InputError, match=r"run `.*` of pipeline `outer` is still running"):
            outer.run(resume="last")
        return 1

    @pipeline(checkpoint=True)
    def outer() -> int:
        return inner()

    assert outer.run() == 1


def test_the_newest_three_can_be_resumed(home: Path) -> None:
    broken("report")
    for n in range(1, 6):
        fails(sales, inputs={"n": n})
    assert len(list((home / "checkpoints").iterdir())) == 3
    broken()
    assert sales.run(resume="last") == "5: [0, 1, 4, 9, 16]"


FAILING = """
    from glacier import pipeline, task

    @task
    def given(n: int) -> int:
        raise ValueError(n)

    @pipeline(checkpoint=True)
    def main(n: int) -> int:
        return given(n)
"""


@pytest.mark.parametrize("stated", [True, False])
def test_pipelines_of_one_name_in_two_files_are_told_apart(
    stated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    project = tmp_path / "project"
    if not stated:
        monkeypatch.delenv("GLACIER_HOME")
    (project / ".git").mkdir(parents=True)

    def loaded(folder: str) -> Pipeline[..., Any]:
        sys.modules.pop("etl", None)
        return load_pipeline(str(project / folder / "etl.py"))

    for folder in ("x", "y"):
        (project / folder).mkdir()
        (project / folder / "etl.py").write_text(textwrap.dedent(FAILING))
    fails(loaded("x"), inputs={"n": 1})
    with pytest.raises(InputError, match="no run of pipeline `main` can be resumed"):
        loaded("y").run(resume="last")
    fails(loaded("y"), inputs={"n": 2})
    project = project.rename(tmp_path / "moved")
    for folder, n in (("x", 1), ("y", 2)):
        with pytest.raises(TaskError, match=f"ValueError: {n}"):
            loaded(folder).run(resume="last")


def test_a_checkpoint_of_before_files_were_told_apart_is_found(home: Path) -> None:
    broken("report")
    fails(sales)
    (log,) = (home / "checkpoints").glob("*/log")
    heading, *lines = durable.lines_of(log)
    del heading["at"]
    log.unlink()
    older = durable.Log(log)
    for line in (heading, *lines):
        older.write(line)
    older.close()
    was_done()
    broken()
    assert sales.run(resume="last") == "3: [0, 1, 4]"
    assert was_done() == ["report"]


def test_a_line_that_was_cut_off_counts_as_not_written(home: Path) -> None:
    broken("report")
    fails(sales)
    (log,) = (home / "checkpoints").glob("*/log")
    lines = log.read_bytes().splitlines(keepends=True)
    for cut in (b"".join(lines)[:-5], b"".join(lines[:-1]) + b"00000000 {}\n", b"".join(lines[:-1])):
        log.write_bytes(cut)
        fails(sales, resume="last")
    was_done()
    broken()
    assert sales.run(resume="last") == "3: [0, 1, 4]"
    assert was_done() == ["report"]


def test_a_kept_file_that_is_damaged_is_made_again(home: Path) -> None:
    broken("report")
    fails(sales)
    for file in (home / "checkpoints").glob("*/values/*"):
        file.write_bytes(file.read_bytes()[:-1])
    was_done()
    broken()
    assert sales.run(resume="last") == "3: [0, 1, 4]"
    assert was_done() == ["eager", "load", "report"]


def test_a_result_that_scans_a_kept_file_can_be_read_after_the_run() -> None:
    @pipeline(checkpoint=True)
    def lazy() -> pl.LazyFrame:
        return load(3)

    assert lazy.run().collect()["a"].to_list() == [0, 1, 2]


def test_a_result_that_scans_a_kept_file_is_not_swept_by_later_runs(home: Path) -> None:
    @pipeline(checkpoint=True)
    def lazy() -> dict[str, pl.LazyFrame]:
        return {"frame": load(3)}

    found = lazy.run()["frame"]
    (folder,) = (home / "checkpoints").iterdir()
    os.utime(folder, (time.time() - 7200, time.time() - 7200))
    assert sales.run() == "3: [0, 1, 4]"
    assert found.collect()["a"].to_list() == [0, 1, 2]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GLACIER_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(StorageError, match="what pipeline `sales` finishes cannot be kept in"):
        sales.run()
    assert was_done() == []


class Late:
    """What the tasks of a run tell each other: the time of the one is up, it may end, and its thread."""

    def __init__(self) -> None:
        self.up, self.free = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None


_late: ContextVar[Late] = ContextVar("late")


@task(timeout=0.2, on_failure=lambda _: _late.get().up.set())
def late() -> int:
    note("late")
    _late.get().thread = threading.current_thread()
    _late.get().free.wait(30)
    return 1


@task
def sees_it_end() -> None:
    note("sees_it_end")
    told = _late.get()
    told.up.wait(30)
    told.free.set()
    assert told.thread is not None
    told.thread.join(30)


@pipeline(checkpoint=True)
def out_of_time() -> int:
    sees_it_end()
    return late()


def waiting(frame: pl.DataFrame) -> pl.DataFrame:
    _late.get().free.wait(30)
    return frame


@task(timeout=0.2)
def late_plan() -> pl.LazyFrame:
    note("late_plan")
    return pl.LazyFrame({"n": [1]}).map_batches(waiting)


@pipeline(checkpoint=True)
def plan_out_of_time() -> pl.LazyFrame:
    return late_plan()


def test_a_plan_that_is_computed_to_be_kept_is_on_its_tasks_time() -> None:
    _late.set(Late())
    with pytest.raises(TaskError, match="`late_plan` of pipeline `plan_out_of_time` failed: TaskTimeout"):
        plan_out_of_time.run()
    _late.get().free.set()


def test_what_a_task_gives_after_its_time_is_not_kept() -> None:
    _late.set(Late())
    with pytest.raises(RunErrors, match="1 of 2 tasks"):
        out_of_time.run(on_failure="continue")
    assert was_done() == ["late", "sees_it_end"]
    assert out_of_time.run(resume="last") == 1
    assert was_done() == ["late"]


def test_a_full_disk_ends_no_run_and_loses_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        monkeypatch.setenv("GLACIER_HOME", str(small / "home"))

        @task
        def large(n: int) -> pl.DataFrame:
            note(f"large {n}")
            return pl.DataFrame({"a": range(100_000)})

        @task
        def long(n: int) -> list[int]:
            note(f"long {n}")
            return list(range(n))

        @task
        def end(frame: pl.DataFrame, *found: list[int]) -> int:
            note("end")
            return frame.height + sum(map(len, found))

        @pipeline(checkpoint=True)
        def filling() -> int:
            first = long(1000)
            too_long = long(100_000)
            return end(large(1), first, too_long, long(2000))

        broken("end")
        with pytest.raises(TaskError):
            filling.run(executor="sync", record=False)
        was_done()
        broken()
        assert filling.run(resume="last", executor="sync", record=False) == 100_000 + 103_000
        assert was_done() == ["end", "large 1", "long 100000"]
    finally:
        subprocess.run(["umount", small], check=True)


WORKERS = """
    import os
    import polars as pl
    from glacier import pipeline, task

    @task
    def lazy(n: int) -> pl.LazyFrame:
        print("lazy", flush=True)
        return pl.LazyFrame({"a": range(n)})

    @task
    def eager(frame: pl.LazyFrame) -> dict[str, pl.DataFrame]:
        print("eager", flush=True)
        return {"frame": frame.with_columns(b=pl.col("a") + 1).collect()}

    @task
    def end(held: dict[str, pl.DataFrame], frame: pl.LazyFrame) -> int:
        if "MENDED" not in os.environ:
            raise ValueError
        return held["frame"]["b"].sum() + frame.collect().height

    @pipeline(checkpoint=True)
    def working() -> int:
        frame = lazy(4)
        return end(eager(frame), frame)
"""


def test_frames_of_worker_processes_are_kept_too(tmp_path: Path, home: Path) -> None:
    (tmp_path / "working.py").write_text(textwrap.dedent(WORKERS))

    def glacier(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "glacier", "run", "working.py", "--executor", "processes", "--quiet", *words]
        told = {**os.environ, **environment}
        return subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True, check=False)

    failed = glacier()
    assert failed.returncode == 1, failed.stderr
    assert sorted(failed.stdout.split()) == ["eager", "lazy"]
    mended = glacier("--resume", MENDED="1")
    assert (mended.returncode, mended.stdout.split()) == (0, ["14"]), mended.stderr


SCRIPT = """
    import os
    from dataclasses import dataclass
    from glacier import pipeline, task

    @dataclass
    class Model:
        size: int

    @task
    def fit() -> Model:
        print("fit", flush=True)
        return Model(3)

    @task
    def size(model: Model) -> int:
        if "MENDED" not in os.environ:
            raise ValueError
        return model.size

    @pipeline(checkpoint=True)
    def fitting() -> int:
        return size(fit())

    if __name__ == "__main__":
        fitting.run()
"""


def test_a_run_of_a_script_is_resumed_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "fitting.py").write_text(textwrap.dedent(SCRIPT))
    script = subprocess.run([sys.executable, "fitting.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (script.returncode, script.stdout) == (1, "fit\n"), script.stderr
    resumed = subprocess.run(
        [sys.executable, "-m", "glacier", "run", "fitting.py", "--resume", "--quiet"], cwd=tmp_path,
        env={**os.environ, "MENDED": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (resumed.returncode, resumed.stdout) == (0, "3\n"), resumed.stderr


def test_after_failures_that_did_not_stop_the_run_only_what_failed_is_done() -> None:
    @task
    def first(n: int) -> int:
        note(f"first {n}")
        return n

    @task
    def last(x: int, y: int) -> int:
        note("last")
        return x + y

    @pipeline(checkpoint=True)
    def going_on() -> int:
        return last(first(1), first(2))

    broken("first 1")
    with pytest.raises(RunErrors):
        going_on.run(on_failure="continue")
    assert was_done() == ["first 1", "first 2"]
    broken()
    assert going_on.run(resume="last") == 3
    assert was_done() == ["first 1", "last"]
