"""Runs that are killed at any moment: resumed, they make the same objects, and do nothing again that was recorded."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier.execution.checkpoints import FOLDER, LOG
from glacier.providers.durable import lines_of
from kill_pipeline import killed

KILLS = int(os.environ.get("GLACIER_TEST_KILLS", "200"))
KILLED = -9

GRAPH = killed.plan({"folder": "/nowhere"})
Objects = dict[str, list[tuple[Any, ...]]]


class Children:
    """A process that forks a child for each run, so that a run begins within milliseconds."""

    def __init__(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("kill_pipeline.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def run(self, folder: Path, seconds: float | None) -> int:
        """Runs in a folder until the end, or kills after so many seconds; gives the exit code."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(f"{folder}\n")
        child = int(self.server.stdout.readline())
        if not select.select([self.server.stdout], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)  # until the next run, its number is nobody else's
        return int(self.server.stdout.readline())

    def close(self) -> None:
        """Ends it."""
        self.server.communicate(timeout=30)


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    children = Children()
    yield children
    children.close()


def tasks_before(index: int) -> set[str]:
    """Gives the tasks outside of loops whose end a node outside of loops waits for."""
    pending, found = list(GRAPH.upstream(index)), set[str]()
    while pending:
        node = GRAPH.nodes[pending.pop()]
        if node.hidden:
            pending += GRAPH.upstream(node.index)
        elif node.index not in GRAPH.loop_of:
            found.add(GRAPH.names[node.index])
    return found


BEFORE = {GRAPH.names[node.index]: tasks_before(node.index) for node in GRAPH.nodes if node.index not in GRAPH.loop_of}


@dataclass(frozen=True)
class Trial:
    """A folder in which a run is begun, killed, resumed, killed again, until it has ended."""

    folder: Path

    @classmethod
    def begun(cls, folder: Path) -> Trial:
        (folder / "effects").mkdir(parents=True)
        (folder / "out").mkdir()
        pl.DataFrame({"n": [1]}).write_parquet(folder / "out" / "counter.parquet")
        return cls(folder)

    def objects(self) -> Objects:
        """Gives all objects that readers see, by their content: each is whole, or this raises."""
        found: Objects = {}
        for file in sorted((self.folder / "out").rglob("*")):
            name = file.relative_to(self.folder / "out").as_posix()
            if file.is_file() and ".glacier-" not in name:
                frame = pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file)
                found[name] = sorted(frame.rows())
        return found

    def recorded(self) -> set[str]:
        """Gives the tasks that are recorded as finished, by name and turn; what they gave is there, whole."""
        found: set[str] = set()
        for checkpoint in (self.folder / "home" / FOLDER).glob("*"):
            for line in lines_of(checkpoint / LOG):
                if "task" in line:
                    _, turned, turn = line["task"].partition("/")
                    found.add(f"{line['name']}{turned}{turn}")
                    for name, size in line["files"].items():
                        assert (checkpoint / name).stat().st_size == size
        return found

    def begun_tasks(self) -> dict[str, int]:
        """Gives how often each task was begun."""
        return {file.name.replace("%", "/"): file.stat().st_size for file in (self.folder / "effects").iterdir()}


@pytest.mark.timeout(900)
def test_a_run_killed_at_any_moment_goes_on_as_if_nothing_had_happened(tmp_path: Path, children: Children) -> None:
    whole = Trial.begun(tmp_path / "whole")
    assert children.run(whole.folder, None) == 0
    again = Trial.begun(tmp_path / "again")
    began = time.monotonic()
    assert children.run(again.folder, None) == 0
    longest = time.monotonic() - began
    expected, tasks = whole.objects(), whole.begun_tasks()
    assert expected["counter.parquet"] == [(2,)]
    assert len(tasks) >= 30
    assert set(tasks.values()) == {1}

    seed = random.randrange(2**32)
    rng = random.Random(seed)
    kills, trials, resumed = 0, 0, 0
    while kills < KILLS:
        trials += 1
        trial = Trial.begun(tmp_path / str(trials))
        recorded: set[str] = set()
        while True:
            before = trial.begun_tasks()
            code = children.run(trial.folder, rng.uniform(0, longest))
            after = trial.begun_tasks()
            told = f"seed {seed}, trial {trials}, kill {kills}"
            assert code in (0, KILLED), told
            assert {name: after.get(name) for name in recorded} == {name: before.get(name) for name in recorded}, told
            for name, rows in trial.objects().items():
                assert rows == expected[name] or (name, rows) == ("counter.parquet", [(1,)]), f"{name}: {told}"
            if code == 0:
                break
            kills += 1
            resumed += bool(recorded)
            now = trial.recorded()
            if not now and after.keys() == tasks.keys():  # it had succeeded, and was clearing up
                break
            assert recorded <= now, told
            for name in after.keys() & BEFORE.keys():
                assert BEFORE[name] <= now, f"`{name}` was begun before what it waits for was recorded, {told}"
            recorded = now
        assert trial.objects() == expected, told
        assert trial.begun_tasks().keys() == tasks.keys(), told
    assert resumed > KILLS / 4  # most kills hit runs that went on where another ended
