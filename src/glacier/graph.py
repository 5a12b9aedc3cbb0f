"""The graph of a pipeline: nodes, the edges between them, levels and cycles. Plain data; nothing here runs a task."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import heapify, heappop, heappush
from types import CodeType
from typing import ClassVar, Literal, Protocol, Self

from glacier.errors import GraphError, Site
from glacier.groups import Group, GroupPath, told_apart
from glacier.nesting import Loop, Nesting
from glacier.source import line_of, variable_of

NodeKind = Literal["task", "storage", "expression", "input", "barrier"]
EdgeKind = Literal["data", "explicit", "resource", "gate", "branch", "loop"]


class Resource:
    """Something outside the pipeline that its nodes read or write: a bucket's objects, a function in a cloud.

    Attributes:
        group: the names of the composite resources it is a part of, outermost first; not part of its equality.
        invocable: whether it is a function, so that to write it is to invoke it, and anything may change by that.
    """

    __slots__ = ()

    group: tuple[str, ...] = ()
    invocable: ClassVar[bool] = False

    @property
    def uri(self) -> str:
        """Where it is; two resources are the same thing if this is the same."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """A short name for pictures and messages."""
        raise NotImplementedError

    @property
    def provider_name(self) -> str:
        """The name of what holds it: `LocalProvider`."""
        raise NotImplementedError

    def at(self, path: str) -> Resource:
        """Gives what lies at another path of the same bucket; "./" is all of it."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Makes what must be there before others write to the URI; called before a run whose body asked for it."""
        raise NotImplementedError

    def part_of(self, group: tuple[str, ...]) -> Self:
        """Gives the same resource as a part of composite resources; what has slots declares one for `group`."""
        part = copy.copy(self)
        object.__setattr__(part, "group", group)
        return part


class Work(Protocol):
    """What a node does when its turn comes."""

    @property
    def kind(self) -> NodeKind:
        """Which of the closed set of node kinds this is."""
        ...

    @property
    def name(self) -> str:
        """The name a person knows it by: the task's, or `bucket.verb`."""
        ...

    @property
    def body(self) -> Callable[..., object]:
        """What is called with the node's arguments once their values are there."""
        ...


