"""A picture as SVG. Where things go is graphlay's work; how they look is told here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast
from xml.sax.saxutils import escape, quoteattr

from glacier.errors import MissingExtra
from glacier.report.fitting import columns, counted, printable, shortened

if TYPE_CHECKING:
    from glacier.report.picture import Arrow, ArrowKind, Box, Picture, Shape, ShapeKind

Point = tuple[float, float]

_COLUMN = 7.3  # px, of a character in the font below
_HEIGHTS: dict[ShapeKind, float] = {
    "task": 34, "check": 34, "storage": 34, "barrier": 26, "input": 26, "resource": 44, "function": 34, "group": 40,
}  # fmt: skip
_PADDING: dict[ShapeKind, float] = {
    "task": 28, "check": 34, "storage": 28, "barrier": 28, "input": 26, "resource": 28, "function": 40, "group": 34,
}  # fmt: skip
_INSET = 7.0
"""px at the top and bottom of a shape where no arrow ends; graphlay uses a whole side, so it is told of less height."""
_MOST_ARROWS = 20
"""A shape's height makes room for so many arrows side by side; more lie closer."""
_MARGIN = 20.0
_TITLE = 34.0
_ENTRY = 30.0
_LEGEND: dict[ArrowKind, str] = {
    "data": "takes its result",
    "explicit": "depends_on or .after",
    "resource": "same resource",
    "gate": "runs if the check is true",
    "branch": "one side of a branch",
    "loop": "once for each item",
    "read": "reads or writes",
}
_BOX = 16.0
"""px between a box and what stands in it, and the height of its name."""
_STYLE = """
.glacier-graph { --page: #ffffff; --ink: #1d2433; --quiet: #667085; --line: #475467; --faint: #98a2b3;
  --task: #eef4ff; --task-edge: #3367d6; --check: #fff3df; --check-edge: #b86e00; --storage: #e8f7ee;
  --storage-edge: #1e7f4b; --box: #7a93c4; --resource: #f5f6f8; --input: #f6eefe; --input-edge: #7b3fb8;
  --function: #fdf0ef; --function-edge: #b3423a;
  font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (prefers-color-scheme: dark) { .glacier-graph { --page: #14181f; --ink: #e6eaf2; --quiet: #98a2b3;
  --line: #a5b0c2; --faint: #667085; --task: #1b2a47; --task-edge: #7ea6ff; --check: #3a2a10; --check-edge: #f0b45a;
  --storage: #15311f; --storage-edge: #5fc98d; --box: #5f7db8; --resource: #222831;
  --input: #2d1f42; --input-edge: #c39af0; --function: #3b1d1b; --function-edge: #f0958e; } }
.glacier-graph .page { fill: var(--page); }
.glacier-graph text { fill: var(--ink); text-anchor: middle; dominant-baseline: central; }
.glacier-graph .head { text-anchor: start; font-size: 14px; font-weight: 600; }
.glacier-graph .legend text, .glacier-graph .sum { text-anchor: start; fill: var(--quiet); font-size: 11px;
  font-weight: 400; }
.glacier-graph .shape { stroke-width: 1.3; }
.glacier-graph .task .shape { fill: var(--task); stroke: var(--task-edge); }
.glacier-graph .check .shape { fill: var(--check); stroke: var(--check-edge); }
.glacier-graph .storage .shape { fill: var(--storage); stroke: var(--storage-edge); }
.glacier-graph .barrier .shape, .glacier-graph .resource .shape { fill: var(--resource); stroke: var(--quiet); }
.glacier-graph .input .shape { fill: var(--input); stroke: var(--input-edge); }
.glacier-graph .function .shape { fill: var(--function); stroke: var(--function-edge); }
.glacier-graph .group .shape { fill: var(--task); stroke: var(--task-edge); stroke-width: 2.6; }
.glacier-graph .box rect { fill: var(--box); fill-opacity: 0.09; stroke: var(--box); stroke-opacity: 0.6; }
.glacier-graph .box text { fill: var(--quiet); text-anchor: start; font-size: 11px; font-weight: 600; }
.glacier-graph .loop rect { stroke-dasharray: 6 4; }
.glacier-graph .composite rect { fill: var(--faint); stroke: var(--faint); }
.glacier-graph .edge { fill: none; stroke: var(--line); stroke-width: 1.4; }
.glacier-graph .explicit { stroke-dasharray: 7 4; }
.glacier-graph .resource-order { stroke-dasharray: 1.5 4; stroke-linecap: round; stroke-width: 1.8; }
.glacier-graph .branch { stroke: var(--input-edge); stroke-dasharray: 9 3 2 3; }
.glacier-graph .edge.loop { stroke: var(--task-edge); stroke-dasharray: 12 3; }
.glacier-graph .gate { stroke: var(--check-edge); stroke-width: 1.8; }
.glacier-graph .read, .glacier-graph .write, .glacier-graph .both { stroke: var(--faint); stroke-width: 1.1; }
.glacier-graph .tip { fill: var(--line); }
.glacier-graph .tip-gate { fill: var(--check-edge); }
.glacier-graph .tip-faint { fill: var(--faint); }
""".strip()
_TIP = '<path class="{tip}" d="M0,0.6 L8,4 L0,7.4 z"/>'
_MARKERS = "".join(
    f'<marker id="glacier-{tip}" viewBox="0 0 8 8" refX="7.4" refY="4" markerWidth="8" markerHeight="8" '
    f'markerUnits="userSpaceOnUse" orient="auto-start-reverse">{_TIP.format(tip=tip)}</marker>'
    for tip in ("tip", "tip-gate", "tip-faint")
) + (
    '<marker id="glacier-check" viewBox="0 0 12 8" refX="0" refY="4" markerWidth="12" markerHeight="8" '
    'markerUnits="userSpaceOnUse" orient="auto"><path class="tip-gate" d="M0,4 L6,0.4 L12,4 L6,7.6 z"/></marker>'
)


