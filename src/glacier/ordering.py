"""What waits for what besides data: `depends_on` and `.after`, nodes on the same resource, checks before use.

The rules are those of docs/design.md, section 4: a run behaves as if the body ran top to bottom, and tasks overlap
only where nothing here orders them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from glacier.access import Touch, handed_on, reached, reaches_out
from glacier.annotations import may_be_lazy
from glacier.errors import GraphError, listed
from glacier.graph import Edge, EdgeKind, Graph, Node
from glacier.groups import Group, Inference, bodies
from glacier.nesting import Loop
from glacier.places import Place, Places
from glacier.task import Task, given_by
from glacier.trace import Handle, Plan, handles_in
from glacier.work import Barrier

_MOST_DIRECT_EDGES = 4096  # above this, two groups of calls meet in a barrier: edges stay linear in calls


def ordered(plan: Plan, result: object, *, infer: bool) -> Graph:
    """Gives the graph of a finished plan with every edge that is not data.

    Args:
        plan: what the body recorded.
        result: what the body returned.
        infer: whether resources and checks order nodes too (`@pipeline(infer=...)`); pipelines called in the body say
            it for theirs.

    Raises:
        GraphError: a `depends_on` names a task that the body never calls, or nodes wait for each other.
    """
    graph = Graph(
        plan.name,
        plan.nodes,
        result,
        prepared=tuple(plan.prepared),
        warnings=plan.warnings,
        loops=plan.loops,
        loop_of=plan.loop_of,
        grouped=plan.grouped,
        inferred=infer,
        body=plan.body,
    )
    _add_branches(plan, graph)
    _add_loops(graph)
    _Explicit(plan, graph).add()
    in_run_order = graph.order
    del graph.order  # the edges below agree with it, but it is found again with them
    inference = Inference(plan.grouped, infer=infer)
    if inference.anywhere:
        _Inferred(graph, inference).add(in_run_order, plan)
    return graph


def _add_branches(plan: Plan, graph: Graph) -> None:
    for index, guards in plan.guarded.items():
        for condition, wanted in guards:
            edge = Edge(condition, index, "branch", f"it decides a branch (if {wanted})", wanted=wanted)
            graph.ordering.setdefault(index, []).append(edge)


def _add_loops(graph: Graph) -> None:
    """Lets what begins a turn of a loop wait for what the loop goes over."""
    for index, loop in graph.loop_of.items():
        node = graph.nodes[index]
        inside = any(loop in at.around() for source in graph.upstream(index) if (at := graph.loop_of.get(source)))
        if not node.hidden and not inside:
            edge = Edge(loop.items, index, "loop", "it runs once for each item of it")
            graph.ordering.setdefault(index, []).append(edge)


def _exclude(one: tuple[tuple[int, bool], ...], other: tuple[tuple[int, bool], ...]) -> bool:
    """Whether two nodes stand on different sides of a branch, so that never both run."""
    return any((condition, not wanted) in other for condition, wanted in one)


class _Explicit:
    """Orders nodes as `depends_on` and `.after` say; both mean the calls of the pipeline whose body has the call."""

    def __init__(self, plan: Plan, graph: Graph) -> None:
        self.plan = plan
        self.graph = graph
        self.barriers: dict[tuple[Task[..., Any], Group | None], int] = {}
        self.calls: dict[object, dict[Group | None, list[int]]] = {}

    def add(self) -> None:
        for task, calls in list(self.plan.calls.items()):
            if isinstance(task, Task):
                for upstream in task.options.depends_on:
                    self._wait(calls, upstream, "its depends_on names it")
        for index, named in self.plan.after.items():
            for value in named:
                if isinstance(value, Handle):
                    self._edge(value.glacier_node.index, index, "`.after(...)` names it")
                elif isinstance(value, Task):
                    self._wait([index], value.origin, "`.after(...)` names it")

    def _wait(self, targets: list[int], upstream: Task[..., Any], reason: str) -> None:
        for scope, same in self._by_scope(targets, upstream).items():
            sources = self._called(upstream)[scope]
            if len(sources) > 1 and len(sources) * len(same) > _MOST_DIRECT_EDGES:
                sources = [self._barrier(upstream, scope, sources)]
            for target in same:
                for source in sources:
                    if source != target:
                        self._edge(source, target, reason)

    def _by_scope(self, targets: list[int], upstream: Task[..., Any]) -> dict[Group | None, list[int]]:
        """Gives the targets by the innermost pipeline around them that calls `upstream`; None is the whole."""
        called = self._called(upstream)
        scopes: dict[Group | None, list[int]] = {}
        for target in targets:
            around = (*reversed(bodies(self.plan.grouped.get(target, ()))), None)
            scope = next((group for group in around if group in called), None)
            if scope not in called:
                raise self._never_called(self.graph.nodes[target], upstream)
            scopes.setdefault(scope, []).append(target)
        return scopes

    def _called(self, task: Task[..., Any]) -> Mapping[Group | None, list[int]]:
        """Gives the calls of a task by the pipelines that hold them."""
        called = self.calls.get(task.origin)
        if called is None:
            called = self.calls[task.origin] = {}
            for index in self.plan.calls.get(task.origin, ()):
                for group in (None, *bodies(self.plan.grouped.get(index, ()))):
                    called.setdefault(group, []).append(index)
        return called

    def _edge(self, source: int, target: int, reason: str) -> None:
        work = self.graph.nodes[source].work
        gate = isinstance(work, Task) and work.is_gate
        self.graph.ordering.setdefault(target, []).append(Edge(source, target, "explicit", reason, gate=gate))

    def _barrier(self, task: Task[..., Any], scope: Group | None, sources: list[int]) -> int:
        known = self.barriers.get((task.origin, scope))
        if known is None:
            known = self.barriers[task.origin, scope] = add_barrier(self.graph, f"every {task.name}", sources)
            for source in sources:
                self._edge(source, known, f"every call of `{task.name}`")
        return known

    def _never_called(self, node: Node, upstream: Task[..., Any]) -> GraphError:
        called = dict.fromkeys(task.name for task in self.plan.calls if isinstance(task, Task))
        return GraphError(
            f"`{node.work.name}` depends on `{upstream.name}`, which pipeline `{self.plan.name}` never calls; "
            f"it calls {listed(called)}",
            site=node.site,
            fix=f"call `{upstream.name}(...)` in the body, or drop it from the depends_on of `{node.work.name}`",
        )


def add_barrier(graph: Graph, name: str, sources: list[int]) -> int:
    """Adds a node that only waits, and gives its index; its place is that of the last of `sources`."""
    last = graph.nodes[sources[-1]]
    index = len(graph.nodes)
    graph.nodes.append(
        Node(index, Barrier(name), (), {}, (), nested=False, code=last.code, instruction=last.instruction)
    )
    return index


class _Inferred:
    """Orders nodes that touch overlapping URIs. The URIs form a tree by path, so that a node sees only its own."""

    def __init__(self, graph: Graph, inference: Inference) -> None:
        self.graph = graph
        self.inference = inference
        self.places = Places()
        self.unread: dict[int, dict[str, str]] = {}  # by node, the URIs and labels its LazyFrame has still to read
        self.passed: dict[int, set[int]] = {}  # by node, the checks that its LazyFrame has waited for
        self.guarded: dict[int, tuple[tuple[int, bool], ...]] = {}
        self.extra: defaultdict[int, dict[int, Edge]] = defaultdict(dict)
        self.across: defaultdict[int, dict[tuple[int, int], Edge]] = defaultdict(dict)
        self.visits: Sequence[_Visit] = []
        self.deciding: dict[int, frozenset[int]] = {}  # by a branch's condition, the visible nodes it is made from
        self.invoking: list[int] = []  # the visits that invoked a function and have not been superseded
        self.since: list[int] = []  # those that have touched anything since
        self.lazy: list[int] = []  # those whose LazyFrame has still to read

    def add(self, in_run_order: Sequence[int], plan: Plan) -> None:
        nodes = self.graph.nodes
        self.guarded = plan.guarded
        self.visits = list(_visits(in_run_order, self.graph, None))
        reaching: dict[object, bool] = {}
        for node in nodes:
            if isinstance(node.work, Task) and node.work not in reaching:
                reaching[node.work] = reaches_out(cast("Task[..., Any]", node.work))
        touching = plan.touching | handed_on(nodes, plan.touching)
        looked_at = {node.index for node in nodes if node.index in touching or reaching.get(node.work)}
        self.graph.touching = frozenset(looked_at)
        for now, visit in enumerate(self.visits):
            node = nodes[visit.index]
            direct = reached(node) if node.index in looked_at else []
            for touch in direct:
                self._visit(now, touch)
            self._carry(now, direct)
        for index, edges in self.extra.items():
            self.graph.ordering.setdefault(index, []).extend(edges.values())
        for index, across in self.across.items():
            self.graph.across[index] = list(across.values())

    def _carry(self, now: int, direct: Sequence[Touch]) -> None:
        """Hands on what a LazyFrame has still to read: whoever takes it may be the one to collect it."""
        node = self.graph.nodes[self.visits[now].index]
        given = given_by(node.work)
        inherited: dict[str, str] = {}
        sources = (*node.data, *self._left_by_a_turn(node))
        for source in sources:
            inherited |= self.unread.get(source, {})
        check = isinstance(node.work, Task) and node.work.is_gate
        for uri, label in () if node.hidden else inherited.items():  # what is hidden hands a frame on uncollected
            place = self.places.at(uri)
            waited = set[int].intersection(*(self.passed[s] for s in sources if uri in self.unread.get(s, ())))
            for met in self.places.meeting(place):
                for source in () if check else (one for one in met.checks if self.visits[one].index not in waited):
                    self._edge(source, now, "gate", f"it checks the same `{label}`")
                for source in met.writers:
                    self._edge(source, now, "resource", f"it writes `{label}`, read here", needed=False)
            self._touch_anything(now, label)
            place.readers.append(now)
        unread = inherited | {touch.resource.uri: touch.resource.label for touch in direct if touch.access.reads}
        if unread and may_be_lazy(given):
            self.unread[node.index] = unread
            self.passed[node.index] = {e.source for e in self.extra.get(node.index, {}).values() if e.gate}
            self.passed[node.index].update(*(self.passed.get(source, ()) for source in sources))
            self.lazy.append(now)
            for uri in unread:
                self.places.at(uri).pending.append(now)

    def _left_by_a_turn(self, node: Node) -> Iterable[int]:
        """Gives the nodes whose values a turn of a loop leaves to the next one through `node`."""
        loop = self.graph.loop_of.get(node.index)
        return handles_in(loop.carried.get(node.index)) if loop is not None else ()

    def _visit(self, now: int, touch: Touch) -> None:
        node, access = self.graph.nodes[self.visits[now].index], touch.access
        check = isinstance(node.work, Task) and node.work.is_gate
        if not (touch.matters or check):
            return
        place = self.places.at(touch.resource.uri)
        if not access.certain:
            self._warn(node, touch)
        if touch.resource.invocable and access.writes:
            self._invoke(now, touch, place)
            return
        for met in self.places.meeting(place):
            shown = touch.resource.label
            if not check:
                for source in met.checks:
                    self._edge(source, now, "gate", f"it checks the same `{shown}`")
            else:  # so that what waits for the check of the turn before has waited for those of all turns before
                for source in met.checks:
                    self._edge(source, now, "resource", f"it checks the same `{shown}`", needed=False, only_across=True)
            for source in met.writers:
                here = "read" if access.reads else "overwritten" if access.writes else "checked"
                needed = access.reads or not access.writes
                self._edge(source, now, "resource", f"it writes `{shown}`, {here} here", needed=needed)
            if access.writes:
                self.graph.unsettled.update(self.visits[lazy].index for lazy in met.pending)
                for source in met.readers:
                    self._edge(source, now, "resource", f"it reads `{shown}`, overwritten here", needed=False)
        self._touch_anything(now, touch.resource.label)
        if access.writes and not self._supersedes(now):
            place.writers.append(now)
        elif access.writes:
            place.forget()
            place.writers = [now]
        else:
            place.readers.append(now)
        if check:
            place.checks.append(now)

    def _supersedes(self, now: int) -> bool:
        """Whether who waits for this visit need not look at those before: not if it may not run, or not wait itself."""
        index = self.visits[now].index
        return index not in self.guarded and index not in self.graph.loop_of and self.inference.supersedes(index)

    def _touch_anything(self, now: int, label: str) -> None:
        """Lets who touches a resource wait for the functions invoked before, which may have changed it."""
        for source in self.invoking:
            self._edge(source, now, "resource", f"it invokes a function, which may change `{label}`", needed=False)
        self.since.append(now)

    def _invoke(self, now: int, touch: Touch, place: Place) -> None:
        """Lets an invocation wait for all who have touched anything, since the function may read or change it."""
        shown = touch.resource.label
        node = self.graph.nodes[self.visits[now].index]
        check = isinstance(node.work, Task) and node.work.is_gate
        for source in () if check else place.checks:
            self._edge(source, now, "gate", f"it checks the same `{shown}`")
        for source in (*self.invoking, *self.since):
            why = f"it touches what function `{shown}`, invoked here, may read or change"
            self._edge(source, now, "resource", why, needed=False)
        self.graph.unsettled.update(self.visits[lazy].index for lazy in self.lazy)
        if check:
            place.checks.append(now)
        if self._supersedes(now):
            self.invoking, self.since, self.lazy = [now], [], []
        else:
            self.invoking.append(now)

    def _edge(
        self, before: int, now: int, kind: EdgeKind, reason: str, *, needed: bool = True, only_across: bool = False
    ) -> None:
        """Notes that the node of visit `now` waits for that of visit `before`."""
        one, other = self.visits[before], self.visits[now]
        source, target = one.index, other.index
        if not self.inference.orders(source, target) or (kind == "gate" and self._decided(source, target)):
            return
        loop = one.turn_before(other)
        if loop is not None:
            inside = _guards_outside(self.guarded.get(source, ()), loop, self.graph)
            if not _exclude(inside, self.guarded.get(target, ())):
                gate, text = kind == "gate", f"in the turn before, {reason}"
                edge = Edge(source, target, kind, text, needed=needed, gate=gate, loop=loop.index)
                self.across[target].setdefault((source, loop.index), edge)
            return
        if only_across or source == target or source in self.graph.nodes[target].data or source in self.extra[target]:
            return
        if _exclude(self.guarded.get(source, ()), self.guarded.get(target, ())):
            return
        if not any(edge.source == source for edge in self.graph.ordering.get(target, ())):
            self.extra[target][source] = Edge(source, target, kind, reason, needed=needed, gate=kind == "gate")

    def _decided(self, check: int, target: int) -> bool:
        """Whether the body itself decides by a check's result if a node runs: then it is no gate before that node."""
        for condition, _ in self.guarded.get(target, ()):
            if condition not in self.deciding:
                self.deciding[condition] = frozenset(self.graph.shown(condition))
            if check in self.deciding[condition]:
                return True
        return False

    def _warn(self, node: Node, touch: Touch) -> None:
        counts = "invoking it" if touch.resource.invocable else "reading and writing"
        warning = (
            f"what `{node.work.name}` does with `{touch.resource.label}` cannot be told from its code; "
            f"it counts as {counts} ({node.site})"
        )
        if warning not in self.graph.warnings:
            self.graph.warnings.append(warning)


