"""How the nodes of a run went so far: each node's end, and sums over the turns of a loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from traceback import clear_frames

from glacier.errors import TaskError
from glacier.execution.jobs import Job
from glacier.execution.measures import Measures
from glacier.execution.record import Attempt, FailedTurn, NodeRecord, NodeState, Reuse
from glacier.execution.turns import Done
from glacier.graph import Graph
from glacier.origins import Published

_FAILURES_TOLD = 100
"""Turns of a loop that a record names, of those in which a node failed."""
_FRAMES_KEPT = 10
"""Of so many failures the frames keep their variables, for a debugger; those of more would fill the memory."""


@dataclass(slots=True)
class _Turns:
    """What the turns of one node of a loop came to."""

    expected: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    began: float | None = None
    over: float | None = None
    seconds: float = 0.0
    rows: int | None = None
    reason: str | None = None
    reused: Counter[Reuse] = field(default_factory=Counter[Reuse])
    failures: list[FailedTurn] = field(default_factory=list[FailedTurn])

    @property
    def state(self) -> NodeState:
        if self.failed:
            return "failed"
        if self.succeeded:
            return "succeeded" if self.succeeded + self.skipped >= self.expected else "cancelled"
        return "skipped" if self.skipped else "cancelled"


class Tallies:
    """How every node went. Changed under the lock of the run only.

    Attributes:
        failures: what failed, with the node it stands for, in the order of time.
        measures: what was measured of nodes, where anything was.
        published: what nodes wrote to buckets, where that is told.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._done: dict[int, Done] = {}
        self._turns: dict[int, _Turns] = {}
        self._attempts: dict[int, list[Attempt]] = {}
        self.failures: list[tuple[int, TaskError]] = []
        self.measures: dict[int, Measures] = {}
        self.published: dict[int, list[Published]] = {}

    def tried(self, index: int, attempts: Sequence[Attempt]) -> None:
        """Takes the tries of a call of a node, if there was more than one."""
        self._attempts.setdefault(index, []).extend(attempts)

    def note(self, job: Job, done: Done, attempts: Sequence[Attempt] = ()) -> None:
        """Takes how a node of a job ended, and its tries if there was more than one."""
        if attempts:
            self.tried(done.index, attempts)
        if done.error is not None:
            self.failures.append((done.index, done.error))
            if len(self.failures) > _FRAMES_KEPT and done.error.__cause__ is not None:
                clear_frames(done.error.__cause__.__traceback__)
        if done.published:
            self.published.setdefault(done.index, []).extend(done.published)
        if done.measures is not None:
            before = self.measures.get(done.index)
            self.measures[done.index] = before.joined(done.measures) if before else done.measures
        if not job.path:
            self._done[done.index] = done
            return
        turns = self._of(done.index)
        if done.skipped:
            turns.skipped += 1
            turns.reason = turns.reason or done.skipped
            return
        began = done.began - (attempts[-1].started - attempts[0].started if attempts else 0.0)
        turns.began = began if turns.began is None else min(turns.began, began)
        turns.over = max(turns.over or 0.0, done.began + done.seconds)
        turns.seconds += sum(attempt.seconds for attempt in attempts) if attempts else done.seconds
        if done.error is not None:
            turns.failed += 1
            if len(turns.failures) < _FAILURES_TOLD:
                turns.failures.append(FailedTurn(done.error.items, done.error.reason))
            turns.reason = done.error.reason if turns.failed == 1 else turns.reason
            return
        turns.succeeded += 1
        if done.reuse is not None:
            turns.reused[done.reuse] += 1
        if done.rows is not None:
            turns.rows = done.rows + (turns.rows or 0)

    def expect(self, job: Job) -> None:
        """Takes that the nodes of a loop are to run in so many turns more."""
        for key in job.scope.keys:
            if key < len(self._graph.nodes):
                self._of(key).expected += len(job.values)

    def ended(self, index: int) -> int:
        """Gives how many turns of a node in a loop have ended."""
        turns = self._of(index)
        return turns.succeeded + turns.failed + turns.skipped

    def skip(self, index: int, reason: str) -> None:
        """Takes that a node was skipped, in a turn of a loop or as long as the loop has none."""
        if index in self._graph.loop_of:
            turns = self._of(index)
            turns.skipped += 1
            turns.reason = turns.reason or reason

    def of_node(self, index: int, state: NodeState, reason: str | None, begun: float) -> NodeRecord:
        """Gives the record of a node outside of every loop.

        Args:
            index: the node.
            state: its state.
            reason: why it was skipped.
            begun: the clock when the run began.
        """
        name, done, groups = self._graph.names[index], self._done.get(index), self._graph.path(index)
        attempts = tuple(self._attempts.get(index, ()))
        if done is None:
            return NodeRecord(name, state, reason=reason, groups=groups, attempts=attempts)
        if done.error is not None:
            reason = done.error.reason
        started, seconds = done.began - begun, done.seconds
        ended = started + seconds
        if attempts:
            started, seconds = attempts[0].started, sum(attempt.seconds for attempt in attempts)
        measures, published = self.measures.get(index), tuple(self.published.get(index, ()))
        record = NodeRecord(
            name,
            state,
            started,
            seconds,
            done.rows,
            reason,
            ended,
            None,
            groups,
            attempts,
            measures,
            published=published,
            columns=done.columns,
        )
        return _with_reuse(record, {done.reuse: 1}) if done.reuse is not None else record

    def of_turns(self, index: int, begun: float) -> NodeRecord:
        """Gives the record of a node in a loop, over all its turns."""
        turns = self._turns.get(index, _Turns())
        started = None if turns.began is None else turns.began - begun
        ran = turns.succeeded + turns.failed
        seconds = turns.seconds if ran else None
        reason = turns.reason if turns.state != "succeeded" else None
        if turns.failed and reason is not None and ran > 1:
            reason = f"{turns.failed:,} of {ran:,} turns failed, one with {reason}"
        name, groups = self._graph.names[index], self._graph.path(index)
        over = None if turns.over is None else turns.over - begun
        attempts = tuple(self._attempts.get(index, ()))
        measures, published = self.measures.get(index), tuple(self.published.get(index, ()))
        rows = turns.rows
        record = NodeRecord(
            name,
            turns.state,
            started,
            seconds,
            rows,
            reason,
            over,
            ran,
            groups,
            attempts,
            measures,
            published=published,
        )
        if turns.failures:
            record = replace(record, failed_turns=tuple(turns.failures))
        return _with_reuse(record, turns.reused) if turns.reused else record

    def _of(self, index: int) -> _Turns:
        return self._turns.setdefault(index, _Turns())


def _with_reuse(record: NodeRecord, counts: Mapping[Reuse, int]) -> NodeRecord:
    return replace(record, cached=counts.get("cached", 0), resumed=counts.get("resumed", 0))
