"""What every view of a run tells: counts of nodes, a line of sums, names in a column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from glacier.execution.memory import resident_reader
from glacier.execution.record import NodeRecord, NodeState, RunRecord
from glacier.report.fitting import columns, counted, padded, shortened

if TYPE_CHECKING:
    from glacier.graph import Graph

MOST_LINES = 200
"""A run of more nodes than these is told by sums, not by a line for each."""
MOST_FAILURES = 20
NAME = 40  # columns
_MOST_LEVELLED = 5_000
"""Nodes of a graph whose levels are worth the time to find."""
MARKS: dict[NodeState, tuple[str, str]] = {
    "succeeded": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "yellow"),
    "cancelled": ("-", "dim"),
    "waiting": (" ", "dim"),
    "running": (" ", "cyan"),
}


@dataclass
class Tally:
    """The counts of a run so far, hidden nodes left out. Its owner holds a lock where threads may meet."""

    graph: Graph
    visible: list[bool]
    total: int
    rows: int = 0
    states: Counter[NodeState] = field(default_factory=Counter[NodeState])
    _resident: Callable[[], int] | None = field(default_factory=resident_reader)

    @classmethod
    def of(cls, graph: Graph) -> Tally:
        """Gives the counts of a run that begins."""
        visible = [not node.hidden for node in graph.nodes]
        return cls(graph, visible, sum(visible))

    @property
    def done(self) -> int:
        """How many nodes have ended."""
        return self.states.total()

    def take(self, record: NodeRecord) -> None:
        """Counts a node that ended."""
        self.states[record.state] += 1
        self.rows += record.rows or 0

    def level(self, running: Iterable[int]) -> str:
        """Gives how deep in the graph the run is, "level 2 of 5"; nothing of a graph too large to be asked."""
        if self.total > _MOST_LEVELLED:
            return ""
        depths = self.graph.depths
        at = max((depths[index] for index in running), default=None)
        return "" if at is None else f"level {at + 1:,} of {self.levels:,}"

    @cached_property
    def levels(self) -> int:
        """How many levels the graph has."""
        return max((self.graph.depths[node.index] for node in self.graph.nodes if not node.hidden), default=0) + 1

    def doing(self, running: Iterable[int]) -> Iterator[str]:
        """Gives what is worth telling beside the bar: level, rows so far, memory of the process."""
        if level := self.level(running):
            yield level
        if self.rows:
            yield counted(self.rows, "row")
        if self._resident is not None:
            yield f"{self._resident() / 2**20:,.0f} MiB"


def padded_name(name: str, width: int) -> str:
    """Gives a name in a column of that width."""
    return padded(shortened(name, width), width)


def name_columns(tally: Tally) -> int:
    """Gives how wide the names' column is: as the longest name, within limits."""
    names = [name for name, visible in zip(tally.graph.names, tally.visible, strict=True) if visible]
    return min(NAME, max(map(columns, names), default=0))


def reused(record: NodeRecord) -> str:
    """Gives how much of a node was taken from an earlier run: "cached", "2 of 3 resumed"; nothing for none.

    >>> reused(NodeRecord("load", "succeeded", turns=3, cached=2))
    '2 of 3 cached'
    """
    turns = 1 if record.turns is None else record.turns
    counts = ("cached", record.cached), ("resumed", record.resumed)
    return ", ".join(how if count == turns else f"{count:,} of {turns:,} {how}" for how, count in counts if count)


def summed_up(record: RunRecord) -> str:
    """Gives how a run went in one line."""
    counts = record.counts()
    seconds = f"{record.seconds:.1f} s" if record.seconds >= 1 else f"{record.seconds:.2f} s"
    if set(counts) <= {"succeeded"}:
        return f"{counted(len(record.nodes), 'task')} in {seconds}"
    told: tuple[NodeState, ...] = ("failed", "skipped", "cancelled", "waiting", "succeeded")
    return ", ".join(f"{counts[state]:,} {state}" for state in told if state in counts) + f" in {seconds}"