class _Layout(Protocol):
    """The part of graphlay's result that is used; its dicts are not typed."""

    @property
    def nodes(self) -> Sequence[dict[str, Any]]: ...
    @property
    def edges(self) -> Sequence[dict[str, Any]]: ...
    @property
    def bounds(self) -> dict[str, Any]: ...


def svg(picture: Picture) -> str:
    """Gives the picture as a document that needs no other file and reads on light and dark.

    Raises:
        MissingExtra: graphlay is not installed.
    """
    turned = list(_turned(picture))
    sizes = _sizes(picture, turned)
    layout = _laid_out(picture, sizes, turned)
    (left, top), (right, bottom) = _point(layout.bounds["min"]), _point(layout.bounds["max"])
    low, high = (left, top - _INSET), (right, bottom + _INSET)
    shift = (_MARGIN - low[0], _MARGIN + _TITLE - low[1])
    legend = _legend(picture)
    summary = _summary(picture)
    heading = 8.5 * columns(shortened(picture.name, 60)) + 14
    wanted = max(high[0] - low[0], heading + _COLUMN * columns(summary), *(_entry_width(k) for k in legend), 0)
    rows = _legend_rows(legend, wanted)
    width = wanted + 2 * _MARGIN
    bottom = _TITLE + _MARGIN + (high[1] - low[1])
    height = bottom + (14 + 20 * len(rows) if rows else 0) + _MARGIN
    placed = [_moved(_point(node["center"]), shift) for node in layout.nodes[: len(sizes)]]
    body = [_box(*each) for each in zip(picture.boxes, _frames(picture, layout, placed, sizes, shift), strict=True)]
    for arrow, edge, backwards in zip(picture.arrows, layout.edges, turned, strict=True):
        points = [_moved(_point(point), shift) for point in edge["points"]]
        body.append(_edge(arrow, points[::-1] if backwards else points))
    body += [_shape(*each) for each in zip(picture.shapes, placed, sizes, strict=True)]
    name = escape(printable(picture.name))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="glacier-graph" role="img" width="{width:.0f}" '
            f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:100%;height:auto">',
            f"<title>{name}</title>",
            f"<desc>Pipeline {name}: {escape(summary)}</desc>",
            f"<style>{_STYLE}</style>",
            f"<defs>{_MARKERS}</defs>",
            f'<rect class="page" width="{width:.0f}" height="{height:.0f}" rx="8"/>',
            f'<text class="head" x="{_MARGIN:.0f}" y="24">{escape(shortened(picture.name, 60))}'
            f'<tspan class="sum" dx="12">{escape(summary)}</tspan></text>',
            *body,
            *_drawn_legend(rows, bottom + 22),
            "</svg>",
            "",
        ]
    )


def _laid_out(picture: Picture, sizes: list[Point], turned: list[bool]) -> _Layout:
    try:
        import graphlay
    except ImportError:
        raise MissingExtra(
            "a diagram as SVG needs graphlay, which is not installed", fix="pip install 'glacier-pipelines[svg]'"
        ) from None
    graph = graphlay.Graph()
    first_box = len(picture.shapes)  # the engine counts boxes after the shapes
    for shape, (width, height) in zip(picture.shapes, sizes, strict=True):
        graph.node(shape.key, width=width, height=height - 2 * _INSET, **_parent(shape.box, first_box))
    for box in picture.boxes:
        graph.node(box.key, width=_box_width(box), height=_BOX, **_parent(box.parent, first_box))
    for arrow, backwards in zip(picture.arrows, turned, strict=True):
        ends = picture.shapes[arrow.source].key, picture.shapes[arrow.target].key
        graph.edge(*(ends[::-1] if backwards else ends))
    spacing = {"layer_gap": 64.0, "node_gap": 32.0, "dummy_gap": 20.0, "port_gap": 9.0, "isolated_gap": 32.0}
    spacing |= {"compound_padding": _BOX + _INSET, "compound_header": _BOX}
    options = {"direction": "leftright", "spacing": spacing, "routing": {"port_sides": "facing_only"}}
    return cast("_Layout", graphlay.layout(graph, options=options))


