"""What a run tells: the state of each node while it goes on, and the record of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from secrets import token_hex
from typing import Literal, Protocol

from glacier.execution.measures import Measures
from glacier.execution.secrets import Secrets
from glacier.graph import Graph
from glacier.origins import Published

NodeState = Literal["waiting", "running", "succeeded", "failed", "skipped", "cancelled"]
RunState = Literal["succeeded", "failed", "cancelled"]
Reuse = Literal["cached", "resumed"]
"""Where a value is from that nothing was done for: the cache, or the run that was resumed."""


def run_id_at(started: datetime) -> str:
    """Gives a new id of a run: its start in UTC, to the microsecond, then 32 random bits. Ids sort as their starts do.

    >>> from datetime import datetime, timezone
    >>> run_id_at(datetime(2024, 5, 17, 10, 11, 12, 345, timezone.utc))  # doctest: +ELLIPSIS
    '20240517-101112-000345-...'
    """
    return f"{started.astimezone(UTC):%Y%m%d-%H%M%S-%f}-{token_hex(4)}"


@dataclass(frozen=True)
class RunStart:
    """A run that begins.

    Attributes:
        run_id: names the run; see `run_id_at`.
        started: the wall clock when it began, in UTC.
        graph: what is run.
    """

    run_id: str
    started: datetime
    graph: Graph

    @cached_property
    def secrets(self) -> Secrets:
        """The secrets that it may know."""
        return Secrets(self.graph)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a task that was tried more than once.

    Attributes:
        started: seconds since the run began.
        seconds: how long it took.
        error: what it failed with; None for the one that succeeded.
        items: for each loop over a result around the task, outermost first, the number of the item, from 0.
    """

    started: float
    seconds: float
    error: str | None = None
    items: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Gives it as JSON can hold it."""
        times = {"started": _rounded(self.started), "seconds": _rounded(self.seconds)}
        return {**times, "error": self.error, "items": list(self.items)}


@dataclass(frozen=True, slots=True)
class FailedTurn:
    """A turn of a loop over a result in which a task failed.

    Attributes:
        items: for each loop around the task, outermost first, the number of the item, from 0.
        error: what it failed with.
    """

    items: tuple[int, ...]
    error: str


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """How one node of a run went.

    Attributes:
        name: the node's unique name in the graph.
        state: how it ended; "cancelled" if the run stopped before it started; "waiting" and "running" before its end.
        started: seconds since the run began; None if it never started.
        ended: seconds since the run began when it, or the last of its turns, had ended.
        seconds: how long it took. A task that returns a LazyFrame only plans; the work is in the node that collects.
        rows: rows of the frame it returned or wrote, where that is known without extra work.
        reason: why it was skipped, or what it failed with.
        turns: in a loop over a result how many times it ran; its seconds and rows are then sums over these.
        groups: the names of the groups it is in (pipelines called in the body), outermost first.
        attempts: every try of it, if there was more than one; its seconds are then the sum, without the waits between.
            In a loop over a result those of the turns that were tried more than once.
        published: what it wrote to buckets, where the run is asked to tell that.
        measures: what `@observe` asked for, and what the task told by `context().metric(...)`; None without either.
        columns: of the DataFrame that it returned, each with its dtype; None for anything else, and in a loop.
        failed_turns: in a loop over a result the turns in which it failed, the first 100 of them.
        cached: how many times its value was taken from the cache: 0 or 1, in a loop over a result up to its turns.
        resumed: how many times nothing was done since the run that was resumed had finished it, counted likewise.
    """

    name: str
    state: NodeState
    started: float | None = None
    seconds: float | None = None
    rows: int | None = None
    reason: str | None = None
    ended: float | None = None
    turns: int | None = None
    groups: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    measures: Measures | None = None
    cached: int = 0
    resumed: int = 0
    failed_turns: tuple[FailedTurn, ...] = ()
    published: tuple[Published, ...] = ()
    columns: tuple[tuple[str, str], ...] | None = None

    @property
    def recalled(self) -> bool:
        """Whether nothing was done; in a loop over a result, whether that is so of every turn."""
        return 0 < self.cached + self.resumed == (1 if self.turns is None else self.turns)

    def to_dict(self) -> dict[str, object]:
        """Gives it as JSON can hold it: times in seconds, `metrics` as `get_metrics()` has them."""
        return {
            "name": self.name,
            "state": self.state,
            "started": _rounded(self.started),
            "ended": _rounded(self.ended),
            "seconds": _rounded(self.seconds),
            "rows": self.rows,
            "reason": self.reason,
            "turns": self.turns,
            "groups": list(self.groups),
            "attempts": [attempt.to_dict() for attempt in self.attempts],
            "failed_turns": [{"items": list(turn.items), "error": turn.error} for turn in self.failed_turns],
            "metrics": self.measures.shown() if self.measures else {},
            "recalled": self.recalled,
            "cached": self.cached,
            "resumed": self.resumed,
            "columns": None if self.columns is None else dict(self.columns),
        }


@dataclass(frozen=True)
class RunRecord:
    """How a run went.

    Attributes:
        run_id: names the run; see `run_id_at`.
        pipeline: its name.
        state: "failed" also where no task failed, but the result was skipped; "cancelled" if it was interrupted.
        started: the wall clock when it began, in UTC.
        seconds: how long it took, by a clock that nobody sets.
        nodes: how its nodes went, in body order.
        reason: why it did not succeed, in one line, without secrets.
    """

    run_id: str
    pipeline: str
    state: RunState
    started: datetime
    seconds: float
    nodes: tuple[NodeRecord, ...]
    reason: str | None = None

    def counts(self) -> Mapping[NodeState, int]:
        """Gives how many nodes ended in each state that occurs."""
        counts: dict[NodeState, int] = {}
        for node in self.nodes:
            counts[node.state] = counts.get(node.state, 0) + 1
        return counts


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


class Observer(Protocol):
    """Who is told as a run goes on. Called from worker threads: for one node in turn, for several nodes at once."""

    def run_started(self, run: RunStart) -> None:
        """The run begins; no node has started."""

    def node_started(self, index: int) -> None:
        """Node `index` of the graph starts."""

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        """A turn of node `index`, which is in a loop over a result, ended.

        Args:
            index: the node.
            ended: how many have ended so far.
            turns: how many there are; None in a loop in another one, where that is not known.
        """

    def node_ended(self, index: int, record: NodeRecord) -> None:
        """Node `index` ended, was skipped, or was cancelled; one in a loop, in its last turn."""

    def run_ended(self, record: RunRecord) -> None:
        """The run is over, well or not; also called when it is interrupted."""


class Observers:
    """Several observers that are told the same, one after another."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def run_started(self, run: RunStart) -> None:
        """Tells each."""
        for observer in self._observers:
            observer.run_started(run)

    def node_started(self, index: int) -> None:
        """Tells each."""
        for observer in self._observers:
            observer.node_started(index)

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        """Tells each."""
        for observer in self._observers:
            observer.turn_ended(index, ended, turns)

    def node_ended(self, index: int, record: NodeRecord) -> None:
        """Tells each."""
        for observer in self._observers:
            observer.node_ended(index, record)

    def run_ended(self, record: RunRecord) -> None:
        """Tells each, also if one of them raises."""
        with ExitStack() as stack:
            for observer in reversed(self._observers):
                stack.callback(observer.run_ended, record)


class Recorder:
    """Keeps the record of a run, and passes on what it is told to who shows it.

    Attributes:
        record: the run's record once it is over.

    >>> from glacier import pipeline, task
    >>> @task
    ... def one() -> int:
    ...     return 1
    >>> recorder = Recorder()
    >>> pipeline(lambda: one()).run(progress=recorder)
    1
    >>> [(node.name, node.state) for node in recorder.record.nodes]
    [('one', 'succeeded')]
    """

    def __init__(self, shown: Observer | None = None) -> None:
        self.record: RunRecord | None = None
        self._shown = shown

    def run_started(self, run: RunStart) -> None:
        """Passes it on."""
        if self._shown:
            self._shown.run_started(run)

    def node_started(self, index: int) -> None:
        """Passes it on."""
        if self._shown:
            self._shown.node_started(index)

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        """Passes it on."""
        if self._shown:
            self._shown.turn_ended(index, ended, turns)

    def node_ended(self, index: int, record: NodeRecord) -> None:
        """Passes it on."""
        if self._shown:
            self._shown.node_ended(index, record)

    def run_ended(self, record: RunRecord) -> None:
        """Keeps the record, and passes it on."""
        self.record = record
        if self._shown:
            self._shown.run_ended(record)
