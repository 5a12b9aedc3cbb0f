"""A scope that runs: what is outside of every loop once, a loop for each item of what it goes over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from glacier.execution.agenda import WELL, Agenda, Block, Ended, block_across, block_by
from glacier.execution.performer import Performer
from glacier.execution.scopes import Scope
from glacier.execution.turns import MISSING, Done, Left, Turn, TurnValues, Values
from glacier.graph import Graph
from glacier.nesting import Loop
from glacier.trace import handles_in
from glacier.work import Growth, Outcome


@dataclass(frozen=True, slots=True)
class Opened:
    """Where in a running scope a loop was met: the scope's job and the number of the loop there."""

    job: Job
    number: int


class Job:
    """The values and the agenda of a scope while it runs. The agenda and the takers are changed under a lock only.

    Attributes:
        values: for each turn those of its nodes.
        opened: where the loop was met; None for what is outside of every loop.
        rank: what comes first where several units are ready: a unit before those of scopes met later.
        path: for each loop around, outermost first, what it goes over and the number of the item.
    """

    def __init__(self, graph: Graph, agenda: Agenda, values: Sequence[Values], opened: Opened | None = None) -> None:
        self.graph = graph
        self.agenda = agenda
        self.scope: Scope = agenda.scope
        self.values = values
        self.opened = opened
        self.rank: tuple[int, ...] = (*opened.job.rank, opened.number) if opened else ()
        self.path: tuple[tuple[str, int], ...] = ()
        if opened is not None and self.scope.loop is not None:
            whole = "` and `".join(graph.names[index] for index in graph.shown(self.scope.loop.items))
            self.path = (*opened.job.path_at(opened.number), (whole, 0))
        self._left = [agenda.width] * len(values)
        self._front = 0
        self._held: list[list[int]] = []
        self._takers = [dict(self.scope.takers) for _ in values]
        if values and self.scope.loop is not None:
            for index in _left_last(graph, self.scope.loop):
                if index not in self.scope.captured:  # what is from outside is held there
                    self._takers[-1][index] = self._takers[-1].get(index, 0) + 1

    def key(self, number: int) -> int:
        """Gives the node index, or the key of the loop, of a member of a turn."""
        return self.scope.keys[number % self.agenda.width]

    def inner(self, number: int) -> Scope | None:
        """Gives the loop that a member of a turn is; None for a node."""
        return self.scope.inner.get(number % self.agenda.width) if self.scope.inner else None

    def values_of(self, number: int) -> Values:
        """Gives the values of the turn of a member."""
        return self.values[number // self.agenda.width]

    def path_at(self, number: int) -> tuple[tuple[str, int], ...]:
        """Gives what the loops around go over and the numbers of the items of a member's turn."""
        return (*self.path[:-1], (self.path[-1][0], number // self.agenda.width)) if self.path else ()

    def turn(self, number: int) -> Turn | None:
        """Gives the turn of a member, with what the turn before left."""
        if self.scope.loop is None:
            return None
        turn = number // self.agenda.width
        return Turn(self.scope.loop, self.path_at(number), self.values[turn - 1] if turn else None)

    def release(self, number: int) -> None:
        """Notes that a member has ended, and drops the values that nothing takes any more."""
        turn, place = divmod(number, self.agenda.width)
        self._left[turn] -= 1
        while self._front < len(self._left) and not self._left[self._front]:
            self._front += 1
        values, takers, key = self.values[turn], self._takers[turn], self.scope.keys[place]
        inner = self.scope.inner.get(place) if self.scope.inner else None
        if inner is not None:
            taken: Iterator[int] | Sequence[int] = iter(inner.captured)
        else:
            taken = self.graph.nodes[key].data
            if not takers.get(key):
                values[key] = None
            work = self.graph.nodes[key].work
            if isinstance(work, Outcome):
                _drop(values, takers, len(self.graph.nodes) + work.loop)
        for source in taken:
            _drop(values, takers, source)
        loop = self.scope.loop
        if loop is not None and turn and key in loop.carried:
            for source in handles_in(loop.carried[key]):
                _drop(self.values[turn - 1], self._takers[turn - 1], source)

    def admitted(self, ready: list[list[int]], ahead: int) -> list[list[int]]:
        """Gives the units that may start now: those of turns not too far ahead of the first that has not ended.

        Other turns would only fill the memory with what that one, or one that it waits for, has still to take. No turn
        waits for a later one, so something may always start.

        Args:
            ready: units that have become ready; those that may not start yet are kept.
            ahead: how many turns may be under way.
        """
        if len(self.values) <= ahead:
            return ready
        for unit in ready:
            heappush(self._held, unit)
        end = (self._front + ahead) * self.agenda.width
        admitted: list[list[int]] = []
        while self._held and self._held[0][0] < end:
            admitted.append(heappop(self._held))
        return admitted

    def open(self, number: int, items: Sequence[object]) -> Job:
        """Gives the job of a loop for the items it goes over."""
        scope = self.scope.inner[number % self.agenda.width]
        assert scope.loop is not None
        outside = self.values_of(number)
        captured = {index: outside[index] for index in scope.captured}
        opened = Opened(self, number)
        turns = [
            TurnValues({**captured, scope.loop.item: item, **{index: kind() for index, kind in scope.fresh.items()}})
            for item in items
        ]
        blocked = {
            place: block
            for place, key in enumerate(scope.keys)
            if key < len(self.graph.nodes) and (block := self.blocked(key, number, scope.loop)) is not None
        }
        agenda = Agenda(self.graph, scope, turns=len(turns), blocked=blocked)
        return Job(self.graph, agenda, turns, opened)

    def blocked(self, index: int, number: int, loop: Loop) -> Block | None:
        """Says why a node of the loop that member `number` is must not run in any turn, after what is outside of it."""
        for source in self.graph.upstream(index):
            if self.graph.nesting.key_in(source, loop) is None:
                block = block_by(self.graph, source, self.how(source, number), index)
                if block is not None:
                    return block
        for edge in self.graph.across.get(index, ()):
            job, turn = self._around(self.graph.loops[edge.loop or 0], number)
            if job is not None and turn:
                ended = job.agenda.how(edge.source, turn - 1) or WELL
                block = job.agenda.closed_before(edge.source, turn) if edge.gate else None
                block = block or block_across(self.graph, edge, ended)
                if block is not None:
                    return block
        return None

    def _around(self, loop: Loop, number: int) -> tuple[Job | None, int]:
        """Gives the job of a loop around a member, itself or one further out, and its turn."""
        job: Job | None = self
        while job is not None:
            if job.scope.loop is loop:
                return job, number // job.agenda.width
            number, job = (job.opened.number, job.opened.job) if job.opened else (0, None)
        return None, 0

    def how(self, index: int, number: int) -> Ended:
        """Gives how a node ended that a member of a turn waits for, here or further out."""
        job: Job | None = self
        while job is not None:
            ended = job.agenda.how(index, number // job.agenda.width)
            if ended is not None:
                return ended
            number, job = (job.opened.number, job.opened.job) if job.opened else (0, None)
        return WELL

    def ended(self, number: int, done: Done) -> Ended:
        """Gives how a member ended, for what waits for it."""
        if done.skipped is None:
            return done.ended
        before = [self.how(source, number) for source in self.graph.nodes[done.index].data]
        failed = any(ended.is_failure for ended in before)
        reasons = [ended.reason for ended in before if ended.state == "skipped" and not ended.untaken]
        return replace(done.ended, after_failure=failed, reason=next(iter(reasons), done.skipped))

    def left(self, performer: Performer) -> Left:
        """Gives what the loop leaves, once every turn has ended."""
        loop = self.scope.loop
        assert loop is not None
        left = Left({}, {})
        for index, now in loop.outcomes.items():
            work = self.graph.nodes[index].work
            joined = isinstance(work, Outcome) and work.container is not None
            found = left.outcomes[index] = []
            turns = list(enumerate(self.values))
            for turn, values in turns if joined else turns[-1:]:
                missing = self._missing(index, now, values)
                if missing is None:
                    found.append(self._left_in(index, now, values, performer))
                    continue
                ended = self.agenda.how(missing, turn) or WELL
                if not (joined and ended.is_failure):
                    left.lacking[index] = ended.reason or f"`{self.graph.names[missing]}` failed"
        return left

    def _missing(self, outcome: int, now: object, values: Values) -> int | None:
        """Gives a node that has no value and is needed for what a turn leaves a variable as."""
        added = self.scope.added.get(outcome)
        if added is None:
            needed = handles_in(now)
        else:
            given = {node.index for node in added} | self.scope.fresh.keys()
            needed = (index for node in added for index in node.data if index not in given)
        return next((index for index in needed if values[index] is MISSING), None)

    def _left_in(self, outcome: int, now: object, values: Values, performer: Performer) -> object:
        """Gives what a turn leaves a variable as; of one that turns only make longer, what this one adds."""
        added = self.scope.added.get(outcome)
        if added is None:
            return performer.filled(now, values, loaded=False)
        work = self.graph.nodes[outcome].work
        container: object = work.container() if isinstance(work, Outcome) and work.container else None
        for node in added:
            opened = isinstance(node.work, Growth) and node.work.takes_apart
            more = [performer.filled(value, values, loaded=opened) for value in node.args[1:]]
            container = node.work.body(container, *more)
        return container

    def endings(self) -> dict[int, Ended]:
        """Gives how those nodes of the loop ended that did not all end well, as what waits for them has to see it."""
        found: dict[int, Ended] = {}
        for number, state in enumerate(self.agenda.states):
            if self.inner(number) is not None:
                inner = self.agenda.inner(number)
            elif state == "succeeded" and self.agenda.noted(number) is None:
                continue
            else:
                inner = {self.key(number): self.agenda.noted(number) or Ended(state)}
            for index, ended in inner.items():
                found[index] = max(found.get(index, WELL), ended, key=_weight)
        return found


def _weight(ended: Ended) -> int:
    """Gives how much the end of one turn's node counts for what waits for all turns."""
    if ended.state == "failed":
        return 4
    if ended.closed:
        return 3
    return 0 if ended.state == "succeeded" else 1 if ended.untaken else 2


def _drop(values: Values, takers: dict[int, int], source: int) -> None:
    left = takers.get(source)
    if left is not None:
        takers[source] = left - 1
        if left == 1:
            values[source] = None


def _left_last(graph: Graph, loop: Loop) -> Iterator[int]:
    """Gives the nodes whose values the last turn leaves as variables."""
    for index, now in loop.outcomes.items():
        work = graph.nodes[index].work
        if isinstance(work, Outcome) and work.container is None:
            yield from handles_in(now)
