"""The history: what is recorded of runs, also of several processes at once, and read again."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Secret, context, observe, pipeline, task
from glacier.errors import ConfigError, GateClosed, GraphError, InputError, RunErrors, TaskError
from glacier.execution.record import Recorder
from glacier.history.graphs import graph_info, packed, unpacked
from glacier.history.runs import RecordedRun, RecordedTask
from glacier.history.store import History, Wanted
from glacier.report.page import page
from glacier.report.page.recorded import recorded_data

VALUE = "s3cr3t-value"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history of the test's own."""
    monkeypatch.setenv("GLACIER_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept"


def runs(home: Path, wanted: Wanted | None = None) -> list[RecordedRun]:
    with History(home) as history:
        return history.runs(wanted)


def tasks(home: Path, name: str = "last") -> dict[str, RecordedTask]:
    with History(home) as history:
        return {one.name: one for one in history.tasks(history.run(name))}


def running(home: Path) -> dict[str, str]:
    """Gives the states of the last run's tasks, of which there may be none yet."""
    return {name: one.state for name, one in tasks(home).items()} if runs(home) else {}


def eventually(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


@task
def number(n: int = 1) -> int:
    return n


@task
def frame(rows: int) -> pl.DataFrame:
    return pl.DataFrame({"n": range(rows)})


@task
def height(df: pl.DataFrame) -> int:
    return df.height


@task
def broken(n: int) -> int:
    raise ValueError("no good")


@task
def add(x: int, y: int) -> int:
    return x + y


@task
def check(n: int) -> bool:
    return n > 5


@task
def numbers(count: int) -> list[int]:
    return list(range(count))


@pipeline
def two(rows: int = 3) -> int:
    return height(frame(rows))


@pipeline
def one(n: int = 1) -> int:
    return number(n)


@pipeline
def half() -> tuple[int, int]:
    n = number()
    return add(broken(n), n), add(n, n)


def test_a_run_is_recorded_with_its_tasks(home: Path) -> None:
    recorder = Recorder()
    before = datetime.now(UTC)
    two.run(inputs={"rows": 4}, progress=recorder)
    (run,) = runs(home)
    record = recorder.record
    assert record
    assert (run.run_id, run.pipeline, run.state) == (record.run_id, "two", "succeeded")
    assert before <= run.started == record.started
    assert run.seconds == record.seconds
    assert (run.tasks, run.counts, run.inputs, run.reason) == (2, {"succeeded": 2}, {"rows": "4"}, None)
    assert run.file == __file__
    assert run.about["executor"] == "threads"
    assert {"glacier", "polars", "python"} <= run.about.keys()
    first, second = tasks(home).values()
    assert (first.name, first.state, first.rows) == ("frame", "succeeded", 4)
    assert (second.name, second.state, second.rows) == ("height", "succeeded", None)
    assert first.started is not None
    assert first.ended is not None
    assert second.started is not None
    assert 0 <= first.started <= first.ended <= second.started <= record.seconds
    assert first.seconds == pytest.approx(first.ended - first.started)


def test_what_failed_or_was_skipped_is_recorded_with_its_reason(home: Path) -> None:
    with pytest.raises(TaskError):
        half.run()
    with pytest.raises(RunErrors):
        half.run(on_failure="continue")
    later, earlier = runs(home)
    assert (earlier.state, earlier.reason) == ("failed", "`broken` failed: ValueError: no good")
    assert (later.state, later.reason) == ("failed", "1 of 4 tasks of pipeline `half` failed")
    assert later.counts == {"succeeded": 2, "failed": 1, "skipped": 1}
    found = tasks(home)
    assert (found["broken"].state, found["broken"].reason) == ("failed", "ValueError: no good")
    assert (found["add[#1]"].state, found["add[#1]"].reason) == ("skipped", "`broken` failed")


def test_a_run_without_a_result_has_failed(home: Path) -> None:
    @pipeline
    def closed() -> int:
        n = number()
        return add.after(check(n))(n, n)

    with pytest.raises(GateClosed):
        closed.run()
    (run,) = runs(home)
    assert run.state == "failed"
    assert run.reason
    assert run.reason.startswith("GateClosed: pipeline `closed` has no result")


def test_turns_groups_and_tries_are_recorded(home: Path) -> None:
    tried: list[int] = []

    @task(retries=2, retry_delay=0.0)
    def flaky(n: int) -> int:
        tried.append(n)
        if len(tried) < 3:
            raise OSError("not yet")
        return n

    @pipeline
    def inner(n: int) -> int:
        return flaky(n)

    @pipeline
    def outer(count: int) -> tuple[int, list[int]]:
        return inner(count), [number(n) for n in numbers(count)]

    outer.run(inputs={"count": 5})
    found = tasks(home)
    assert found["number"].turns == 5
    assert found["flaky"].groups == ("inner",)
    assert [one.error for one in found["flaky"].attempts] == ["OSError: not yet", "OSError: not yet", None]


def test_what_was_measured_is_recorded(home: Path) -> None:
    @task
    @observe(metrics=["duration", "rows_out"])
    def counting(rows: int) -> pl.DataFrame:
        context().metric("nulls", 3)
        return pl.DataFrame({"n": range(rows)})

    @pipeline
    def measured() -> int:
        return height(counting(7))

    recorder = Recorder()
    measured.run(progress=recorder)
    assert recorder.record
    found = tasks(home)
    assert [one.to_dict() for one in found.values()] == [one.to_dict() for one in recorder.record.nodes]
    assert [one.node for one in found.values()] == [0, 1]
    assert measured.get_metrics()["counting"] == found["counting"].to_dict()["metrics"]


def test_hidden_nodes_are_not_recorded(home: Path) -> None:
    @pipeline
    def sums() -> int:
        return number(number() + 1)

    sums.run()
    (run,) = runs(home)
    assert len(tasks(home)) == run.tasks == 2


def test_a_run_is_seen_while_it_goes_on(home: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    @task
    def waits(n: int) -> int:
        started.set()
        assert go_on.wait(30)
        return n

    @pipeline
    def slow() -> int:
        return number(waits(number()))

    thread = threading.Thread(target=slow.run)
    thread.start()
    try:
        assert started.wait(30)
        assert eventually(lambda: [*running(home).values()] == ["succeeded", "running"])
        (run,) = runs(home, Wanted(state="running"))
        assert (run.state, run.counts) == ("running", {})
        assert run.seconds > 0
        assert runs(home, Wanted(state="killed")) == []
    finally:
        go_on.set()
        thread.join()
    (run,) = runs(home)
    assert run.state == "succeeded"
    assert [one.state for one in tasks(home).values()] == ["succeeded"] * 3


def test_turns_are_seen_while_a_loop_goes_on(home: Path) -> None:
    go_on = threading.Event()

    @task
    def waits(n: int) -> int:
        assert n < 3 or go_on.wait(30)
        return n

    @pipeline
    def looping() -> list[int]:
        return [waits(n) for n in numbers(5)]

    thread = threading.Thread(target=looping.run, kwargs={"max_workers": 1})
    thread.start()
    try:
        assert eventually(lambda: "waits" in running(home) and tasks(home)["waits"].turns == 3)
        assert tasks(home)["waits"].state == "running"
    finally:
        go_on.set()
        thread.join()
    assert (tasks(home)["waits"].state, tasks(home)["waits"].turns) == ("succeeded", 5)


SLEEPING = """
    import sys, time
    from glacier import pipeline, task

    @task
    def waits() -> int:
        print("started", flush=True)
        time.sleep(60)
        return 1

    @pipeline
    def sleeping() -> int:
        return waits()

    if __name__ == "__main__":
        sleeping.run(executor=sys.argv[1])
"""


@pytest.fixture
def sleeping(home: Path, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a process with a run that goes on until it is told to end, and gives it when the history knows the run."""
    file = tmp_path / "sleeping.py"
    file.write_text(textwrap.dedent(SLEEPING))
    with ExitStack() as stack:

        def start(executor: str) -> subprocess.Popen[str]:
            command = [sys.executable, str(file), executor]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout
            assert process.stdout.readline() == "started\n"
            assert eventually(lambda: "waits" in running(home))
            return process

        yield start


def test_a_run_whose_process_was_killed_is_told_from_one_that_runs(
    home: Path, sleeping: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = sleeping("threads")
    assert [run.state for run in runs(home)] == ["running"]
    process.kill()
    process.wait()
    (run,) = runs(home)
    assert run.state == "killed"
    assert run.seconds < 60
    assert [one.run_id for one in runs(home, Wanted(state="killed"))] == [run.run_id]
    assert runs(home, Wanted(state="running")) == []


@pytest.mark.parametrize("executor", ["threads", "sync"])
def test_an_interrupted_run_is_cancelled(
    home: Path, sleeping: Callable[[str], subprocess.Popen[str]], executor: str
) -> None:
    process = sleeping(executor)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    (run,) = runs(home)
    assert (run.state, run.reason) == ("cancelled", None)
    assert [one.state for one in tasks(home).values()] == ["cancelled"]


def test_a_number_that_another_process_has_now_is_not_the_run_s(
    home: Path, sleeping: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = sleeping("threads")
    process.kill()
    process.wait()
    with closing(sqlite3.connect(home / "history.db")) as store, store:
        (told,) = store.execute("SELECT process FROM runs").fetchone()
        store.execute("UPDATE runs SET process = ?", (json.dumps({**json.loads(told), "pid": os.getpid()}),))
    assert [run.state for run in runs(home)] == ["killed"]


@pytest.mark.parametrize(("unseen", "state"), [(5, "running"), (-3600, "running"), (600, "killed")])
def test_of_a_run_on_another_machine_its_last_sign_decides(home: Path, unseen: int, state: str) -> None:
    one.run()
    elsewhere = json.dumps({"host": "elsewhere", "space": "", "pid": 1, "born": "1"})
    seen = int((time.time() - unseen) * 1e6)
    with closing(sqlite3.connect(home / "history.db")) as store, store:
        store.execute("UPDATE runs SET state = 'running', seconds = NULL, process = ?, seen = ?", (elsewhere, seen))
    (run,) = runs(home)
    assert run.state == state
    assert run.seconds >= 0


def test_several_processes_record_at_once(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "many.py"
    file.write_text(
        textwrap.dedent("""
            from glacier import pipeline, task

            @task
            def step(n: int) -> int:
                return n + 1

            @pipeline
            def steps() -> int:
                n = 0
                for _ in range(300):
                    n = step(n)
                return n

            for _ in range(10):
                assert steps.run() == 300
        """)
    )
    processes = [subprocess.Popen([sys.executable, file], stderr=subprocess.PIPE, text=True) for _ in range(6)]
    told = [process.communicate()[1] for process in processes]
    assert told == [""] * 6
    found = runs(home)
    assert len({run.run_id for run in found}) == 60
    assert {run.state for run in found} == {"succeeded"}
    with History(home) as history:
        assert {len(history.tasks(run)) for run in found} == {300}


def test_several_threads_record_at_once(home: Path) -> None:
    before = threading.active_count()
    threads = [threading.Thread(target=lambda: [two.run() for _ in range(20)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs(home)) == 100
    assert threading.active_count() < before + 50


def test_a_process_that_a_task_forks_leaves_the_history_alone(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "forks.py"
    file.write_text(
        textwrap.dedent("""
            import os, sys
            from glacier import pipeline, task

            @task
            def forks(n: int) -> int:
                child = os.fork()
                if child == 0:
                    sys.exit(0)
                os.waitpid(child, 0)
                return n

            @pipeline
            def forking() -> int:
                n = 0
                for k in range(3):
                    n = forks(k)
                return n

            for executor in ("sync", "threads"):
                forking.run(executor=executor)
                assert forking.run(executor=executor) == 2
            child = os.fork()
            if child == 0:
                sys.exit(0)
            os.waitpid(child, 0)
            forking.run()
        """)
    )
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "history" not in done.stderr  # which tells of the forks
    found = runs(home)
    assert [run.state for run in found] == ["succeeded"] * 5
    with History(home) as history:
        assert {len(history.tasks(run)) for run in found} == {3}
    with closing(sqlite3.connect(home / "history.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_no_thread_is_left(home: Path) -> None:
    before = threading.active_count()
    one.run()
    assert threading.active_count() == before


def test_history_can_be_turned_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one.run(record=False)
    for word in ("0", "off", "no", "FALSE"):
        monkeypatch.setenv("GLACIER_HISTORY", word)
        one.run()
    assert not home.exists()
    monkeypatch.setenv("GLACIER_HISTORY", "")
    one.run()
    assert len(runs(home)) == 1


def test_a_setting_without_meaning_is_an_error_before_anything_runs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLACIER_HISTORY", "-3")
    with pytest.raises(ConfigError, match="GLACIER_HISTORY is '-3'; it takes how many runs to keep"):
        one.run()


def test_record_belongs_to_the_outer_run() -> None:
    @pipeline
    def outer() -> int:
        return one.run(record=False)

    with pytest.raises(GraphError, match="is run with `record=` inside the body"):
        outer.plan()


def test_only_inputs_that_cannot_well_be_secret_are_shown(home: Path) -> None:
    class Region(Enum):
        NORTH = "n"

    class Loud(int):
        def __str__(self) -> str:
            raise AssertionError("asked for its text")

    class Shy:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("do not look at me")

    @pipeline
    def taking(
        day: date,
        region: Region,
        rows: int,
        url: str,
        password: int,
        df: pl.DataFrame,
        odd: Loud,
        shy: Any,
        secret: Secret,
    ) -> int:
        return number(rows)

    given = {
        "day": date(2024, 5, 17),
        "region": Region.NORTH,
        "rows": 5,
        "url": f"https://u:{VALUE}@host",
        "password": 1234,
        "df": pl.DataFrame({VALUE: [VALUE]}),
        "odd": Loud(3),
        "shy": Shy(),
        "secret": Secret(VALUE),
    }
    taking.run(inputs=given)
    (run,) = runs(home)
    assert run.inputs == {
        "day": "2024-05-17",
        "region": "NORTH",
        "rows": "5",
        "url": "str",
        "password": "int",
        "df": "DataFrame 1 × 1",
        "odd": "Loud",
        "shy": "Shy",
        "secret": "Secret",
    }
    assert [file.name for file in home.iterdir() if VALUE.encode() in file.read_bytes()] == []


def test_a_secret_in_an_exception_is_not_in_the_files(home: Path) -> None:
    @task(retries=1, retry_delay=0.0)
    def download(token: Secret) -> int:
        raise ConnectionError(f"401 for https://host?token={token.get_secret_value()}")

    @pipeline
    def fetching(token: Secret) -> int:
        return download(token)

    with pytest.raises(TaskError):
        fetching.run(inputs={"token": Secret(VALUE)})
    assert tasks(home)["download"].reason == "ConnectionError: 401 for https://host?token=**********"
    assert len(tasks(home)["download"].attempts) == 2
    assert [file.name for file in home.iterdir() if VALUE.encode() in file.read_bytes()] == []


def test_a_secret_that_a_task_logs_is_not_in_the_files(home: Path) -> None:
    hidden = Secret(f"{VALUE}-of-a-closure")

    @task
    def issued() -> Secret:
        return Secret(f"{VALUE}-of-a-task")

    @task
    def settings() -> dict[str, list[Secret]]:
        return {"tokens": [Secret(f"{VALUE}-in-what-a-task-gave")]}

    @task
    def logging_it(given: Secret, returned: Secret, more: dict[str, list[Secret]]) -> int:
        for secret in (given, returned, hidden, *more["tokens"]):
            logging.getLogger("mine").warning("it is %s", secret.get_secret_value())
        return 1

    @pipeline
    def talkative(given: Secret) -> int:
        return logging_it(given, issued(), settings())

    talkative.run(inputs={"given": Secret(f"{VALUE}-of-an-input")})
    log = tasks(home)["logging_it"].log
    assert [line.rpartition("mine: ")[2] for line in log] == ["it is **********"] * 4
    assert [file.name for file in home.iterdir() if VALUE.encode() in file.read_bytes()] == []


def test_a_program_that_sets_up_no_logging_is_told_what_it_is_without_a_history(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "unset.py"
    file.write_text(
        textwrap.dedent("""
            import logging, sys
            from glacier import pipeline, task

            @task
            def warns() -> int:
                logging.getLogger("mine").warning("12 rows have no date")
                logging.getLogger("mine").info("dropped")
                return 1

            @task
            def sets_up(n: int) -> int:
                logging.basicConfig(format="%(name)s: %(message)s", level=logging.INFO)
                logging.getLogger("mine").info("it is set up")
                return n

            @pipeline
            def telling() -> int:
                return sets_up(warns())

            telling.run(record=sys.argv[1] == "record")
        """)
    )
    told = [
        subprocess.run([sys.executable, file, how], capture_output=True, text=True, check=True).stderr
        for how in ("record", "alone")
    ]
    assert told == ["12 rows have no date\nmine: it is set up\n"] * 2
    logs = {name: [line.split(" ", 2)[2] for line in one.log] for name, one in tasks(home).items()}
    assert logs == {"warns": ["WARNING mine: 12 rows have no date"], "sets_up": ["INFO mine: it is set up"]}


def test_what_the_configuration_of_logging_drops_or_changes_is_so_in_the_history(home: Path) -> None:
    def redacting(record: logging.LogRecord) -> bool:
        record.msg = record.msg.replace("4711", "****")
        return "beat" not in record.msg

    apart, filtered = logging.getLogger("mine.apart"), logging.getLogger("mine.filtered")
    apart.propagate = False
    apart.addHandler(logging.NullHandler())
    filtered.addFilter(redacting)

    @task
    def talks() -> int:
        apart.warning("kept apart")
        for message in ("beat", "card 4711", "beat", "card 4711 again"):
            filtered.warning(message)
        return 1

    @pipeline
    def talking() -> int:
        return talks()

    before = logging.getLogRecordFactory()
    try:
        for _ in range(2):
            talking.run()
            logging.setLogRecordFactory(partial(logging.getLogRecordFactory()))
            log = tasks(home)["talks"].log
            assert [line.rpartition("filtered: ")[2] for line in log] == ["card ****", "card **** again"]
    finally:
        logging.setLogRecordFactory(before)
        apart.propagate = True


def test_text_that_is_no_text_is_recorded(home: Path) -> None:
    @task
    def opening() -> int:
        raise FileNotFoundError("no file 'a\udcff\x00b'")

    @pipeline
    def reading() -> int:
        return opening()

    with pytest.raises(TaskError):
        reading.run()
    assert tasks(home)["opening"].reason == "FileNotFoundError: no file 'a\\udcff\x00b'"


def test_what_a_task_says_that_is_no_text_is_recorded_and_shown(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])  # pytest would send it where text goes

    @task
    def looking() -> pl.DataFrame:
        logging.getLogger("mine").warning("no file 'caf\udcff' \U0001f60a")
        return pl.DataFrame({"n": [1]})

    @pipeline
    def searching() -> pl.DataFrame:
        return looking()

    def told() -> list[str]:
        with History(home) as history:
            (tmp_path / "page.html").write_text(page(recorded_data(history, history.run("last"))), "utf-8")
        return [line.rpartition("mine: ")[2] for line in tasks(home)["looking"].log]

    searching.run()
    clean = ["no file 'caf\\udcff' \U0001f60a"]
    assert told() == clean
    with closing(sqlite3.connect(home / "history.db")) as store:  # as it was written when it was not made clean
        more = json.dumps({"log": ["mine: no file 'caf\udcff' \U0001f60a"]})
        store.execute("UPDATE tasks SET more = ?", (more,))
        store.commit()
    assert told() == clean
    info = graph_info(searching.plan())
    info["codes"]["looking"] = "'caf\udcff'"
    assert unpacked(packed(info))["codes"] == {"looking": "'caf\\udcff'"}


def test_columns_are_told_without_the_data_that_dtypes_hold(home: Path) -> None:
    names = [f"person {number}" for number in range(1_000)]

    @task
    def people() -> pl.DataFrame:
        name = pl.Enum(names)
        nested = pl.Struct({"n": pl.Array(name, (2, 3)), "at": pl.Datetime("us")})
        wide = pl.Struct({f"field {number}": pl.Int64 for number in range(100)})
        return pl.DataFrame(schema={"name": name, "nested": nested, "tags": pl.List(pl.List(name)), "wide": wide})

    @pipeline
    def listing() -> pl.DataFrame:
        return people()

    listing.run()
    columns = dict(tasks(home)["people"].columns or ())
    wide = columns.pop("wide")
    assert (wide[:35], len(wide), wide[-3:]) == ("Struct({'field 0': Int64, 'field 1'", 203, "...")
    at = "'at': Datetime(time_unit='us', time_zone=None)"
    assert columns == {
        "name": "Enum(1,000 categories)",
        "nested": f"Struct({{'n': Array(Enum(1,000 categories), shape=(2, 3)), {at}}})",
        "tags": "List(List(Enum(1,000 categories)))",
    }
    assert not any(b"person 7" in file.read_bytes() for file in home.iterdir())


def test_a_clock_that_goes_backwards_changes_no_duration_and_no_order(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.run()
    real = time.time_ns
    monkeypatch.setattr("glacier.history.writer._microseconds", lambda: (real() - 3_600 * 10**9) // 1_000)
    back = datetime.now(UTC) - timedelta(hours=1)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # what the scheduler asks of it
            return back

    monkeypatch.setattr("glacier.execution.scheduler.datetime", Clock)
    two.run()
    later, earlier = runs(home)
    assert (later.pipeline, earlier.pipeline) == ("two", "one")
    assert later.started == back < earlier.started
    assert 0 < later.seconds < 60
    with History(home) as history:
        assert history.run("last") == later


def test_a_run_is_named_in_many_ways(home: Path) -> None:
    for _ in range(3):
        one.run()
    two.run()
    newest, *_, oldest = found = runs(home)
    with History(home) as history:
        for name in (newest.run_id, newest.short_id, newest.run_id[:-2], newest.short_id[:6], "last", "two", "last~0"):
            assert history.run(name) == newest
        assert history.run("last~3") == history.run("one~2") == oldest
        assert history.run("one") == found[1]
        with pytest.raises(
            InputError, match=re.escape(f"`{oldest.run_id[:3]}` names several runs: `{newest.short_id}`")
        ):
            history.run(oldest.run_id[:3])
        with pytest.raises(InputError, match="there is no run `tow`\n  Fix: did you mean `two`"):
            history.run("tow")
        with pytest.raises(InputError, match="there is no run `last~9`"):
            history.run("last~9")


def test_a_project_without_runs_says_so(home: Path) -> None:
    assert runs(home) == []
    with History(home) as history, pytest.raises(InputError, match=r"no runs are recorded in `.*kept`"):
        history.run("last")
    assert not home.exists()


def test_runs_are_chosen_by_pipeline_and_state(home: Path) -> None:
    one.run()
    two.run()
    with pytest.raises(TaskError):
        half.run()
    one.run()
    assert [run.pipeline for run in runs(home)] == ["one", "half", "two", "one"]
    assert [run.pipeline for run in runs(home, Wanted(pipeline="one"))] == ["one", "one"]
    assert [run.pipeline for run in runs(home, Wanted(state="failed"))] == ["half"]
    assert [run.pipeline for run in runs(home, Wanted(state="succeeded", most=2))] == ["one", "two"]
    assert runs(home, Wanted(pipeline="one", state="failed")) == []


def test_only_so_many_runs_are_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIER_HISTORY", "3")
    for n in range(5):
        one.run(inputs={"n": n})
    assert [run.inputs["n"] for run in runs(home)] == ["4", "3", "2"]
    with closing(sqlite3.connect(home / "history.db")) as store:
        assert store.execute("SELECT COUNT(*) FROM tasks").fetchone() == (3,)


def test_runs_are_removed_but_not_those_that_run(home: Path, sleeping: Callable[[str], subprocess.Popen[str]]) -> None:
    one.run()
    two.run()
    sleeping("threads")
    with History(home) as history:
        running, second, first = history.runs()
        with pytest.raises(InputError, match=f"run `{running.short_id}` is running"):
            history.remove([first, running])
        history.remove([first, first])
        history.remove([first])  # it is gone, whoever removed it
        assert history.runs()[1:] == [second]
        assert history.give_back() > 0
