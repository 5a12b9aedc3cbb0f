"""Which nodes of a scope are ready, and what is skipped: bookkeeping without threads, clocks or values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from glacier.execution.record import NodeState
from glacier.execution.scopes import Scope
from glacier.graph import Edge, Graph
from glacier.work import Outcome, Select


@dataclass(frozen=True, slots=True)
class Ended:
    """How a node ended, for what waits for it.

    Attributes:
        closed: whether it is a check that returned False.
        truth: of the value of a branch's condition.
        untaken: whether it was skipped because a branch went the other way.
        after_failure: whether it was skipped because something failed.
        reason: why it was skipped, or what it means for others that it failed or returned False.
    """

    state: NodeState
    closed: bool = False
    truth: bool | None = None
    untaken: bool = False
    after_failure: bool = False
    reason: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether it failed, or could not run because something failed."""
        return self.state == "failed" or self.after_failure


WELL = Ended("succeeded")


@dataclass(frozen=True, slots=True)
class Block:
    """Why a node must not run: because a branch went the other way, something failed, or a check closed."""

    reason: str
    untaken: bool = False
    after_failure: bool = False

    @property
    def ended(self) -> Ended:
        """How a node ends that is blocked so."""
        return Ended("skipped", untaken=self.untaken, after_failure=self.after_failure, reason=self.reason)