def _summary(picture: Picture) -> str:
    return f"{counted(picture.nodes, 'node')}, {counted(picture.levels, 'level')}"


def _label(drawn: Shape | Box) -> str:
    label = shortened(drawn.label, 32)
    return label if drawn.count == 1 else f"{label} × {drawn.count:,}"  # the sign for "times"


def _box_width(box: Box) -> float:
    return columns(_label(box)) * 6.7 + 24


def _parent(box: int | None, first_box: int) -> dict[str, Any]:
    return {} if box is None else {"parent": first_box + box}


def _outermost(picture: Picture, shape: Shape) -> int | None:
    box = shape.box
    while box is not None and picture.boxes[box].parent is not None:
        box = picture.boxes[box].parent
    return box


def _turned(picture: Picture) -> Iterator[bool]:
    """Tells of each arrow whether it leads back: to a resource in a box that tasks also read from.

    Such a box stands left of all its tasks. To the layout, arrows into it point the other way, or it would tear apart
    what lies between a read and a write.
    """
    shapes = picture.shapes
    read = {_outermost(picture, shapes[arrow.source]) for arrow in picture.arrows if arrow.kind in ("read", "both")}
    for arrow in picture.arrows:
        box = _outermost(picture, shapes[arrow.target])
        yield arrow.kind == "write" and box is not None and box in read


def _frames(
    picture: Picture, layout: _Layout, placed: list[Point], sizes: list[Point], shift: Point
) -> list[tuple[Point, Point]]:
    """Gives the corners of each box: close around what stands in it, and within the room that the layout gave it."""
    inside: list[list[tuple[Point, Point]]] = [[] for _ in picture.boxes]
    for shape, (x, y), (width, height) in zip(picture.shapes, placed, sizes, strict=True):
        if shape.box is not None:
            inside[shape.box].append(((x - width / 2, y - height / 2), (x + width / 2, y + height / 2)))
    frames: list[tuple[Point, Point]] = []
    for place in reversed(range(len(picture.boxes))):  # boxes come after those around them
        box, node = picture.boxes[place], layout.nodes[len(sizes) + place]
        x, y = _moved(_point(node["center"]), shift)
        width, height = node["size"]["width"], node["size"]["height"]
        left = min(corner[0] for corner, _ in inside[place]) - _BOX
        right = max(max(corner[0] for _, corner in inside[place]) + _BOX, left + _box_width(box))
        top, bottom = y - height / 2, y + height / 2
        frame = (max(left, x - width / 2), top), (min(right, x + width / 2), bottom)
        frames.append(frame)
        if box.parent is not None:
            inside[box.parent].append(frame)
    return frames[::-1]


def _box(box: Box, frame: tuple[Point, Point]) -> str:
    """Draws a frame with its name at the top left."""
    (left, top), (right, bottom) = frame
    return (
        f'<g class="box {box.kind}"><title>{escape(printable(box.title))}</title>'
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" rx="10"/>'
        f'<text x="{left + 12:.1f}" y="{top + 15:.1f}">{escape(_label(box))}</text></g>'
    )


def _sizes(picture: Picture, turned: list[bool]) -> list[Point]:
    """Gives each shape's width and height: as wide as its label, and higher the more arrows meet on a side."""
    sides = Counter[tuple[int, str]]()
    for arrow, backwards in zip(picture.arrows, turned, strict=True):
        left, right = (arrow.source, arrow.target) if backwards else (arrow.target, arrow.source)
        sides.update([(left, "left"), (right, "right")])
    sizes: list[Point] = []
    for place, shape in enumerate(picture.shapes):
        width = round(columns(_label(shape)) * _COLUMN + _PADDING[shape.kind])
        arrows = min(max(sides[place, "left"], sides[place, "right"]), _MOST_ARROWS)
        height = _HEIGHTS[shape.kind] if shape.kind == "input" else max(_HEIGHTS[shape.kind], 2 * _INSET + 8.0 * arrows)
        sizes.append((float(max(width, 48)), height))
    return sizes


def _point(raw: dict[str, float]) -> Point:
    return raw["x"], raw["y"]


def _moved(point: Point, shift: Point) -> Point:
    return point[0] + shift[0], point[1] + shift[1]


