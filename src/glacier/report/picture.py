"""What a diagram shows, before it is drawn: shapes and arrows, folded where there are too many to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from glacier.access import touches
from glacier.graph import EdgeKind, Graph, Node, Resource
from glacier.groups import Group, GroupKind, GroupPath
from glacier.work import StorageCall

ShapeKind = Literal["task", "check", "storage", "barrier", "input", "resource", "function", "group"]
BoxKind = GroupKind | Literal["composite"]
ArrowKind = Literal["data", "explicit", "resource", "gate", "branch", "loop", "read", "write", "both"]

_STRENGTH: tuple[ArrowKind, ...] = ("data", "gate", "branch", "loop", "explicit", "resource", "both", "read", "write")
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
        box: the place, in the picture's boxes, of the innermost one it stands in.
    """

    key: str
    kind: ShapeKind
    label: str
    title: str
    level: int
    last: int
    count: int = 1
    box: int | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A frame around what belongs together: a pipeline called in the body, a composite resource.

    Attributes:
        key: as a shape's.
        parent: the place of the box around it; boxes come after those around them.
        count: how many groups it stands for.
    """

    key: str
    kind: BoxKind
    label: str
    title: str
    parent: int | None
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
    boxes: list[Box]
    nodes: int
    levels: int


@dataclass(frozen=True, slots=True)
class _Fold:
    """What becomes one shape, and what one box.

    Attributes:
        together: of a node and its level, a key that nodes of one shape share.
        boxes: of the groups around a node, a key for each box to draw.
        whole: whether a group is one shape.
    """

    together: Callable[[Node, int], object]
    boxes: Callable[[GroupPath], tuple[object, ...]]
    whole: bool = False


def picture(graph: Graph, *, resources: bool, most_shapes: int, most_arrows: int, fold: bool = False) -> Picture:
    """Gives the picture of `graph`; above the limits, or with `fold`, repeated calls of one task become one shape.

    Calls of one pipeline then become one box, and if that is still too much, one shape.
    """
    for way in _folds(graph)[1 if fold else 0 :]:
        drawing = _Drawing(graph, way)
        if len(drawing.members) > most_shapes:
            continue
        drawn = drawing.picture(resources=resources)
        if len(drawn.shapes) <= most_shapes and len(drawn.arrows) <= most_arrows:
            return drawn
    return _Drawing(graph, _Fold(lambda node, level: None, _no_boxes)).picture(resources=resources)


def _folds(graph: Graph) -> list[_Fold]:
    """Gives the ways to fold a graph, the finest first."""

    def alike(node: Node) -> object:
        return _alike(graph.grouped.get(node.index, ()))

    def outermost(node: Node, level: int) -> object:
        path = graph.grouped.get(node.index)
        return (path[0].kind, path[0].name) if path else _kind_of_call(node)

    groups = [_Fold(outermost, _no_boxes, whole=True)] if graph.grouped else []
    return [
        _Fold(lambda node, level: node.index, lambda path: path),
        _Fold(lambda node, level: (alike(node), _kind_of_call(node), level), _alike),
        _Fold(lambda node, level: (alike(node), _kind_of_call(node)), _alike),
        *groups,
        _Fold(lambda node, level: level, _no_boxes),
    ]


def _alike(path: GroupPath) -> tuple[object, ...]:
    return tuple((group.kind, group.name) for group in path)


def _no_boxes(path: GroupPath) -> tuple[object, ...]:
    return ()


def _kind_of_call(node: Node) -> str:
    work = node.work
    return f"….{work.verb}" if isinstance(work, StorageCall) else work.name


class _Drawing:
    """Makes the picture of one graph with one way of folding its nodes."""

    def __init__(self, graph: Graph, fold: _Fold) -> None:
        self.graph = graph
        self.fold = fold
        self.depths = graph.depths
        self.shapes: list[Shape] = []
        self.arrows: dict[tuple[int, int], Arrow] = {}
        self.boxes: list[Box] = []
        self.shape_of: dict[int, int] = {}
        members: dict[object, list[int]] = {}
        for index in graph.order:
            node = graph.nodes[index]
            if not node.hidden:
                members.setdefault(fold.together(node, self.depths[index]), []).append(index)
        self.members = list(members.values())
        self.box_of: dict[tuple[object, ...], int] = {}

    def picture(self, *, resources: bool) -> Picture:
        checks = {edge.source for edges in self.graph.ordering.values() for edge in edges if edge.gate}
        self._add_boxes()
        for group in self.members:
            self._add_members(group, checks)
        for edge in self.graph.visible_edges():
            if edge.source in self.shape_of:
                self._arrow(self.shape_of[edge.source], self.shape_of[edge.target], edge.kind, gate=edge.gate)
        self._add_inputs()
        if resources:
            self._add_resources()
        nodes = sum(len(group) for group in self.members)
        levels = len({self.depths[index] for group in self.members for index in group})
        return Picture(self.graph.name, self.shapes, list(self.arrows.values()), self.boxes, nodes, levels)

    def _add_boxes(self) -> None:
        """Adds the box of each group that holds a node to be seen, or of all that are folded into one."""
        inside: dict[tuple[object, ...], dict[Group, Group | None]] = {}
        for index in (index for group in self.members for index in group):
            path = self.graph.grouped.get(index, ())
            keys = self.fold.boxes(path)
            for depth, group in enumerate(path[: len(keys)]):
                inside.setdefault(keys[: depth + 1], {})[group] = path[depth - 1] if depth else None
        for key, groups in inside.items():
            (group, around), count = next(iter(groups.items())), len(groups)
            name = self.graph.groups[group]
            label = name if around is None else name.removeprefix(f"{self.graph.groups[around]}/")
            title = f"{group.kind} {name}, {group.site}"
            if count > 1:
                label, title = group.name, f"{group.kind} {group.name}, {count:,} times, first at {group.site}"
            parent = self.box_of.get(key[:-1])
            self.box_of[key] = len(self.boxes)
            self.boxes.append(Box(f"g{len(self.boxes)}", group.kind, label, title, parent, count))

    def _add_members(self, group: list[int], checks: set[int]) -> None:
        """Adds the shape of nodes that are drawn as one."""
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
        path = self.graph.grouped.get(first.index, ())
        box = self.box_of.get(self.fold.boxes(path))
        count = len(group)
        if path and self.fold.whole:
            kind, count = "group", len({self.graph.grouped[index][0] for index in group})
            name, title = path[0].name, f"{path[0].kind} {path[0].name}, first at {path[0].site}"
        elif count > 1:
            same = {_kind_of_call(self.graph.nodes[index]) for index in group}
            name = same.pop() if len(same) == 1 else "tasks"
            title = f"{name}, {count:,} calls, first at {first.site}"
        else:
            name = self.graph.names[first.index]
            title = f"{name}, {first.site}"
            if box is not None:
                name = name.removeprefix(f"{self.graph.groups[path[-1]]}/")
        depths = [self.depths[index] for index in group]
        self.shapes.append(Shape(f"n{first.index}", kind, name, title, min(depths), max(depths), count, box))

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
        found: dict[str, Resource] = {}
        users: dict[str, dict[int, ArrowKind]] = {}
        for index, shape in self.shape_of.items():
            for touch in touches(self.graph.nodes[index]):
                uri, access = touch.resource.uri, touch.access
                if not found.setdefault(uri, touch.resource).group:
                    found[uri] = touch.resource
                kind: ArrowKind = "both" if access.reads and access.writes else "write" if access.writes else "read"
                known = users.setdefault(uri, {}).get(shape, kind)
                users[uri][shape] = kind if known == kind else "both"
        folded = len(self.members) < len(self.shape_of)
        alike: dict[object, list[Resource]] = {}
        for uri, touching in users.items():
            key = (found[uri].group, found[uri].invocable, frozenset(touching.items())) if folded else uri
            alike.setdefault(key, []).append(found[uri])
        for number, same in enumerate(alike.values()):
            self._add_resource(number, same, users[same[0].uri])

    def _add_resource(self, number: int, same: list[Resource], touching: dict[int, ArrowKind]) -> None:
        place, first = len(self.shapes), same[0]
        labels = {resource.label for resource in same}
        label = first.label if len(labels) == 1 else "resources"
        title = first.uri if len(same) == 1 else f"{len(same):,} resources, first {first.uri}"
        box = self._composite(first.group)
        drawn: ShapeKind = "function" if first.invocable else "resource"
        self.shapes.append(Shape(f"r{number}", drawn, label, title, 0, 0, len(same), box))
        for shape, kind in touching.items():
            if kind == "write":
                self._arrow(shape, place, kind)
            else:
                self._arrow(place, shape, kind)

    def _composite(self, names: tuple[str, ...]) -> int | None:
        """Gives the place of the box of a composite resource, which is added with those around it if it is new."""
        if not names:
            return None
        key = ("composite", *names)
        if key not in self.box_of:
            parent = self._composite(names[:-1])
            self.box_of[key] = len(self.boxes)
            title = f"composite resource {'/'.join(names)}"
            self.boxes.append(Box(f"c{len(self.boxes)}", "composite", names[-1], title, parent))
        return self.box_of[key]