class Agenda:
    """What is left of the turns of a scope; what is outside of every loop has one turn.

    A member of a turn has a number: its place, and the count of members for each turn before. A unit is what starts
    together: one member, or several writes that share their scan.

    Attributes:
        states: how far each member of each turn is.
        reasons: why a member was skipped.
        left: how many have not ended.
    """

    def __init__(
        self,
        graph: Graph,
        scope: Scope,
        *,
        turns: int = 1,
        together: Sequence[Sequence[int]] = (),
        blocked: Mapping[int, Block] | None = None,
        before: Mapping[int, tuple[Ended, Mapping[int, Ended]]] | None = None,
        left_out: Set[int] = frozenset(),
    ) -> None:
        """Takes what is left to do.

        Args:
            graph: the graph.
            scope: the loop, or what is outside of every loop.
            turns: how many times its members run.
            together: groups of nodes that start only when all of them can.
            blocked: the members that must not run in any turn.
            before: how members ended that have ended already, and for a loop how nodes in it did.
            left_out: the members that are not to run, and do not end.
        """
        self.graph = graph
        self.scope = scope
        self.width = len(scope.keys)
        count = self.width * turns
        self.states: list[NodeState] = ["waiting"] * count
        self.reasons: dict[int, str] = {}
        self.left = count
        self._waiting = scope.waiting * turns
        for place, more in enumerate(scope.waiting_across):
            if more:
                for number in range(place + self.width, count, self.width):
                    self._waiting[number] += more
        self._group_of = {index: number for number, members in enumerate(together) for index in members}
        self._missing = [len(members) for members in together]
        self._gathered: list[list[int]] = [[] for _ in together]
        self._blocked: dict[int, Block] = {}
        for place, block in (blocked or {}).items():
            self._blocked.update(dict.fromkeys(range(place, count, self.width), block))
        self._endings: dict[int, Ended] = {}
        self._inner: dict[int, Mapping[int, Ended]] = {}
        self._closed: dict[int, int] = {}
        self._before = before or {}
        self._elsewhere = left_out | self._before.keys()

    def start(self) -> tuple[list[list[int]], list[int]]:
        """Gives the units that wait for nothing, and what is skipped at once."""
        ready: list[list[int]] = []
        ending: list[int] = []
        for number, count in enumerate(self._waiting):
            if count or number in self._elsewhere:
                continue
            if number in self._blocked:
                ending.append(number)
            else:
                ready.extend(self._unit(number))
        self._inner.update((number, inner) for number, (_, inner) in self._before.items() if inner)
        before = [(number, ended) for number, (ended, _) in self._before.items()]
        more, skipped = self._ended([*before, *((number, self._skipped(number)) for number in ending)])
        return [*ready, *more], [*ending, *skipped]

    def ended(self, number: int, ended: Ended) -> tuple[list[list[int]], list[int]]:
        """Notes that a node ended, and gives the units now ready and the numbers now skipped."""
        return self._ended([(number, ended)])

    def loop_ended(
        self, number: int, state: NodeState, nodes: Mapping[int, Ended]
    ) -> tuple[list[list[int]], list[int]]:
        """Notes that a loop ended: `nodes` tells how those nodes in it ended that did not all succeed."""
        self._inner[number] = nodes
        return self._ended([(number, Ended(state))])

    def how(self, index: int, turn: int) -> Ended | None:
        """Gives how node `index`, in this scope or in a loop in it, ended in a turn; None if it lies elsewhere."""
        key = self.graph.nesting.key_in(index, self.scope.loop) if self.graph.loops else index
        if key is None:
            return None
        place = _place(self.scope, key)
        if place is None:
            return WELL
        number = turn * self.width + place
        return self._endings.get(number) or self._inner.get(number, {}).get(index, WELL)

    def noted(self, number: int) -> Ended | None:
        """Gives how a member ended, where that matters to others."""
        return self._endings.get(number)

    def inner(self, number: int) -> Mapping[int, Ended]:
        """Gives how those nodes in a loop ended that did not all end well."""
        return self._inner.get(number, {})

    def closed_before(self, check: int, turn: int) -> Block | None:
        """Gives the block of a check that returned False in an earlier turn."""
        return _closed(self.graph.names[check]) if self._closed.get(check, turn) < turn else None

    def cancel(self) -> list[int]:
        """Marks all that has not started as cancelled, and gives it."""
        waiting = (number for number, state in enumerate(self.states) if state == "waiting")
        cancelled = [number for number in waiting if number not in self._elsewhere]
        for number in cancelled:
            self.states[number] = "cancelled"
        self.left -= len(cancelled)
        return cancelled

    def _ended(self, ending: list[tuple[int, Ended]]) -> tuple[list[list[int]], list[int]]:
        ready: list[list[int]] = []
        skipped: list[int] = []
        while ending:
            number, ended = ending.pop()
            self.states[number] = ended.state
            self.left -= 1
            self._note(number, ended)
            for target in self._downstream(number):
                self._waiting[target] -= 1
                if self._waiting[target] or target in self._elsewhere:
                    continue
                if self._is_blocked(target):
                    skipped.append(target)
                    ending.append((target, self._skipped(target)))
                    ready.extend(self._without(target))
                else:
                    ready.extend(self._unit(target))
        return ready, skipped

    def _downstream(self, number: int) -> Iterable[int]:
        if self.width == len(self.states):
            return self.scope.downstream[number]
        place = number % self.width
        start = number - place
        following = [start + target for target in self.scope.downstream[place]]
        if start + self.width < len(self.states):
            following += [start + self.width + target for target in self.scope.across[place]]
        return following

    def _skipped(self, number: int) -> Ended:
        block = self._blocked[number]
        self.reasons[number] = block.reason
        return block.ended

    def _is_blocked(self, number: int) -> bool:
        if number in self._blocked:
            return True
        checks = self.scope.gates_across.get(number % self.width) if self.scope.gates_across else None
        for check in checks or ():
            block = self.closed_before(check, number // self.width)
            if block is not None:
                self._blocked[number] = block
                return True
        return False

    def _unit(self, number: int) -> list[list[int]]:
        group = self._group_of.get(number)
        if group is None:
            return [[number]]
        self._gathered[group].append(number)
        return self._less_one(group)

    def _without(self, number: int) -> list[list[int]]:
        group = self._group_of.get(number)
        return [] if group is None else self._less_one(group)

    def _less_one(self, group: int) -> list[list[int]]:
        self._missing[group] -= 1
        complete = not self._missing[group] and self._gathered[group]
        return [sorted(self._gathered[group])] if complete else []

    def _note(self, number: int, ended: Ended) -> None:
        """Keeps how a member ended where that matters to others, and blocks those that must not run; reasons stay."""
        turn, place = divmod(number, self.width)
        if place in self.scope.inner:
            self._note_loop(number, ended)
            return
        if ended is WELL:
            return
        index = self.scope.keys[place]
        self._endings[number] = ended
        if ended.closed:
            self._closed[index] = min(turn, self._closed.get(index, turn))
        for target in self._nodes_after(place):
            self._block(target, turn, index, ended)
        for target in self.scope.across[place]:
            later = number - place + self.width + target
            if later < len(self.states):
                self._block_across(later, index, ended)

    def _note_loop(self, number: int, ended: Ended) -> None:
        turn, place = divmod(number, self.width)
        if ended.state == "skipped":
            self._endings[number] = ended
        key, nesting = self.scope.keys[place], self.graph.nesting
        for target in self._nodes_after(place):
            for source in self.graph.upstream(target):
                if nesting.key_in(source, self.scope.loop) == key:
                    self._block(target, turn, source, self.how(source, turn) or WELL)

    def _nodes_after(self, place: int) -> list[int]:
        """Gives the nodes that wait for a member; a loop sees for itself which of its nodes are blocked."""
        keys = (self.scope.keys[target] for target in self.scope.downstream[place])
        return [key for key in keys if key < len(self.graph.nodes)]

    def _block(self, target: int, turn: int, source: int, ended: Ended) -> None:
        block = block_by(self.graph, source, ended, target)
        if block is not None:
            self._blocked.setdefault(turn * self.width + self.scope.place[target], block)

    def _block_across(self, later: int, source: int, ended: Ended) -> None:
        target = self.scope.keys[later % self.width]
        if target >= len(self.graph.nodes):
            return
        loop = self.scope.loop
        carried = loop is not None and target in loop.carried
        edges = [edge for edge in self.graph.across.get(target, ()) if edge.source == source]
        if (carried and ended.state != "succeeded") or any(_stops(edge, ended) for edge in edges):
            self._blocked.setdefault(later, _block(self.graph, source, ended))


def _place(scope: Scope, index: int) -> int | None:
    try:
        return scope.place[index]
    except (KeyError, IndexError):  # what a turn begins with has no place
        return None


def block_by(graph: Graph, source: int, ended: Ended, target: int) -> Block | None:
    """Says why node `target` must not run, after node `source`, which it waits for, ended so; None if it may."""
    edges = [edge for edge in graph.ordering.get(target, ()) if edge.source == source]
    if any(edge.wanted is not None and edge.wanted is not ended.truth for edge in edges):
        reason = _reason(graph, source, ended) if ended.truth is None else _decided(graph, source)
        return Block(reason, untaken=True)
    if _takes(graph, target, source, ended) or any(_stops(edge, ended) for edge in edges):
        return _block(graph, source, ended)
    return None


def block_across(graph: Graph, edge: Edge, ended: Ended) -> Block | None:
    """Says why the target of an edge across turns must not run, after its source ended so in the turn before."""
    return _block(graph, edge.source, ended) if _stops(edge, ended) else None


def _takes(graph: Graph, target: int, source: int, ended: Ended) -> bool:
    """Whether `target` lacks a value it takes; what a branch selects from, or a loop leaves, may lack some."""
    if ended.state == "succeeded" or source not in graph.nodes[target].data:
        return False
    work = graph.nodes[target].work
    if isinstance(work, Outcome):
        return graph.nesting.key_in(source, graph.loops[work.loop]) is None
    return ended.state == "failed" or not isinstance(work, Select)


def _stops(edge: Edge, ended: Ended) -> bool:
    if ended.state == "skipped":
        return edge.needed and not ended.untaken
    return ended.state == "failed" or (edge.gate and ended.closed)


def _block(graph: Graph, source: int, ended: Ended) -> Block:
    return Block(_reason(graph, source, ended), ended.untaken, ended.is_failure)


def _reason(graph: Graph, source: int, ended: Ended) -> str:
    name = graph.names[source]
    if ended.closed:
        return f"`{name}` returned False"
    return f"`{name}` failed" if ended.state == "failed" else ended.reason or f"`{name}` did not run"


def _closed(name: str) -> Block:
    return Block(f"`{name}` returned False")


def _decided(graph: Graph, index: int) -> str:
    """Says which way a branch went, by the visible nodes whose values its condition is made from."""
    condition = "` and `".join(graph.names[source] for source in graph.shown(index))
    return f"the branch that `{condition}` decides went the other way"
