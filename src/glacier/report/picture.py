"""What a diagram shows, before it is drawn: shapes and arrows, folded where there are too many to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from glacier.access import touches
from glacier.graph import EdgeKind, Graph, Node
from glacier.work import StorageCall

ShapeKind = Literal["task", "check", "storage", "barrier", "input", "resource"]
ArrowKind = Literal["data", "explicit", "resource", "gate", "branch", "read", "write", "both"]

_STRENGTH: tuple[ArrowKind, ...] = ("data", "gate", "branch", "explicit", "resource", "both", "read", "write")
"""Of several arrows between two shapes, the first of these is drawn."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing of a picture.

    Attributes:
        key: stable from one drawing of a graph to the next, and plain ASCII.
        count: how many nodes or resources it stands for.
        level: how many levels of tasks come before it.
        last: the same for the last of the nodes it stands for.
        title: what is worth telling beyond the label: the full name and the site, or a resource's URI.
    """

    key: str
    kind: ShapeKind
    label: str
    title: str
    level: int
    last: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line between two shapes, by their places in the picture.

    Attributes:
        kind: of an edge; or `read` and `write` from and to a resource, `both` from a resource that is also written to.
        gate: whether a False result of the source skips the target.
    """

    source: int
    target: int
    kind: ArrowKind
    gate: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes in running order (inputs and resources last) and the arrows between them, at most one per pair."""

    name: str
    shapes: list[Shape]
    arrows: list[Arrow]
    nodes: int
    levels: int


Grouping = Callable[[Node, int], object]


def picture(graph: Graph, *, resources: bool, most_shapes: int, most_arrows: int, fold: bool = False) -> Picture:
    """Gives the picture of `graph`; above the limits, or with `fold`, repeated calls of one task become one shape."""
    groupings: tuple[Grouping, ...] = (
        lambda node, level: node.index,
        lambda node, level: (_kind_of_call(node), level),
        lambda node, level: _kind_of_call(node),
        lambda node, level: level,
    )
    for grouping in groupings[1 if fold else 0 :]:
        drawing = _Drawing(graph, grouping)
        if len(drawing.members) > most_shapes:
            continue
        drawn = drawing.picture(resources=resources)
        if len(drawn.shapes) <= most_shapes and len(drawn.arrows) <= most_arrows:
            return drawn
    return _Drawing(graph, lambda node, level: None).picture(resources=resources)


def _kind_of_call(node: Node) -> str:
    work = node.work
    return f"….{work.verb}" if isinstance(work, StorageCall) else work.name


class _Drawing:
    """Makes the picture of one graph with one way of grouping its nodes."""

    def __init__(self, graph: Graph, grouping: Grouping) -> None:
        self.graph = graph
        self.depths = graph.depths
        self.shapes: list[Shape] = []
        self.arrows: dict[tuple[int, int], Arrow] = {}
        self.shape_of: dict[int, int] = {}
        members: dict[object, list[int]] = {}
        for index in graph.order:
            node = graph.nodes[index]
            if not node.hidden:
                members.setdefault(grouping(node, self.depths[index]), []).append(index)
        self.members = list(members.values())

    def picture(self, *, resources: bool) -> Picture:
        checks = {edge.source for edges in self.graph.ordering.values() for edge in edges if edge.gate}
        for group in self.members:
            self._add_group(group, checks)
        for edge in self.graph.visible_edges():
            if edge.source in self.shape_of:
                self._arrow(self.shape_of[edge.source], self.shape_of[edge.target], edge.kind, gate=edge.gate)
        self._add_inputs()
        if resources:
            self._add_resources()
        nodes = sum(len(group) for group in self.members)
        levels = len({self.depths[index] for group in self.members for index in group})
        return Picture(self.graph.name, self.shapes, list(self.arrows.values()), nodes, levels)

    def _add_group(self, group: list[int], checks: set[int]) -> None:
        first = self.graph.nodes[group[0]]
        for index in group:
            self.shape_of[index] = len(self.shapes)
        kind: ShapeKind
        match first.work.kind:
            case "storage":
                kind = "storage"
            case "barrier":
                kind = "barrier"
            case _:
                kind = "check" if first.index in checks else "task"
        name = self.graph.names[first.index]
        if len(group) > 1:
            same = {_kind_of_call(self.graph.nodes[index]) for index in group}
            name = same.pop() if len(same) == 1 else "tasks"
        title = f"{name}, {first.site}" if len(group) == 1 else f"{name}, {len(group):,} calls, first at {first.site}"
        depths = [self.depths[index] for index in group]
        self.shapes.append(Shape(f"n{first.index}", kind, name, title, min(depths), max(depths), len(group)))

    def _arrow(self, source: int, target: int, kind: ArrowKind | EdgeKind, *, gate: bool = False) -> None:
        if source == target:
            return
        known = self.arrows.get((source, target))
        if known is not None:
            gate = gate or known.gate
            kind = known.kind if _STRENGTH.index(known.kind) < _STRENGTH.index(kind) else kind
        self.arrows[source, target] = Arrow(source, target, kind, gate)

    def _add_inputs(self) -> None:
        """Draws each input, with arrows to the nodes its value reaches directly or through expressions."""
        nodes = self.graph.nodes
        reached: dict[int, dict[int, None]] = {}
        for node in nodes:
            if node.hidden:
                inputs = {node.index: None} if node.work.kind == "input" else {}
                for source in node.data:
                    inputs |= reached.get(source, {})
                if inputs:
                    reached[node.index] = inputs
        place: dict[int, int] = {}
        for node in nodes:
            if node.work.kind == "input":
                place[node.index] = len(self.shapes)
                self.shapes.append(Shape(f"i{node.index}", "input", node.work.name, f"input {node.work.name}", 0, 0))
        for target, shape in self.shape_of.items():
            for source in nodes[target].data:
                for index in reached.get(source, ()):
                    self._arrow(place[index], shape, "data")

    def _add_resources(self) -> None:
        """Draws each resource; in a folded picture, one shape for those that the same shapes touch in the same way."""
        labels: dict[str, str] = {}
        users: dict[str, dict[int, ArrowKind]] = {}
        for index, shape in self.shape_of.items():
            for touch in touches(self.graph.nodes[index]):
                uri, access = touch.resource.uri, touch.access
                labels.setdefault(uri, touch.resource.label)
                kind: ArrowKind = "both" if access.reads and access.writes else "write" if access.writes else "read"
                known = users.setdefault(uri, {}).get(shape, kind)
                users[uri][shape] = kind if known == kind else "both"
        folded = len(self.members) < len(self.shape_of)
        alike: dict[object, list[str]] = {}
        for uri, touching in users.items():
            alike.setdefault(frozenset(touching.items()) if folded else uri, []).append(uri)
        for number, uris in enumerate(alike.values()):
            self._add_resource(number, uris, labels, users[uris[0]])

    def _add_resource(
        self, number: int, uris: list[str], labels: dict[str, str], touching: dict[int, ArrowKind]
    ) -> None:
        place = len(self.shapes)
        same = Counter(labels[uri] for uri in uris)
        label = next(iter(same)) if len(same) == 1 else "resources"
        title = uris[0] if len(uris) == 1 else f"{len(uris):,} resources, first {uris[0]}"
        self.shapes.append(Shape(f"r{number}", "resource", label, title, 0, 0, len(uris)))
        for shape, kind in touching.items():
            if kind == "write":
                self._arrow(shape, place, kind)
            else:
                self._arrow(place, shape, kind)
