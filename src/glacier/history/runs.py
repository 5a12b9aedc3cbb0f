"""A recorded run and its tasks, as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, cast

from glacier.doing import Told
from glacier.execution.measures import Measures
from glacier.execution.record import Attempt, FailedTurn, NodeRecord, NodeState, RunState
from glacier.history.naming import short_id
from glacier.history.processes import Process
from glacier.history.text import loaded

RecordedState = RunState | Literal["running", "killed"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RecordedRun:
    """A run in the history.

    Attributes:
        run_id: names it; see `record.run_id_at`.
        pipeline: its name.
        file: where the pipeline is written.
        state: "killed" if its process is gone without having ended it.
        started: the wall clock when it began, in UTC.
        seconds: how long it took, or has taken so far; of one that was killed, how long it gave signs.
        tasks: how many it has.
        counts: how many of them ended in each state; none as long as it runs.
        reason: why it did not succeed.
        inputs: what may be shown of them.
        about: versions, the executor.
        process: which process ran it.
    """

    run_id: str
    pipeline: str
    file: str
    state: RecordedState
    started: datetime
    seconds: float
    tasks: int
    counts: Mapping[NodeState, int]
    reason: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    about: Mapping[str, str] = field(default_factory=dict[str, str])
    process: Process | None = None

    @property
    def short_id(self) -> str:
        """The random end of its id, which is enough to name it."""
        return short_id(self.run_id)

    def to_dict(self) -> dict[str, object]:
        """Gives it as JSON can hold it."""
        return {
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "file": self.file,
            "state": self.state,
            "started": self.started.isoformat(),
            "seconds": round(self.seconds, 6),
            "tasks": self.tasks,
            "counts": dict(self.counts),
            "reason": self.reason,
            "inputs": dict(self.inputs),
            "about": dict(self.about),
            "process": None if self.process is None else self.process.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class RecordedTask(NodeRecord):
    """How a task of a recorded run went, or goes.

    Attributes:
        node: its index in the graph.
        log: the last lines that it logged.
    """

    node: int = -1
    log: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Gives it as JSON can hold it."""
        told = NodeRecord.to_dict(self)  # a dataclass with slots has no `super()`
        return {**told, "log": list(self.log)} if self.log else told


RUN_COLUMNS = "id, pipeline, file, state, started, seconds, tasks, counts, reason, inputs, about, process, seen"
TASK_COLUMNS = "node, name, state, started, seconds, rows, reason, ended, turns, groups, more"


def run_of(row: tuple[Any, ...], now: datetime) -> RecordedRun:
    """Gives the run of a row of `RUN_COLUMNS`; of one that has not ended, whether its process is still there.

    Args:
        row: the row.
        now: the wall clock.
    """
    run_id, pipeline, file, state, started, seconds, tasks, counts, reason, inputs, about, process, seen = row
    began, signed = _time(started), _time(seen)
    process = _process(process)
    if state == "running":
        unseen = (now - signed).total_seconds()
        gone = process.is_gone(unseen)
        state = "killed" if gone else "running"
        seconds = max(0.0, ((signed if gone else now) - began).total_seconds())  # the clock may have been set back
    counted = cast("Mapping[NodeState, int]", _parsed(counts))
    told = _parsed(inputs), _parsed(about)
    return RecordedRun(run_id, pipeline, file, state, began, seconds, tasks, counted, reason, *told, process)


@lru_cache(maxsize=1_024)  # runs of one process and one version have most of it in common
def _parsed(text: str) -> Mapping[str, Any]:
    return MappingProxyType(loaded(text))


@lru_cache(maxsize=1_024)
def _process(text: str) -> Process:
    return Process(**loaded(text))


def task_of(row: tuple[Any, ...]) -> RecordedTask:
    """Gives the task of a row of `TASK_COLUMNS`."""
    node, name, state, started, seconds, rows, reason, ended, turns, groups, more = row
    told: dict[str, Any] = loaded(more) if more else {}
    return RecordedTask(
        name,
        state,
        started,
        seconds,
        rows,
        reason,
        ended,
        turns,
        groups=tuple(loaded(groups)) if groups else (),
        attempts=tuple(_attempt(one) for one in told.get("attempts", ())),
        measures=_measures(told["measures"]) if "measures" in told else None,
        failed_turns=tuple(FailedTurn(tuple(items), error) for items, error in told.get("failed_turns", ())),
        cached=told.get("cached", 0),
        resumed=told.get("resumed", 0),
        columns=tuple((name, kind) for name, kind in told.get("columns", ())) or None,
        node=node,
        log=tuple(told.get("log", ())),
    )


def _attempt(told: Mapping[str, Any]) -> Attempt:
    return Attempt(told["started"], told["seconds"], told["error"], tuple(told["items"]))


def _measures(told: dict[str, Any]) -> Measures:
    return Measures(told["measured"], {name: Told(*metric) for name, metric in told["told"].items()})


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