def _shape(shape: Shape, center: Point, size: Point) -> str:
    (x, y), (width, height) = center, size
    left, top = x - width / 2, y - height / 2
    match shape.kind:
        case "check":
            cut = _INSET
            across, down = f"{width - 2 * cut:.1f}", f"{height - 2 * cut:.1f}"
            line = f"M{left + cut:.1f},{top:.1f} h{across} l{cut},{cut} v{down} l-{cut},{cut} h-{across} l-{cut},-{cut}"
            outline = f'<path class="shape" d="{line} v-{down} z"/>'
        case "resource":
            arc = f"a{width / 2:.1f},6 0 0 "
            outline = (
                f'<path class="shape" d="M{left:.1f},{top + 6:.1f} {arc}1 {width:.1f},0 v{height - 12:.1f} '
                f'{arc}1 -{width:.1f},0 z m0,0 {arc}0 {width:.1f},0"/>'
            )
            y += 5
        case "function":
            along, middle = width - 2 * _INSET, height / 2
            line = f"M{left + _INSET:.1f},{top:.1f} h{along:.1f} l{_INSET},{middle:.1f} l-{_INSET},{middle:.1f}"
            outline = f'<path class="shape" d="{line} h-{along:.1f} l-{_INSET},-{middle:.1f} z"/>'
        case kind:
            round_by = {"task": 8.0, "group": 10.0, "storage": 1.0, "barrier": 1.0}.get(kind, height / 2)
            size_and_place = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
            outline = f'<rect class="shape" {size_and_place} rx="{round_by:.0f}"/>'
    title = escape(printable(shape.title))
    return (
        f"<g class={quoteattr(shape.kind)}><title>{title}</title>{outline}"
        f'<text x="{x:.1f}" y="{y:.1f}">{escape(_label(shape))}</text></g>'
    )


def _edge(arrow: Arrow, points: list[Point]) -> str:
    return f'<path {_look(arrow.kind, gate=arrow.gate)} d="{_rounded(points)}"/>'


def _look(kind: ArrowKind, *, gate: bool) -> str:
    tip = "tip-gate" if kind == "gate" else "tip-faint" if kind in ("read", "write", "both") else "tip"
    name = "resource-order" if kind == "resource" else kind
    start = ' marker-start="url(#glacier-check)"' if gate else ""
    if kind == "both":
        start = f' marker-start="url(#glacier-{tip})"'
    return f'class="edge {name}" marker-end="url(#glacier-{tip})"{start}'


def _rounded(points: list[Point], radius: float = 7.0) -> str:
    """Gives a path through right-angled points with its corners rounded."""
    parts = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(corner, before, radius), _towards(corner, after, radius)
        parts.append(f"L{near[0]:.1f},{near[1]:.1f} Q{corner[0]:.1f},{corner[1]:.1f} {far[0]:.1f},{far[1]:.1f}")
    parts.append(f"L{points[-1][0]:.1f},{points[-1][1]:.1f}")
    return " ".join(parts)


def _towards(start: Point, end: Point, distance: float) -> Point:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = abs(dx) + abs(dy)
    share = min(distance / length, 0.5) if length else 0.0
    return start[0] + dx * share, start[1] + dy * share


def _legend(picture: Picture) -> list[ArrowKind]:
    """Gives the kinds to explain: none where every arrow is plain data."""
    used: set[ArrowKind] = {"read" if a.kind in ("write", "both") else a.kind for a in picture.arrows}
    used |= {"gate" for a in picture.arrows if a.gate}
    return [kind for kind in _LEGEND if kind in used] if used - {"data", "read"} else []


def _entry_width(kind: ArrowKind) -> float:
    return _ENTRY + 8 + 6.7 * len(_LEGEND[kind]) + 22


def _legend_rows(kinds: list[ArrowKind], width: float) -> list[list[ArrowKind]]:
    rows: list[list[ArrowKind]] = []
    left = 0.0
    for kind in kinds:
        if not rows or _entry_width(kind) > left:
            rows.append([])
            left = width
        rows[-1].append(kind)
        left -= _entry_width(kind)
    return rows


def _drawn_legend(rows: list[list[ArrowKind]], top: float) -> list[str]:
    drawn: list[str] = []
    for number, kinds in enumerate(rows):
        x, y = _MARGIN, top + 20 * number
        for kind in kinds:
            drawn.append(
                f'<g class="legend"><path {_look(kind, gate=kind == "gate")} d="M{x:.1f},{y:.1f} h{_ENTRY:.0f}"/>'
                f'<text x="{x + _ENTRY + 8:.1f}" y="{y:.1f}">{_LEGEND[kind]}</text></g>'
            )
            x += _entry_width(kind)
    return drawn
