"""`glacier runs`: what it prints for people and for machines, and what it refuses."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from glacier import context, observe, pipeline, task
from glacier.cli import app
from glacier.errors import InputError, RunErrors, TaskError


@pytest.fixture(autouse=True)
def home(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history of the test's own."""
    monkeypatch.setenv("GLACIER_HOME", str(in_tmp / ".glacier"))
    return in_tmp / ".glacier"


def glacier(*words: str) -> str:
    done = ran(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def ran(*words: str) -> Result:
    done = CliRunner().invoke(app, ["runs", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def told(*words: str) -> Any:
    return json.loads(glacier(*words, "--json"))


@task
@observe(metrics=["rows_out"])
def load(rows: int) -> pl.DataFrame:
    context().metric("nulls", 2)
    return pl.DataFrame({"n": range(rows)})


@task(retries=1, retry_delay=0.0)
def half(df: pl.DataFrame) -> int:
    if df.height > 3:
        raise ValueError("too\nmany")
    return df.height


@task
def extra(n: int) -> int:
    return n


@pipeline
def sales(day: date, rows: int = 2, more: bool = False) -> int:
    count = half(load(rows))
    return extra(count) if more else count


@task
def counted() -> list[int]:
    return [1, 2, 3]


@task(retries=1, retry_delay=0.0)
def even(n: int) -> int:
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n


@pipeline
def looped() -> list[int]:
    return [even(n) for n in counted()]


@pipeline
def other() -> int:
    return extra(1)


def run_some() -> None:
    sales.run(inputs={"day": date(2024, 5, 17)})
    with pytest.raises(TaskError):
        sales.run(inputs={"day": date(2024, 5, 18), "rows": 4, "more": True})
    other.run()


def steady(text: str) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "YYYY-MM-DD HH:MM:SS", text)
    text = re.sub(r"\b[0-9a-f]{8}\b", "xxxxxxxx", text)
    return re.sub(r"\b0\.\d\d\b", "0.00", text)


def test_the_list() -> None:
    run_some()
    assert steady(glacier("ls")).splitlines() == [
        "run       pipeline  state      started              seconds  tasks",
        "xxxxxxxx  other     succeeded  YYYY-MM-DD HH:MM:SS     0.00      1",
        "xxxxxxxx  sales     failed     YYYY-MM-DD HH:MM:SS     0.00      3  `half` failed: ValueError: too",
        "xxxxxxxx  sales     succeeded  YYYY-MM-DD HH:MM:SS     0.00      2  day=2024-05-17",
    ]


def test_the_items_that_failed_are_told_by_their_numbers() -> None:
    with pytest.raises(RunErrors):
        looped.run(on_failure="continue", executor="sync")
    shown = steady(glacier("show", "looped")).rstrip().split("\n\n")
    assert shown[-2:] == [
        "even: 2 of 3 turns failed, one with ValueError: 1 is odd\n"
        "even, item 0: ValueError: 1 is odd\n"
        "even, item 2: ValueError: 3 is odd",
        "even, item 0: try 1 ValueError: 1 is odd\n"
        "even, item 0: try 2 ValueError: 1 is odd\n"
        "even, item 2: try 1 ValueError: 3 is odd\n"
        "even, item 2: try 2 ValueError: 3 is odd",
    ]
    assert told("show", "looped")["tasks"][-1]["failed_turns"] == [
        {"items": [0], "error": "ValueError: 1 is odd"},
        {"items": [2], "error": "ValueError: 3 is odd"},
    ]


def test_the_list_as_asked_for() -> None:
    run_some()
    assert [run["pipeline"] for run in told("ls", "-n", "2")] == ["other", "sales"]
    assert [run["pipeline"] for run in told("ls", "sales", "--state", "failed")] == ["sales"]
    assert told("ls", "none") == []
    assert ran("ls", "none").stderr.startswith("no such runs in ")
    for _ in range(20):
        other.run()
    assert len(told("ls")) == 20
    assert len(told("ls", "--all")) == 23


def test_the_list_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    run_some()
    monkeypatch.setattr("glacier.commands.runs._width", lambda: 60)
    assert max(len(line) for line in glacier("ls").splitlines()) == 60


def test_one_run() -> None:
    run_some()
    failed = steady(glacier("show", "sales")).splitlines()
    assert failed[0] == "sales: failed after 0.00 s, 1 failed, 1 skipped, 1 succeeded"
    assert "inputs   day=2024-05-18, rows=4, more=True" in failed
    assert "reason   `half` failed: ValueError: too" in failed
    assert [line.split()[:2] for line in failed if line.startswith(("load ", "half ", "extra "))] == [
        ["load", "succeeded"],
        ["half", "failed"],
        ["extra", "skipped"],
    ]
    assert "half: try 2 ValueError: too" in failed
    assert "load: rows_out 4, nulls 2" in failed
    run = told("show", "last~2")
    assert (run["state"], run["inputs"]) == ("succeeded", {"day": "2024-05-17"})
    assert [(one["name"], one["state"], one["metrics"]) for one in run["tasks"]] == [
        ("load", "succeeded", {"rows_out": 2, "nulls": 2}),
        ("half", "succeeded", {}),
    ]


def test_two_runs_beside_each_other() -> None:
    run_some()
    later = steady(glacier("diff", "sales")).splitlines()
    assert later[2:] == [
        "input day: 2024-05-17 -> 2024-05-18",
        "input rows: none -> 4",
        "input more: none -> True",
        "",
        "task   state                seconds       rows",
        "load   succeeded            0.00 -> 0.00  2 -> 4",
        "half   succeeded -> failed  0.00 -> 0.00",
        "extra  only in the later    ?",
    ]
    assert later[0].startswith("xxxxxxxx  succeeded  ")
    assert later[1].startswith("xxxxxxxx  failed     ")
    both = told("diff", "sales~1", "sales")
    assert both["stated"] == {
        "input day": ["2024-05-17", "2024-05-18"],
        "input rows": [None, "4"],
        "input more": [None, "True"],
    }
    assert [(one["name"], one["before"] is not None, one["after"]["state"]) for one in both["tasks"]] == [
        ("load", True, "succeeded"),
        ("half", True, "failed"),
        ("extra", False, "skipped"),
    ]
    back = glacier("diff", "sales", "sales~1")
    assert "extra  only in the earlier" in back


def test_a_first_run_has_none_before_it() -> None:
    other.run()
    with pytest.raises(InputError, match="is the first that is recorded of pipeline `other`\n  Fix: name two runs"):
        glacier("diff")


def test_durations_and_rows_count_where_they_differ_clearly(home: Path) -> None:
    from glacier.execution.record import NodeRecord
    from glacier.history.difference import TaskDifference

    def differs(before: tuple[float, int], after: tuple[float, int]) -> bool:
        nodes = [NodeRecord("load", "succeeded", 0.0, seconds, rows) for seconds, rows in (before, after)]
        return TaskDifference("load", *nodes).is_notable

    assert differs((1.0, 5), (1.0, 6))
    assert differs((1.0, 5), (1.3, 5))
    assert differs((1.3, 5), (1.0, 5))
    assert not differs((1.0, 5), (1.15, 5))
    assert not differs((0.001, 5), (0.04, 5))


def test_runs_are_removed() -> None:
    run_some()
    ids = [run["run_id"] for run in told("ls")]
    assert glacier("rm", ids[0], ids[1][-8:]) == f"2 runs removed: {ids[0][-8:]}, {ids[1][-8:]}\n"
    assert [run["run_id"] for run in told("ls")] == ids[2:]
    with pytest.raises(InputError, match="there is no run"):
        glacier("rm", ids[0])


def test_old_runs_are_collected(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        other.run()
    ids = [run["run_id"] for run in told("ls")]
    assert glacier("gc", "--keep", "3", "--dry-run") == f"1 run would be removed: {ids[3][-8:]}\n"
    assert len(told("ls")) == 4
    assert [run["run_id"] for run in told("gc", "--keep", "3")] == ids[3:]
    assert glacier("gc", "--older-than", "1d") == "0 runs removed\n"
    later = datetime.now(UTC) + timedelta(hours=3)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # what the command asks of it
            return later

    monkeypatch.setattr("glacier.commands.runs.datetime", Clock)
    assert glacier("gc", "--older-than", "4h") == "0 runs removed\n"
    assert glacier("gc", "--older-than", "170m", "--keep", "2").startswith("3 runs removed: ")
    assert told("ls") == []


def test_the_disk_gets_its_room_back(home: Path) -> None:
    @pipeline
    def many() -> int:
        n = 0
        for _ in range(5_000):
            n = extra(n)
        return n

    many.run()
    other.run()
    glacier("gc", "--keep", "2")
    before = (home / "history.db").stat().st_size
    glacier("gc", "--keep", "1")
    assert (home / "history.db").stat().st_size < before / 4


def test_without_options_the_setting_says_what_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        other.run()
    assert glacier("gc") == "0 runs removed\n"
    monkeypatch.setenv("GLACIER_HISTORY", "1")
    assert glacier("gc").startswith("3 runs removed: ")


def test_an_age_that_is_none_is_refused() -> None:
    done = ran("gc", "--older-than", "tomorrow")
    assert done.exit_code == 2
    assert "'tomorrow' is no age" in done.stderr


def test_where_nothing_ran_commands_say_so(home: Path) -> None:
    assert told("ls") == []
    for words in (["show"], ["diff"], ["rm", "last"]):
        with pytest.raises(InputError, match="no runs are recorded in"):
            glacier(*words)
    assert not home.exists()


def test_a_run_of_the_command_line_can_go_unrecorded(home: Path, in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (in_tmp / "unrecorded.py").write_text(
        "from glacier import pipeline, task\n\n@task\ndef one() -> int:\n    return 1\n\n"
        "@pipeline\ndef ones() -> int:\n    return one()\n"
    )
    monkeypatch.delenv("GLACIER_HOME")  # found by the file's folder, and by the working directory
    assert CliRunner().invoke(app, ["run", "unrecorded.py", "-q", "--no-record"]).exit_code == 0
    assert not home.exists()
    assert CliRunner().invoke(app, ["run", "unrecorded.py", "-q"]).exit_code == 0
    assert [run["pipeline"] for run in told("ls")] == ["ones"]
    assert home.exists()