@dataclass(slots=True, eq=False)
class Node:
    """One call in a pipeline's body.

    Attributes:
        index: its place in body order; also its key in the graph.
        args: positional arguments, handles among them.
        kwargs: keyword arguments, handles among them.
        data: the nodes whose values it takes, each once.
        nested: whether its arguments are made anew for each call: a handle sits in a container among them, or there may
            be several calls, in turns of a loop or after a failure, and one must not see what another did to a list.
        code: the code object that made the call.
        instruction: the byte offset of the call in `code`, by which the line and the variable are found when asked for.
        places: resources whose URI the body asked for and wrote into text or a path among the arguments.
    """

    index: int
    work: Work
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    data: tuple[int, ...]
    nested: bool
    code: CodeType
    instruction: int
    places: tuple[Resource, ...] = ()

    @property
    def site(self) -> Site:
        """The line of the call in the user's code."""
        return Site(self.code.co_filename, line_of(self.code, self.instruction))

    @property
    def variable(self) -> str | None:
        """The variable the call is assigned to, if it is."""
        return variable_of(self.code, self.instruction)

    @property
    def hidden(self) -> bool:
        """Whether it is arithmetic of the plan rather than work a person would look for in a picture."""
        return self.work.kind in ("expression", "input")


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` waits for `source`.

    Attributes:
        reason: why, in words a person reads in an analysis.
        needed: whether `target` makes no sense without what `source` does: if `source` is skipped, so is `target`.
        gate: whether `source` is a check whose False skips `target`.
        wanted: the truth of `source` under which `target` runs at all, where it is the condition of a branch.
        loop: the index of the loop whose turn before `source` stands in, where that is waited for.
    """

    source: int
    target: int
    kind: EdgeKind
    reason: str = ""
    needed: bool = True
    gate: bool = False
    wanted: bool | None = None
    loop: int | None = None


@dataclass
class Graph:
    """The nodes of one pipeline in body order and what waits for what.

    Attributes:
        name: the pipeline's name.
        nodes: every node; `nodes[i].index == i`, and a node takes values only from nodes before it.
        result: what the body returned, handles in it.
        ordering: the edges that no value flows along (explicit, resource, gate), by their target.
        unsettled: the nodes whose LazyFrame has still to read what a later node writes, so that it must stay a plan.
        prepared: the resources whose URI the body asked for.
        grouped: for each node that is in groups (pipelines called in the body), those, outermost first.
        inferred: whether what tasks touch was inferred, so that a run holds them to it.
        warnings: what a person should know before running.
        loops: the loops over results, outer ones before those in them.
        loop_of: for each node in a loop the innermost one.
        across: the edges from a turn of a loop to the next one, by their target.
        body: the pipeline that it was read from.
        touching: the nodes that may touch a resource; None where that was not looked at, so that any may.
    """

    name: str
    nodes: list[Node]
    result: object = None
    ordering: dict[int, list[Edge]] = field(default_factory=dict[int, list[Edge]])
    unsettled: set[int] = field(default_factory=set[int])
    prepared: tuple[Resource, ...] = ()
    grouped: dict[int, GroupPath] = field(default_factory=dict[int, GroupPath])
    inferred: bool = False
    warnings: list[str] = field(default_factory=list[str])
    loops: list[Loop] = field(default_factory=list[Loop])
    loop_of: dict[int, Loop] = field(default_factory=dict[int, Loop])
    across: dict[int, list[Edge]] = field(default_factory=dict[int, list[Edge]])
    body: object = None
    touching: frozenset[int] | None = None

    @cached_property
    def names(self) -> list[str]:
        """A unique name for each node: the task's, with the variable in brackets where it is called more than once.

        What is called in several groups has the group's name before it: `ingest[sales]/load`.
        """
        grouped, nodes = self.grouped, self.nodes
        named = told_apart(
            [node.work.name for node in nodes],
            lambda index: grouped[index][-1] if index in grouped else None,
            lambda index: nodes[index].variable or _path_in(nodes[index]),
        )
        return [name if group is None else f"{self.groups[group]}/{name}" for group, name in named]

    @cached_property
    def groups(self) -> dict[Group, str]:
        """A unique name for each group that holds a node, made as those of nodes are; each after those around it."""
        around: dict[Group, Group | None] = {}
        for path in self.grouped.values():
            for outer, group in zip((None, *path), path, strict=False):
                around.setdefault(group, outer)
        groups = list(around)
        named: dict[Group, str] = {}
        labels = told_apart(
            [group.name for group in groups],
            lambda number: around[groups[number]],
            lambda number: groups[number].variable or "",
        )
        for group, (outer, name) in zip(groups, labels, strict=True):
            named[group] = name if outer is None else f"{named[outer]}/{name}"
        return named

    def path(self, index: int) -> tuple[str, ...]:
        """Gives the names of the groups that a node is in, outermost first."""
        return tuple(self.groups[group] for group in self.grouped.get(index, ()))

    def edges(self) -> Iterator[Edge]:
        """Gives every edge, by target in body order; data edges first."""
        for node in self.nodes:
            for source in node.data:
                yield Edge(source, node.index, "data", "its result is taken here")
            yield from self.ordering.get(node.index, ())

    def upstream(self, index: int) -> Iterable[int]:
        """Gives the nodes that node `index` waits for directly, each once."""
        data = self.nodes[index].data
        if index not in self.ordering:
            return data
        return dict.fromkeys([*data, *(edge.source for edge in self.ordering[index])])

    @cached_property
    def order(self) -> list[int]:
        """Every node after all it waits for, and otherwise in body order.

        Raises:
            GraphError: some nodes wait for each other.
        """
        if all(edge.source < edge.target for edges in self.ordering.values() for edge in edges):
            return list(range(len(self.nodes)))
        if not self.loops:
            return in_order(len(self.nodes), self.upstream, self._refuse)
        pairs = ((source, node.index) for node in self.nodes for source in self.upstream(node.index))
        return list(self._nested_order(None, self.nesting.edges(pairs)))

    @cached_property
    def nesting(self) -> Nesting:
        """Which nodes lie in which loops."""
        return Nesting(len(self.nodes), self.loops, self.loop_of)

    def _nested_order(self, scope: Loop | None, waits: dict[Loop | None, dict[int, dict[int, None]]]) -> Iterator[int]:
        """Gives the nodes in a loop, or all; those of a loop in it follow each other."""
        members = self.nesting.members(scope)
        place = {key: at for at, key in enumerate(members)}

        def upstream(at: int) -> list[int]:
            return [place[key] for key in waits[scope].get(members[at], ())]

        def refuse(cycle: list[int]) -> GraphError:
            loops = [self.nesting.loop(members[at]) for at in cycle]
            return self._refuse([members[at] if not loop else loop.item for at, loop in zip(cycle, loops, strict=True)])

        for at in in_order(len(members), upstream, refuse):
            loop = self.nesting.loop(members[at])
            yield from [members[at]] if loop is None else self._nested_order(loop, waits)

    def _refuse(self, cycle: list[int]) -> GraphError:
        lines = [f"    `{self.names[index]}` at {self.nodes[index].site}" for index in cycle]
        waits = self.ordering
        named = next(
            (e for i, target in enumerate(cycle) for e in waits.get(target, ()) if e.source == cycle[i - 1]), None
        )
        drop = ""
        if named is not None:
            target, source = self.nodes[named.target].work.name, self.nodes[named.source].work.name
            drop = f"`{source}` from the depends_on of `{target}`, or call them so that no value flows back"
        return GraphError(
            f"{len(cycle)} tasks wait for each other:\n" + "\n".join(lines),
            site=self.nodes[cycle[0]].site,
            fix=f"drop {drop}" if drop else "break the loop",
        )

    @cached_property
    def depths(self) -> list[int]:
        """For each node how many visible nodes must end before it can start, along the longest path."""
        depths = [0] * len(self.nodes)
        for index in self.order:
            for source in self.upstream(index):
                beyond = depths[source] + (not self.nodes[source].hidden)
                depths[index] = max(depths[index], beyond)
        return depths

    def levels(self) -> list[list[int]]:
        """Gives the visible nodes by depth: none waits for another of its level. For people; runs go by readiness."""
        levels: list[list[int]] = []
        for node in self.nodes:
            if not node.hidden:
                while len(levels) <= self.depths[node.index]:
                    levels.append([])
                levels[self.depths[node.index]].append(node.index)
        return [level for level in levels if level]

    def visible_edges(self) -> Iterator[Edge]:
        """Gives the edges between visible nodes; a value that goes through hidden ones counts as one data edge."""
        for node in self.nodes:
            if node.hidden:
                continue
            seen: set[tuple[int, EdgeKind]] = set()
            for edge in self._arriving(node.index):
                if (edge.source, edge.kind) not in seen:
                    seen.add((edge.source, edge.kind))
                    yield edge

    def _arriving(self, index: int) -> Iterator[Edge]:
        for source in self.nodes[index].data:
            for shown in self.shown(source):
                yield Edge(shown, index, "data", "its result is taken here")
        for edge in self.ordering.get(index, ()):
            if self.nodes[edge.source].hidden:
                yield from (replace(edge, source=source) for source in self.shown(edge.source))
            else:
                yield edge

    def hidden_above(self, index: int) -> set[int]:
        """Gives the hidden nodes whose values reach a node without a visible one between."""
        pending, found = [index], set[int]()
        while pending:
            for source in self.nodes[pending.pop()].data:
                if source not in found and self.nodes[source].hidden:
                    found.add(source)
                    pending.append(source)
        return found

    def shown(self, index: int) -> Iterator[int]:
        """Gives the node itself, or for a hidden one the visible nodes whose values reach it."""
        pending, seen = [index], set[int]()
        while pending:
            source = pending.pop()
            if source not in seen:
                seen.add(source)
                if self.nodes[source].hidden:
                    pending.extend(reversed(self.nodes[source].data))
                else:
                    yield source


def _path_in(node: Node) -> str:
    """Gives the path of the resource whose method a node calls, in place of a variable; empty for other nodes."""
    resource = node.args[0] if node.work.kind == "storage" else None
    return resource.label.partition("/")[2] if isinstance(resource, Resource) else ""


def in_order(
    count: int, upstream: Callable[[int], Iterable[int]], refuse: Callable[[list[int]], GraphError]
) -> list[int]:
    """Gives 0..count-1 so that each comes after its `upstream`, the smallest first where there is a choice.

    Raises:
        GraphError: what `refuse` makes of a cycle, given as a path in which each waits for the one before it.
    """
    waiting = [0] * count
    downstream: list[list[int]] = [[] for _ in range(count)]
    for index in range(count):
        for source in upstream(index):
            waiting[index] += 1
            downstream[source].append(index)
    ready = [index for index in range(count) if not waiting[index]]
    heapify(ready)
    order: list[int] = []
    while ready:
        index = heappop(ready)
        order.append(index)
        for target in downstream[index]:
            waiting[target] -= 1
            if not waiting[target]:
                heappush(ready, target)
    if len(order) < count:
        raise refuse(_cycle_among([index for index in range(count) if waiting[index]], upstream))
    return order


def _cycle_among(stuck: list[int], upstream: Callable[[int], Iterable[int]]) -> list[int]:
    """Gives a cycle among nodes that all wait for one of themselves: in running order, from its first in body order."""
    members = set(stuck)
    path, places = [stuck[0]], {stuck[0]: 0}
    while True:
        step = next(source for source in upstream(path[-1]) if source in members)
        if step in places:
            cycle = path[places[step] :][::-1]
            start = cycle.index(min(cycle))
            return cycle[start:] + cycle[:start]
        places[step] = len(path)
        path.append(step)
