"""Which nodes of a graph are ready, and what is skipped: bookkeeping without threads, clocks or values."""

from __future__ import annotations

from collections.abc import Sequence

from glacier.execution.record import NodeState
from glacier.graph import Edge, Graph
from glacier.work import Select


class Agenda:
    """What is left of a run. A unit is what starts together: one node, or several writes that share their scan.

    Attributes:
        states: how far each node is.
        reasons: why a node was skipped.
        left: how many nodes have not ended.
    """

    def __init__(self, graph: Graph, together: Sequence[Sequence[int]] = ()) -> None:
        """Takes the graph and the groups of nodes that start only when all of them can."""
        self.graph = graph
        count = len(graph.nodes)
        self.states: list[NodeState] = ["waiting"] * count
        self.reasons: dict[int, str] = {}
        self.left = count
        self._waiting = [0] * count
        self._downstream: list[list[int]] = [[] for _ in range(count)]
        for node in graph.nodes:
            for source in graph.upstream(node.index):
                self._downstream[source].append(node.index)
                self._waiting[node.index] += 1
        self._group_of = {index: number for number, members in enumerate(together) for index in members}
        self._missing = [len(members) for members in together]
        self._gathered: list[list[int]] = [[] for _ in together]
        self._blocked: dict[int, str] = {}
        self._untaken: set[int] = set()

    def first(self) -> list[list[int]]:
        """Gives the units that wait for nothing."""
        units: list[list[int]] = []
        for index, count in enumerate(self._waiting):
            if not count:
                units.extend(self._unit(index))
        return units

    def ended(
        self, index: int, state: NodeState, *, closed: bool = False, truth: bool | None = None
    ) -> tuple[list[list[int]], list[int]]:
        """Notes that a node ended, and gives the units now ready and the nodes now skipped.

        Args:
            index: the node.
            state: how it ended.
            closed: whether it is a check that returned False.
            truth: of the value of a branch's condition.
        """
        ready: list[list[int]] = []
        skipped: list[int] = []
        ending: list[tuple[int, NodeState, bool]] = [(index, state, closed)]
        while ending:
            index, state, closed = ending.pop()
            self.states[index] = state
            self.left -= 1
            if closed or truth is not None or state != "succeeded":
                self._block_after(index, state, closed=closed, truth=truth)
                truth = None
            for target in self._downstream[index]:
                self._waiting[target] -= 1
                if self._waiting[target]:
                    continue
                if target in self._blocked:
                    self.reasons[target] = self._blocked[target]
                    skipped.append(target)
                    ending.append((target, "skipped", False))
                    ready.extend(self._without(target))
                else:
                    ready.extend(self._unit(target))
        return ready, skipped

    def cancel(self) -> list[int]:
        """Marks all that has not started as cancelled, and gives it."""
        cancelled = [index for index, state in enumerate(self.states) if state == "waiting"]
        for index in cancelled:
            self.states[index] = "cancelled"
        self.left -= len(cancelled)
        return cancelled

    def _unit(self, index: int) -> list[list[int]]:
        group = self._group_of.get(index)
        if group is None:
            return [[index]]
        self._gathered[group].append(index)
        return self._less_one(group)

    def _without(self, index: int) -> list[list[int]]:
        group = self._group_of.get(index)
        return [] if group is None else self._less_one(group)

    def _less_one(self, group: int) -> list[list[int]]:
        self._missing[group] -= 1
        complete = not self._missing[group] and self._gathered[group]
        return [sorted(self._gathered[group])] if complete else []

    def _block_after(self, index: int, state: NodeState, *, closed: bool, truth: bool | None) -> None:
        """Notes which nodes must not run after `index` ended so; the first reason stays."""
        reason = self._reason(index, state, closed=closed)
        for target in self._downstream[index]:
            edges = [edge for edge in self.graph.ordering.get(target, ()) if edge.source == index]
            if any(edge.wanted is not None and edge.wanted is not truth for edge in edges):
                self._untaken.add(target)
                decided = f"the branch that `{self._condition(index)}` decides went the other way"
                self._blocked.setdefault(target, reason if truth is None else decided)
            elif self._takes(target, index, state) or any(self._stops(edge, state, closed=closed) for edge in edges):
                self._blocked.setdefault(target, reason)
                if index in self._untaken:
                    self._untaken.add(target)

    def _takes(self, target: int, index: int, state: NodeState) -> bool:
        """Whether `target` lacks a value it takes; what a branch selects from may lack one side."""
        if state == "succeeded" or index not in self.graph.nodes[target].data:
            return False
        return state == "failed" or not isinstance(self.graph.nodes[target].work, Select)

    def _stops(self, edge: Edge, state: NodeState, *, closed: bool) -> bool:
        if state == "skipped":
            return edge.needed and edge.source not in self._untaken
        return state == "failed" or (edge.gate and closed)

    def _reason(self, index: int, state: NodeState, *, closed: bool) -> str:
        name = self.graph.names[index]
        if closed:
            return f"`{name}` returned False"
        return f"`{name}` failed" if state == "failed" else self.reasons.get(index, f"`{name}` did not run")

    def _condition(self, index: int) -> str:
        """Gives the name of what decides a branch: the visible nodes whose values its condition is made from."""
        return "` and `".join(self.graph.names[source] for source in self.graph.shown(index))
