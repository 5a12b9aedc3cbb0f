"""A part of a graph that is run by itself, after others have ended elsewhere or before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from glacier.execution.agenda import WELL, Ended
from glacier.execution.jobs import Job
from glacier.execution.performer import Performer
from glacier.execution.turns import MISSING
from glacier.graph import Graph
from glacier.trace import handles_in


@dataclass(frozen=True, slots=True)
class Earlier:
    """How a node, or a loop as a whole, ended.

    Attributes:
        ended: what it means for those that wait for it.
        value: what it gave; `MISSING` if it gave nothing, or nothing takes it any more.
        inner: of a loop, how those nodes in it ended that did not all end well.
    """

    ended: Ended = WELL
    value: object = MISSING
    inner: Mapping[int, Ended] = field(default_factory=dict[int, Ended])


Ends = Mapping[int, Earlier]
"""How nodes ended, by their index, and loops outside of every other, by their key; see `Nesting`."""


@dataclass(frozen=True)
class Part:
    """Which nodes of a graph to run.

    Attributes:
        nodes: their indices; of a loop either all or none.
        ended: all that these wait for and that is not among them, and the value where they take it. What is neither
            here nor among the nodes is left out of the run.
        leave: is given how the nodes ended, with the values that are taken outside of the part or are in the body's
            result, before the run gives up the files that frames may lie in. The run then returns what it gives, not
            the body's result.
    """

    nodes: frozenset[int]
    ended: Ends = field(default_factory=dict[int, Earlier])
    leave: Callable[[dict[int, Earlier]], object] | None = None

    def keys(self, graph: Graph) -> set[int]:
        """Gives what it holds outside of every loop: nodes by their index, loops by their key."""
        if not graph.loops:
            return set(self.nodes)
        found = (graph.nesting.key_in(index, None) for index in self.nodes)
        return {key for key in found if key is not None}

    def groups(self, groups: Sequence[Sequence[int]]) -> list[list[int]]:
        """Gives groups of nodes with those alone that it holds; a group of one is none."""
        held = [[index for index in group if index in self.nodes] for group in groups]
        return [group for group in held if len(group) > 1]

    def hand_in(self, outside: Job) -> None:
        """Puts the values of what has ended where those that take them look."""
        for index, earlier in self.ended.items():
            if earlier.value is not MISSING:
                outside.values[0][index] = earlier.value

    def left(self, outside: Job, performer: Performer) -> dict[int, Earlier]:
        """Gives how all that it holds ended, once its run is over."""
        agenda, values = outside.agenda, outside.values[0]
        taken = self._taken(outside.graph)
        found: dict[int, Earlier] = {}
        for key in sorted(self.keys(outside.graph)):
            number = outside.scope.place[key]
            ended = agenda.noted(number) or Ended(agenda.states[number])
            has_value = key in taken and ended.state == "succeeded" and values[key] is not MISSING
            value = performer.workplace.value(values[key]) if has_value else MISSING
            found[key] = Earlier(ended, value, agenda.inner(number))
        return found

    def _taken(self, graph: Graph) -> set[int]:
        others = (node for node in graph.nodes if node.index not in self.nodes)
        return {source for node in others for source in node.data} | set(handles_in(graph.result))
