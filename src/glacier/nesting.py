"""Loops over results, and which nodes of a graph lie in which: plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(eq=False)
class Loop:
    """A loop over a result: nodes that run once for each of its items.

    The nodes of a loop follow each other in body order. What one turn leaves to the next goes through `carried`.

    Attributes:
        index: its place among the loops of its graph.
        items: the node whose value it goes over.
        item: the node in the loop that stands for the item of a turn.
        within: the loop around it.
        carried: for each node that stands for a variable as a turn finds it, what the turn leaves it as.
        outcomes: for each node after the loop that stands for a variable, what the turns leave it as.
        first_only: whether it is left in its first turn.
    """

    index: int
    items: int
    item: int
    within: Loop | None
    carried: dict[int, object] = field(default_factory=dict[int, object])
    outcomes: dict[int, object] = field(default_factory=dict[int, object])
    first_only: bool = False

    def around(self) -> Iterator[Loop]:
        """Gives itself and the loops around it, innermost first."""
        loop: Loop | None = self
        while loop is not None:
            yield loop
            loop = loop.within


class Nesting:
    """The loops of a graph as a tree, with its nodes at the leaves.

    A member of a loop, or of what is outside of every loop, is a node or a loop. It has a key: a node's is its index, a
    loop's is its own index after those of all nodes.
    """

    def __init__(self, count: int, loops: Sequence[Loop], loop_of: Mapping[int, Loop]) -> None:
        """Takes how many nodes there are, the loops, and for each node in a loop the innermost one."""
        self._count = count
        self._loops = loops
        self._loop_of = loop_of
        self._members: dict[Loop | None, list[int]] = {None: []}
        for loop in loops:
            self._members[loop] = []
        seen: set[Loop] = set()
        for index in range(count):
            innermost = loop_of.get(index)
            for loop in innermost.around() if innermost else ():
                if loop not in seen:
                    seen.add(loop)
                    self._members[loop.within].append(self.key_of(loop))
            self._members[innermost].append(index)

    def members(self, scope: Loop | None) -> Sequence[int]:
        """Gives the keys of what lies directly in a loop, or outside of every loop, in body order."""
        return self._members[scope]

    def key_of(self, loop: Loop) -> int:
        """Gives the key of a loop."""
        return self._count + loop.index

    def loop(self, key: int) -> Loop | None:
        """Gives the loop of a key; None for that of a node."""
        return self._loops[key - self._count] if key >= self._count else None

    def key_in(self, index: int, scope: Loop | None) -> int | None:
        """Gives the key of the member of `scope` that node `index` is or lies in; None if it lies elsewhere."""
        inner: Loop | None = None
        at = self._loop_of.get(index)
        while at is not scope:
            if at is None:
                return None
            inner, at = at, at.within
        return index if inner is None else self.key_of(inner)

    def meeting(self, one: int, other: int) -> Loop | None:
        """Gives the innermost loop that two nodes both lie in; None where there is none."""
        first, second = self._loop_of.get(one), self._loop_of.get(other)
        around = set(first.around()) if first else set[Loop]()
        return next((loop for loop in (second.around() if second else ()) if loop in around), None)

    def edges(self, pairs: Iterable[tuple[int, int]]) -> dict[Loop | None, dict[int, dict[int, None]]]:
        """Gives, for each loop and outside of all, which of its members wait for which, by those that wait.

        Args:
            pairs: of nodes, the one waited for first.
        """
        waits: dict[Loop | None, dict[int, dict[int, None]]] = {scope: {} for scope in self._members}
        for source, target in pairs:
            scope = self.meeting(source, target)
            one, other = self.key_in(source, scope), self.key_in(target, scope)
            if one is not None and other is not None and one != other:
                waits[scope].setdefault(other, {})[one] = None
        return waits
