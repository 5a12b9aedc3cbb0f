"""What of a run is plain data: the values of a turn, what a loop leaves, how a node ended."""

from __future__ import annotations

from collections.abc import MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass

from glacier.errors import TaskError
from glacier.execution.agenda import WELL, Ended
from glacier.execution.measures import Measures
from glacier.execution.record import NodeState, Reuse
from glacier.nesting import Loop
from glacier.origins import Published

MISSING = object()
"""The value of a node that has not run."""

Values = MutableSequence[object] | MutableMapping[int, object]
"""The values of nodes by their index, in one turn of a scope; after those of the nodes, what each loop left."""


class TurnValues(dict[int, object]):
    """The values of one turn of a loop, with those that it captures; of others there are none."""

    def __missing__(self, key: int) -> object:
        return MISSING


@dataclass(frozen=True, slots=True)
class Left:
    """What a loop leaves.

    Attributes:
        outcomes: for each variable's `Outcome` node, what each turn that ended well left it as.
        lacking: for those that have no value, why.
    """

    outcomes: dict[int, list[object]]
    lacking: dict[int, str]


@dataclass(slots=True)
class Done:
    """How one node ended.

    Attributes:
        began: the clock when it started, as `perf_counter` has it.
        closed: whether it is a check that returned False.
        truth: of its value, where it is the condition of a branch.
        skipped: why it gives no value after all: the branch it selects from has none.
        reuse: where its value was kept, if nothing was done for it; None where it was.
        measures: what was measured of it, if anything.
        published: what it wrote to buckets, where that is told.
        columns: of the DataFrame that it gave, with their dtypes.
    """

    index: int
    began: float
    seconds: float
    rows: int | None = None
    closed: bool = False
    truth: bool | None = None
    skipped: str | None = None
    error: TaskError | None = None
    measures: Measures | None = None
    reuse: Reuse | None = None
    published: Sequence[Published] = ()
    columns: tuple[tuple[str, str], ...] | None = None

    @property
    def ended(self) -> Ended:
        """How it ended, for what waits for it."""
        if self.error is None and not self.closed and self.truth is None and self.skipped is None:
            return WELL
        state: NodeState = "failed" if self.error else "skipped" if self.skipped else "succeeded"
        return Ended(state, self.closed, self.truth, reason=self.skipped or "")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a loop.

    Attributes:
        path: the item's name and number for each loop around, outermost first: what an error tells.
        before: the values of the turn before.
    """

    loop: Loop
    path: tuple[tuple[str, int], ...]
    before: Values | None