@dataclass(frozen=True, slots=True)
class _Visit:
    """One visit of a node. Nodes in a loop are visited twice, so that what one turn does meets the next one.

    Attributes:
        turns: for each loop around the node, outermost first, whether this is its second turn.
    """

    index: int
    turns: tuple[tuple[Loop, bool], ...] = ()

    def turn_before(self, other: _Visit) -> Loop | None:
        """Gives the outermost loop of which this visit is in the first turn, and `other` in the second."""
        for (loop, second), (same, third) in zip(self.turns, other.turns, strict=False):
            if loop is not same:
                return None
            if second is not third:
                return loop
        return None


def _visits(order: Sequence[int], graph: Graph, scope: Loop | None) -> Iterator[_Visit]:
    """Gives the visits of nodes in `order`, all of them in `scope`."""
    if not graph.loops:
        yield from map(_Visit, order)
        return
    for loop, indexes in groupby(order, lambda index: _loop_in(graph, index, scope)):
        if loop is None:
            yield from map(_Visit, indexes)
            continue
        inner = list(_visits(list(indexes), graph, loop))
        for second in (False, True):
            yield from (_Visit(visit.index, ((loop, second), *visit.turns)) for visit in inner)


def _loop_in(graph: Graph, index: int, scope: Loop | None) -> Loop | None:
    """Gives the loop directly in `scope` that a node of `scope` lies in, if any."""
    key = graph.nesting.key_in(index, scope)
    return None if key is None else graph.nesting.loop(key)


def _guards_outside(guards: tuple[tuple[int, bool], ...], loop: Loop, graph: Graph) -> tuple[tuple[int, bool], ...]:
    """Gives the guards whose condition is the same in every turn of a loop."""
    return tuple(guard for guard in guards if graph.nesting.key_in(guard[0], loop) is None)
