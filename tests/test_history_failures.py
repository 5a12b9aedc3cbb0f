"""A history that fails never fails a run: it says once what is wrong. Old stores are brought up to date."""

from __future__ import annotations

import logging
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from glacier import pipeline, task
from glacier.errors import StorageError, TaskError
from glacier.history.database import FILE_NAME
from glacier.history.runs import RecordedRun
from glacier.history.schema import VERSION
from glacier.history.store import History
from small_disk import SmallDisk, small_disk

V1 = Path(__file__).parent / "fixtures" / "history_v1.sql"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history of the test's own."""
    monkeypatch.setenv("GLACIER_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """A history of the test's own on a small disk."""
    with small_disk(tmp_path / "disk", 1024) as made:
        monkeypatch.setenv("GLACIER_HOME", str(made.folder / "kept"))
        yield made


@pytest.fixture(autouse=True)
def warnings_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


def runs(home: Path) -> list[RecordedRun]:
    with History(home) as history:
        return history.runs()


def the_warning(caplog: pytest.LogCaptureFixture) -> str:
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("glacier.history", "WARNING")
    return record.getMessage()


@task
def step(n: int) -> int:
    return n + 1


@pipeline
def chain(length: int = 3) -> int:
    n = 0
    for _ in range(length):
        n = step(n)
    return n


@task
def failing() -> int:
    raise ValueError("no good")


@pipeline
def broken() -> int:
    return failing()


def test_a_file_that_is_no_store(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    home.mkdir()
    (home / FILE_NAME).write_text("no database, but long enough to be taken for one " * 100)
    before = (home / FILE_NAME).read_bytes()
    assert chain.run() == 3
    warning = the_warning(caplog)
    assert re.match(
        r"run \d{8}-\S+ is not, or not to its end, in the history: the history `.*history.db` cannot", warning
    )
    assert "file is not a database\n  Fix: move the file away; the next run begins a new one" in warning
    assert (home / FILE_NAME).read_bytes() == before
    with pytest.raises(StorageError, match="file is not a database\n  Fix: move the file away"):
        runs(home)
    caplog.clear()
    with pytest.raises(TaskError, match="no good"):
        broken.run()
    the_warning(caplog)


def test_a_store_that_was_cut_off(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    chain.run(inputs={"length": 500})
    with closing(sqlite3.connect(home / FILE_NAME)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = (home / FILE_NAME).read_bytes()
    shutil.rmtree(home)
    home.mkdir()
    (home / FILE_NAME).write_bytes(whole[: len(whole) // 2])
    assert chain.run() == 3
    assert "malformed" in the_warning(caplog)


def test_a_lock_that_another_process_does_not_let_go_of(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    chain.run()
    with closing(sqlite3.connect(home / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert chain.run() == 3
        assert time.monotonic() - began < 6
        assert "database is locked\n  Fix: find the process that holds its lock, or wait for it" in the_warning(caplog)
        assert len(runs(home)) == 1  # who only reads waits for nobody
        other.execute("ROLLBACK")
    assert chain.run() == 3
    assert len(runs(home)) == 2
    assert len(caplog.records) == 1


def test_a_lock_that_is_let_go_of_is_waited_for(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    chain.run()
    with closing(sqlite3.connect(home / FILE_NAME, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        later = threading.Timer(0.6, lambda: other.execute("ROLLBACK"))
        later.start()
        chain.run()
        later.join()
    assert len(runs(home)) == 2
    assert not caplog.records


def test_a_full_disk(disk: SmallDisk, caplog: pytest.LogCaptureFixture) -> None:
    home = disk.folder / "kept"
    chain.run()
    ballast = disk.fill(leaving=8192)
    assert chain.run(inputs={"length": 3_000}) == 3_000
    warning = the_warning(caplog)
    assert "  Fix: make room on the disk, or let GLACIER_HOME name a folder on another" in warning
    assert "full" in warning or "I/O error" in warning
    assert [run.state for run in runs(home)][-1] == "succeeded"
    ballast.unlink()
    caplog.clear()
    assert chain.run() == 3
    assert not caplog.records
    assert runs(home)[0].state == "succeeded"
    with closing(sqlite3.connect(home / FILE_NAME)) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_disk_that_is_full_from_the_beginning(disk: SmallDisk, caplog: pytest.LogCaptureFixture) -> None:
    disk.fill()
    assert chain.run() == 3
    assert "  Fix: make room on the disk" in the_warning(caplog)


def test_a_full_disk_can_still_be_read_and_thinned_out(disk: SmallDisk) -> None:
    home = disk.folder / "kept"
    chain.run()
    chain.run()
    disk.fill()
    with History(home) as history:
        newest, oldest = history.runs()
        assert len(history.tasks(newest)) == 3
        assert history.run("last~1") == oldest


def test_a_read_only_disk(disk: SmallDisk, caplog: pytest.LogCaptureFixture) -> None:
    home = disk.folder / "kept"
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from {Path(__file__).stem} import chain; "
    )
    subprocess.run([sys.executable, "-c", f"{script} chain.run()"], check=True)
    disk.make_read_only()
    assert chain.run() == 3
    assert "  Fix: let GLACIER_HOME name a folder that can be written, or turn the history off" in the_warning(caplog)
    with History(home) as history:
        (run,) = history.runs()
        assert len(history.tasks(run)) == 3
        with pytest.raises(StorageError, match="  Fix: let GLACIER_HOME name a folder that can be written"):
            history.remove([run])
    assert len(runs(home)) == 1


def test_what_is_not_yet_in_the_file_is_read_from_a_read_only_disk(disk: SmallDisk) -> None:
    home = disk.folder / "kept"
    script = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from {Path(__file__).stem} import chain
        chain.run()
        os.kill(os.getpid(), signal.SIGKILL)  # so that nobody writes the log back into the file
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert (home / f"{FILE_NAME}-wal").stat().st_size > 0
    disk.make_read_only()
    assert [run.state for run in runs(home)] == ["succeeded"]


def test_a_folder_that_may_not_be_written(home: Path, tmp_path: Path) -> None:
    home.mkdir(mode=0o555)
    script = tmp_path / "one.py"
    script.write_text(
        textwrap.dedent("""
            from glacier import pipeline, task

            @task
            def three() -> int:
                return 3

            @pipeline
            def alone() -> int:
                return three()

            print(alone.run())
        """)
    )
    as_others = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []  # nothing is forbidden to root
    done = subprocess.run([*as_others, sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "3\n")
    assert done.stderr.count("  Fix: let GLACIER_HOME name a folder that can be written") == 1
    assert not list(home.iterdir())


def test_a_folder_that_is_none(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    home.write_text("a file")
    assert chain.run() == 3
    assert "cannot be used: File exists\n  Fix: let GLACIER_HOME name a folder" in the_warning(caplog)


def test_a_working_directory_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setenv("GLACIER_HOME", "kept")
    assert chain.run() == 3
    assert "No such file or directory" in the_warning(caplog)


def test_a_disk_that_does_not_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answer = threading.Event()

    def waits(*_: object, **__: object) -> Any:
        answer.wait()
        raise OSError("too late")

    monkeypatch.setattr("glacier.history.writer.connected", waits)
    monkeypatch.setattr("glacier.history.recording._HUNG", 0.2)
    assert chain.run() == 3
    assert "its disk has not answered for 0 s" in the_warning(caplog)
    answer.set()


def test_a_fault_of_glacier_s_own(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise KeyError("a fault")

    monkeypatch.setattr("glacier.history.writer._ended_row", fails)
    assert chain.run() == 3
    assert "writing the history `" in the_warning(caplog)
    assert the_warning(caplog).endswith("history.db` failed: KeyError: 'a fault'")


def test_a_thread_that_cannot_be_started(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr("glacier.history.recording.threading.Thread", Refused)
    assert chain.run(executor="sync") == 3
    assert "can't start new thread" in the_warning(caplog)


def test_the_folder_may_go_between_runs_and_during_one(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    @task
    def deleting() -> int:
        deadline = time.monotonic() + 30
        while not (home / FILE_NAME).exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        shutil.rmtree(home)
        return 1

    @pipeline
    def forgetful() -> int:
        return step(deleting())

    chain.run()
    shutil.rmtree(home)
    chain.run()
    assert len(runs(home)) == 1
    shutil.rmtree(home)
    assert forgetful.run() == 2
    chain.run()
    assert runs(home)[0].pipeline == "chain"


def test_a_store_of_a_newer_glacier_is_left_alone(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    chain.run()
    with closing(sqlite3.connect(home / FILE_NAME)) as store:
        store.execute(f"PRAGMA user_version = {VERSION + 1}")
    assert chain.run() == 3
    assert f"was written by a newer Glacier: its version is {VERSION + 1}" in the_warning(caplog)
    with pytest.raises(StorageError, match=r"written by a newer Glacier.*\n  Fix: update Glacier"):
        runs(home)
    with closing(sqlite3.connect(home / FILE_NAME)) as store:
        assert store.execute("SELECT COUNT(*) FROM runs").fetchone() == (1,)


def old_store(home: Path) -> None:
    home.mkdir()
    with closing(sqlite3.connect(home / FILE_NAME)) as store:
        store.executescript(V1.read_text())


def test_the_first_version_s_store_is_brought_up_to_date_by_a_run(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    old_store(home)
    chain.run()
    assert not caplog.records
    found = runs(home)
    assert [(run.pipeline, run.state) for run in found] == [
        ("chain", "succeeded"),
        ("etl", "killed"),
        ("etl", "failed"),
        ("etl", "succeeded"),
    ]
    with closing(sqlite3.connect(home / FILE_NAME)) as store:
        assert store.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_the_first_version_s_store_is_brought_up_to_date_by_a_reader(home: Path) -> None:
    old_store(home)
    with History(home) as history:
        run = history.run("9f3c2a7b")
        assert (run.seconds, run.inputs, run.counts) == (1.5, {"day": "2024-05-17"}, {"succeeded": 2})
        load, total = history.tasks(run)
        assert (load.name, load.state, load.seconds, load.rows, load.attempts) == ("load", "succeeded", 1.0, 1000, ())
        assert (total.name, total.turns, total.groups) == ("inner/total", 3, ("inner",))
        assert history.run("deadbeef").seconds == 1.0
        assert history.graph(run) is None


def test_the_first_version_s_store_is_read_from_a_read_only_disk(disk: SmallDisk) -> None:
    home = disk.folder / "kept"
    old_store(home)
    disk.make_read_only()
    assert [run.state for run in runs(home)] == ["killed", "failed", "succeeded"]


def test_several_processes_bring_a_store_up_to_date_at_once(home: Path) -> None:
    old_store(home)
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from {Path(__file__).stem} import chain; "
    )
    started = [
        subprocess.Popen([sys.executable, "-c", f"{script} chain.run()"], stderr=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    assert [process.communicate()[1] for process in started] == [""] * 5
    assert len(runs(home)) == 8


def test_processes_that_are_killed_at_any_moment_leave_a_sound_store(home: Path) -> None:
    script = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from {Path(__file__).stem} import chain
        chain.run(inputs={{"length": 40}})
        print("begins", flush=True)
        while True:
            chain.run(inputs={{"length": 40}})
    """
    chosen = random.Random(17)
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
        with process:
            assert process.stdout
            assert process.stdout.readline() == "begins\n"
            time.sleep(chosen.uniform(0.02, 0.3))
            process.kill()
    with closing(sqlite3.connect(home / FILE_NAME)) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with History(home) as history:
        found = history.runs()
        assert found
        assert {run.state for run in found} <= {"succeeded", "killed"}
        whole = [run for run in found if run.state == "succeeded"]
        assert {len(history.tasks(run)) for run in whole} == {40}
        assert {task.state for run in whole for task in history.tasks(run)} == {"succeeded"}
    assert chain.run() == 3
