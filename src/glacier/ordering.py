"""What waits for what besides data: `depends_on` and `.after`, nodes on the same resource, checks before use.

The rules are those of docs/design.md, section 4: a run behaves as if the body ran top to bottom, and tasks overlap
only where nothing here orders them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, cast

from glacier.access import Touch, handed_on, reached, reaches_out
from glacier.annotations import UNKNOWN, may_be_lazy
from glacier.errors import GraphError, listed
from glacier.graph import Edge, EdgeKind, Graph, Node
from glacier.task import Task
from glacier.trace import Handle, Plan
from glacier.work import Barrier

_MOST_DIRECT_EDGES = 4096  # above this, two groups of calls meet in a barrier: edges stay linear in calls


def ordered(plan: Plan, result: object, *, infer: bool) -> Graph:
    """Gives the graph of a finished plan with every edge that is not data.

    Args:
        plan: what the body recorded.
        result: what the body returned.
        infer: whether resources and checks order nodes too (`@pipeline(infer=...)`).

    Raises:
        GraphError: a `depends_on` names a task that the body never calls, or nodes wait for each other.
    """
    graph = Graph(plan.name, plan.nodes, result, prepared=tuple(plan.prepared), inferred=infer)
    _add_branches(plan, graph)
    _Explicit(plan, graph).add()
    in_run_order = graph.order
    del graph.order  # the edges below agree with it, but it is found again with them
    if infer:
        _Inferred(graph).add(in_run_order, plan)
    return graph


def _add_branches(plan: Plan, graph: Graph) -> None:
    for index, guards in plan.guarded.items():
        for condition, wanted in guards:
            edge = Edge(condition, index, "branch", f"it decides a branch (if {wanted})", wanted=wanted)
            graph.ordering.setdefault(index, []).append(edge)


def _exclude(one: tuple[tuple[int, bool], ...], other: tuple[tuple[int, bool], ...]) -> bool:
    """Whether two nodes stand on different sides of a branch, so that never both run."""
    return any((condition, not wanted) in other for condition, wanted in one)


class _Explicit:
    def __init__(self, plan: Plan, graph: Graph) -> None:
        self.plan = plan
        self.graph = graph
        self.barriers: dict[object, int] = {}

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
        sources = self.plan.calls.get(upstream.origin, [])
        if not sources:
            raise self._never_called(self.graph.nodes[targets[0]], upstream)
        if len(sources) > 1 and len(sources) * len(targets) > _MOST_DIRECT_EDGES:
            sources = [self._barrier(upstream, sources)]
        for target in targets:
            for source in sources:
                if source != target:
                    self._edge(source, target, reason)

    def _edge(self, source: int, target: int, reason: str) -> None:
        work = self.graph.nodes[source].work
        gate = isinstance(work, Task) and work.is_gate
        self.graph.ordering.setdefault(target, []).append(Edge(source, target, "explicit", reason, gate=gate))

    def _barrier(self, task: Task[..., Any], sources: list[int]) -> int:
        if task.origin not in self.barriers:
            barrier = add_barrier(self.graph, f"every {task.name}", sources)
            self.barriers[task.origin] = barrier
            for source in sources:
                self._edge(source, barrier, f"every call of `{task.name}`")
        return self.barriers[task.origin]

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


@dataclass(slots=True, eq=False)
class _Place:
    """What has happened so far at one URI (a path, a folder or a glob), in running order."""

    uri: str
    parts: list[str]
    glob: list[str] | None
    folder: bool = False
    inner: dict[str, _Place] = field(default_factory=dict[str, "_Place"])
    writers: list[int] = field(default_factory=list[int])
    readers: list[int] = field(default_factory=list[int])
    checks: list[int] = field(default_factory=list[int])
    pending: list[int] = field(default_factory=list[int])
    globs: dict[str, _Place] = field(default_factory=dict[str, "_Place"])

    def meets(self, other: _Place) -> bool:
        """Whether an object could lie in both, where at least one is a glob; two wildcards count as meeting."""
        if self.glob:
            return _could_match(self.glob, other.glob or other.parts, below=other.folder)
        return not other.glob or _could_match(other.glob, self.parts, below=self.folder)


def _could_match(glob: Sequence[str], path: Sequence[str], *, below: bool) -> bool:
    """Whether a path or glob, or what is below it if that counts, could match; `**` spans components, `*` does not."""
    if not path:
        return below or all(part == "**" for part in glob)
    if not glob:
        return all(part == "**" for part in path)
    if glob[0] == "**" or path[0] == "**":
        return _could_match(glob[1:], path, below=below) or _could_match(glob, path[1:], below=below)
    alike = (_is_wild(glob[0]) and _is_wild(path[0])) or fnmatchcase(path[0], glob[0]) or fnmatchcase(glob[0], path[0])
    return alike and _could_match(glob[1:], path[1:], below=below)


def _is_wild(part: str) -> bool:
    return any(wildcard in part for wildcard in "*?[")


class _Inferred:
    """Orders nodes that touch overlapping URIs. The URIs form a tree by path, so that a node sees only its own."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.root = _Place("", [], None)
        self.unread: dict[int, dict[str, str]] = {}  # by node, the URIs and labels its LazyFrame has still to read
        self.passed: dict[int, set[int]] = {}  # by node, the checks that its LazyFrame has waited for
        self.guarded: dict[int, tuple[tuple[int, bool], ...]] = {}
        self.extra: defaultdict[int, dict[int, Edge]] = defaultdict(dict)

    def add(self, in_run_order: Iterable[int], plan: Plan) -> None:
        nodes = self.graph.nodes
        self.guarded = plan.guarded
        reaching: dict[object, bool] = {}
        for node in nodes:
            if isinstance(node.work, Task) and node.work not in reaching:
                reaching[node.work] = reaches_out(cast("Task[..., Any]", node.work))
        touching = plan.touching | handed_on(nodes, plan.touching)
        for index in in_run_order:
            node = nodes[index]
            direct = reached(node) if index in touching or reaching.get(node.work) else []
            for touch in direct:
                self._visit(node, touch)
            self._carry(node, direct)
        for index, edges in self.extra.items():
            self.graph.ordering.setdefault(index, []).extend(edges.values())

    def _carry(self, node: Node, direct: Sequence[Touch]) -> None:
        """Hands on what a LazyFrame has still to read: whoever takes it may be the one to collect it."""
        inherited: dict[str, str] = {}
        for source in node.data:
            inherited |= self.unread.get(source, {})
        check = isinstance(node.work, Task) and node.work.is_gate
        for uri, label in () if node.hidden else inherited.items():  # what is hidden hands a frame on uncollected
            place = self._place(uri)
            waited = set[int].intersection(*(self.passed[s] for s in node.data if uri in self.unread.get(s, ())))
            for met in self._meeting(place):
                for source in () if check else (one for one in met.checks if one not in waited):
                    self._edge(source, node.index, "gate", f"it checks the same `{label}`")
                for source in met.writers:
                    self._edge(source, node.index, "resource", f"it writes `{label}`, read here", needed=False)
            place.readers.append(node.index)
        unread = inherited | {touch.resource.uri: touch.resource.label for touch in direct if touch.access.reads}
        if unread and may_be_lazy(_returned(node)):
            self.unread[node.index] = unread
            self.passed[node.index] = {e.source for e in self.extra.get(node.index, {}).values() if e.gate}
            self.passed[node.index].update(*(self.passed.get(source, ()) for source in node.data))
            for uri in unread:
                self._place(uri).pending.append(node.index)

    def _visit(self, node: Node, touch: Touch) -> None:
        index, access = node.index, touch.access
        check = isinstance(node.work, Task) and node.work.is_gate
        if not (touch.matters or check):
            return
        place = self._place(touch.resource.uri)
        if not access.certain:
            self._warn(node, touch)
        for met in self._meeting(place):
            shown = touch.resource.label
            if not check:
                for source in met.checks:
                    self._edge(source, index, "gate", f"it checks the same `{shown}`")
            for source in met.writers:
                here = "read" if access.reads else "overwritten" if access.writes else "checked"
                needed = access.reads or not access.writes
                self._edge(source, index, "resource", f"it writes `{shown}`, {here} here", needed=needed)
            if access.writes:
                self.graph.unsettled.update(met.pending)
                for source in met.readers:
                    self._edge(source, index, "resource", f"it reads `{shown}`, overwritten here", needed=False)
        if access.writes and index in self.guarded:  # it may not run, so what came before still counts
            place.writers.append(index)
        elif access.writes:
            _forget(place)
            place.writers = [index]
        else:
            place.readers.append(index)
        if check:
            place.checks.append(index)

    def _edge(self, source: int, target: int, kind: EdgeKind, reason: str, *, needed: bool = True) -> None:
        if source == target or source in self.graph.nodes[target].data or source in self.extra[target]:
            return
        if _exclude(self.guarded.get(source, ()), self.guarded.get(target, ())):
            return
        if not any(edge.source == source for edge in self.graph.ordering.get(target, ())):
            self.extra[target][source] = Edge(source, target, kind, reason, needed=needed, gate=kind == "gate")

    def _warn(self, node: Node, touch: Touch) -> None:
        warning = (
            f"what `{node.work.name}` does with `{touch.resource.label}` cannot be told from its code; "
            f"it counts as reading and writing ({node.site})"
        )
        if warning not in self.graph.warnings:
            self.graph.warnings.append(warning)

    def _place(self, uri: str) -> _Place:
        """Gives the place of `uri` in the tree: a glob stands in the folder where its first wildcard is."""
        place, parts = self.root, uri.rstrip("/").split("/")
        for depth, part in enumerate(parts):
            if _is_wild(part):
                return place.globs.setdefault(uri, _Place(uri, parts[:depth], parts))
            below = place.inner.get(part)
            if below is None:
                below = place.inner[part] = _Place("/".join(parts[: depth + 1]), parts[: depth + 1], None)
            place = below
        place.folder = place.folder or uri.endswith("/")
        return place

    def _meeting(self, place: _Place) -> Iterator[_Place]:
        """Gives the places an object of `place` could also lie in: above it, itself, all below it, globs on the way."""
        at = self.root
        for part in place.parts:
            yield from (glob for glob in at.globs.values() if glob.meets(place))
            yield at
            at = at.inner[part]
        pending = [at]
        while pending:
            below = pending.pop()
            if below is at or place.meets(below):
                yield below
            yield from (glob for glob in below.globs.values() if glob.meets(place))
            pending.extend(below.inner.values())


def _returned(node: Node) -> object:
    work = node.work
    return work.signature.returns if isinstance(work, Task) else getattr(work, "annotation", UNKNOWN)


def _forget(place: _Place) -> None:
    """Drops what the writing of a whole path supersedes; a glob, whose extent is not known, supersedes only itself."""
    place.writers, place.readers, place.checks, place.pending = [], [], [], []
    if place.glob is None:
        place.inner.clear()
        place.globs.clear()
