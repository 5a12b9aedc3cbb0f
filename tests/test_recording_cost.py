"""What recording costs, by processor time, which other work on the machine hardly changes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from benchmarks.recording import RUNS, chain, fill

from glacier.history.store import History, Wanted


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history of the test's own."""
    monkeypatch.setenv("GLACIER_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_recording_a_task_costs_less_than_100_microseconds(home: Path) -> None:
    tasks = 2_000
    best = {False: 60.0, True: 60.0}
    for _ in range(6):
        for record in (False, True):
            began = time.process_time()
            chain.run(inputs={"n": tasks}, record=record)
            best[record] = min(best[record], time.process_time() - began)
    assert best[True] - best[False] < 100e-6 * tasks
    with History(home) as history:
        assert len(history.tasks(history.run("last"))) == tasks


def test_10_000_runs_are_listed_in_less_than_a_fifth_of_a_second(home: Path) -> None:
    fill(home, RUNS)
    best = 60.0
    for _ in range(4):
        began = time.process_time()
        with History(home) as history:
            assert len(history.runs()) == RUNS
        best = min(best, time.process_time() - began)
    assert best < 0.2


def test_the_newest_of_10_000_runs_are_listed_without_reading_the_others(home: Path) -> None:
    fill(home, RUNS)
    with History(home) as history:
        best = 60.0
        for _ in range(4):
            began = time.thread_time()
            assert len(history.runs(Wanted(most=20))) == 20
            assert len(history.runs(Wanted(pipeline="no such", most=20))) == 0
            assert history.run("last") == history.runs(Wanted(most=1))[0]
            best = min(best, time.thread_time() - began)
    assert best < 0.02
