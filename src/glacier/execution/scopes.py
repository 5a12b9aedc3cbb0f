"""What runs together: the nodes outside of every loop once, those of a loop once for each item."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from glacier.graph import Graph, Node
from glacier.nesting import Loop
from glacier.trace import Handle, handles_in
from glacier.work import Carried, Growth, Item, Outcome


@dataclass
class Scope:
    """The members of a loop, or of what is outside of every loop: nodes and loops, by their place in body order.

    What stands for an item, or for a container that each turn starts anew, is no member: a turn begins with its value.

    Attributes:
        loop: the loop; None for what is outside of every loop.
        keys: for each member the index of a node, or the key of a loop.
        place: the place of each key.
        waiting: how many members each waits for in the same turn.
        downstream: the members of the same turn that wait for each.
        waiting_across: how many members of the turn before each waits for.
        across: the members of the next turn that wait for each.
        gates_across: for each member the checks that close it when they returned False in any turn before.
        takers: for each node whose value is taken here, how many take it: members, and the turn's end.
        captured: the nodes outside of the loop whose values it takes.
        fresh: the nodes that stand for a container which each turn starts anew, and its type.
        added: for the variables that every turn makes longer in the same way, the nodes that do so. They are no
            members: what they add is worked out at the loop's end.
        inner: the loops among the members, by place.
    """

    loop: Loop | None
    keys: Sequence[int]
    place: Mapping[int, int] | Sequence[int]
    waiting: list[int]
    downstream: list[list[int]]
    waiting_across: list[int]
    across: list[list[int]]
    gates_across: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    takers: dict[int, int] = field(default_factory=dict[int, int])
    captured: set[int] = field(default_factory=set[int])
    fresh: dict[int, type] = field(default_factory=dict[int, type])
    added: dict[int, list[Node]] = field(default_factory=dict[int, list[Node]])
    inner: dict[int, Scope] = field(default_factory=dict[int, "Scope"])

    @classmethod
    def of(cls, keys: Sequence[int], loop: Loop | None = None) -> Scope:
        """Gives a scope of members that wait for nothing yet."""
        count = len(keys)
        whole = isinstance(keys, range)
        place = keys if whole else {key: at for at, key in enumerate(keys)}
        return cls(loop, keys, place, [0] * count, [[] for _ in keys], [0] * count, [[] for _ in keys])

    def wait(self, source: int, target: int) -> None:
        """Notes that the member `target` waits for `source`, both by their places."""
        self.downstream[source].append(target)
        self.waiting[target] += 1

    def wait_across(self, source: int, target: int) -> None:
        """Notes that the member `target` waits for `source` of the turn before."""
        if target not in self.across[source]:
            self.across[source].append(target)
            self.waiting_across[target] += 1


def scopes_of(graph: Graph) -> Scope:
    """Gives what is outside of every loop, with the loops in it."""
    if graph.loops:
        return _Scopes(graph).made()
    scope = Scope.of(range(len(graph.nodes)))
    takers: defaultdict[int, int] = defaultdict(int)
    for node in graph.nodes:
        for source in graph.upstream(node.index):
            scope.wait(source, node.index)
        for source in node.data:
            takers[source] += 1
    for index in set(handles_in(graph.result)):
        takers[index] += 1
    scope.takers = takers
    return scope


class _Scopes:
    """Makes the scopes of a graph with loops."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nesting = graph.nesting
        self.scopes: dict[Loop | None, Scope] = {}
        self.taken = {source for node in graph.nodes for source in node.data}
        self.added = dict(found for loop in graph.loops for found in self._added(loop))
        self.adding = {node.index for nodes in self.added.values() for node in nodes}
        for scope in (None, *graph.loops):
            keys = [key for key in self.nesting.members(scope) if not self._is_given(key, scope)]
            self.scopes[scope] = Scope.of(keys, scope)

    def made(self) -> Scope:
        for loop in self.graph.loops:
            around = self.scopes[loop.within]
            around.inner[around.place[self.nesting.key_of(loop)]] = self.scopes[loop]
        pairs = ((source, node.index) for node in self.graph.nodes for source in self.graph.upstream(node.index))
        for around_them, waits in self.nesting.edges(pairs).items():
            scope = self.scopes[around_them]
            places: Mapping[int, int] = dict(zip(scope.keys, range(len(scope.keys)), strict=True))
            for target, sources in waits.items():
                for source in sources:
                    if source in places and target in places:
                        scope.wait(places[source], places[target])
        self._add_across()
        self._add_takers()
        return self.scopes[None]

    def _is_given(self, key: int, loop: Loop | None) -> bool:
        """Whether a turn begins with the value of a node, or nothing takes it."""
        if loop is None or key >= len(self.graph.nodes):
            return False
        work = self.graph.nodes[key].work
        started_anew = isinstance(work, Carried) and (work.container is not None or key not in self.taken)
        return isinstance(work, Item) or started_anew or key in self.adding

    def _added(self, loop: Loop) -> Iterator[tuple[int, list[Node]]]:
        """Gives the variables that every turn makes longer, by their `Outcome`, with the nodes that do so in order."""
        for index, left in loop.outcomes.items():
            work, nodes = self.graph.nodes[index].work, list[Node]()
            at = left.glacier_node if isinstance(left, Handle) else None
            while at is not None and isinstance(at.work, Growth) and self._in_every_turn(at, loop):
                nodes.insert(0, at)
                at = at.args[0].glacier_node if isinstance(at.args[0], Handle) else None
            whole = at is not None and isinstance(at.work, Carried) and self.graph.loop_of[at.index] is loop
            if nodes and whole and isinstance(work, Outcome) and work.container is not None:
                yield index, nodes

    def _in_every_turn(self, node: Node, loop: Loop) -> bool:
        conditions = (edge.source for edge in self.graph.ordering.get(node.index, ()) if edge.wanted is not None)
        return all(self.nesting.key_in(index, loop) is None for index in conditions)

    def _add_across(self) -> None:
        for edges in self.graph.across.values():
            for edge in edges:
                loop = self.graph.loops[edge.loop or 0]
                source, target = self._place(edge.source, loop), self._place(edge.target, loop)
                self.scopes[loop].wait_across(source, target)
                if edge.gate:
                    self.scopes[loop].gates_across.setdefault(target, []).append(edge.source)
        for loop in self.graph.loops:
            for index, left in loop.carried.items():
                for source in self._inside(handles_in(left), loop):
                    self.scopes[loop].wait_across(self._place(source, loop), self._place(index, loop))

    def _place(self, index: int, loop: Loop) -> int:
        key = self.nesting.key_in(index, loop)
        assert key is not None, "an edge across the turns of a loop leaves the loop"
        return self.scopes[loop].place[key]

    def _inside(self, indexes: Iterator[int], loop: Loop) -> list[int]:
        """Gives those nodes that are members of a loop."""
        place = self.scopes[loop].place
        return [index for index in dict.fromkeys(indexes) if index in place]

    def _add_takers(self) -> None:
        for index, loop in self.graph.loop_of.items():
            work = self.graph.nodes[index].work
            if isinstance(work, Carried) and work.container is not None:
                self.scopes[loop].fresh[index] = work.container
        for loop in self.graph.loops:
            self.scopes[loop.within].takers[self.nesting.key_of(loop)] = len(loop.outcomes)
        for index, nodes in self.added.items():
            self.scopes[self.graph.loop_of[nodes[0].index]].added[index] = nodes
        for node in self.graph.nodes:
            home = self.graph.loop_of.get(node.index)
            for source in dict.fromkeys([*node.data, *self._left_to(node, home)]):
                self._take(source, home)
        for loop in self.graph.loops:
            for index, left in loop.outcomes.items():
                for source in dict.fromkeys(handles_in(left)):
                    if self.nesting.key_in(source, loop) is None:  # what a variable is left as comes from outside
                        self._take(source, loop)
                work = self.graph.nodes[index].work
                if isinstance(work, Outcome) and work.container is not None:
                    for source in self._inside(handles_in(left), loop):
                        self._count(self.scopes[loop], source)
        for index in set(handles_in(self.graph.result)):
            self._count(self.scopes[None], index)

    def _left_to(self, node: Node, home: Loop | None) -> Iterator[int]:
        return handles_in(home.carried.get(node.index) if home else None)

    def _take(self, source: int, home: Loop | None) -> None:
        """Notes that a node of `home` takes the value of `source`; loops on the way capture it."""
        origin = self.graph.loop_of.get(source)
        if origin is not None and (home is None or origin not in home.around()):
            return  # what turns leave is told by the loop's outcomes
        at = home
        while at is not origin:
            assert at is not None, "a node takes a value from a loop that it does not lie in"
            scope = self.scopes[at]
            if source in scope.captured:
                return
            scope.captured.add(source)
            at = at.within
        self._count(self.scopes[origin], source)

    def _count(self, scope: Scope, source: int) -> None:
        scope.takers[source] = scope.takers.get(source, 0) + 1
