"""A picture as text: one line per node, lanes of box characters for what waits for what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from glacier.report.fitting import columns, counted, cut, padded, shortened

if TYPE_CHECKING:
    from glacier.report.picture import Box, Picture, Shape, ShapeKind

Style = Literal["data", "explicit", "resource", "gate", "branch", "loop"]

_MARKS: dict[ShapeKind, str] = {
    "task": "●",
    "check": "◆",
    "storage": "■",
    "barrier": "◇",
    "input": "○",
    "resource": "▤",
    "function": "λ",
    "group": "▣",
}
_STYLES: tuple[Style, ...] = ("data", "explicit", "resource", "gate", "branch", "loop")
_VERTICAL: dict[Style, str] = {"data": "│", "explicit": "╎", "resource": "┊", "gate": "┃", "branch": "┆", "loop": "║"}
_HORIZONTAL: dict[Style, str] = {"data": "─", "explicit": "╌", "resource": "┈", "gate": "━", "branch": "┄", "loop": "═"}
_LEGEND: tuple[tuple[Style, str], ...] = (
    ("explicit", "depends_on or .after"),
    ("resource", "same resource"),
    ("gate", "check: False skips what follows"),
    ("branch", "one side of a branch"),
    ("loop", "once for each item"),
)
_JOINTS = {
    "ud": "│", "lr": "─", "ur": "╰", "ul": "╯", "dr": "╭", "dl": "╮",
    "udr": "├", "udl": "┤", "ulr": "┴", "dlr": "┬", "udlr": "┼",
}  # fmt: skip
_TOUCHES = {"read": "←", "write": "→", "both": "↔"}
_BESIDE: tuple[ShapeKind, ...] = ("input", "resource", "function")
"""The kinds of shapes that are no nodes."""
_MOST_RESOURCES = 3
_MOST_LEVELS = 60


@dataclass(slots=True)
class _Lane:
    """A vertical line below `source` that ends at the last of `targets`."""

    source: int
    style: Style
    targets: set[int] = field(default_factory=set[int])
    unseen: bool = True


def lanes(picture: Picture, width: int) -> str | None:
    """Gives a drawing with a line per node, in `width` columns; None where they leave no room for names."""
    drawn = _Lanes(picture, width).lines()
    return None if drawn is None else "\n".join([_title(picture), "", *drawn]).rstrip()


def levels(picture: Picture, width: int) -> str:
    """Gives a line per level with what it calls how often."""
    return "\n".join([_title(picture), "", *_summary(picture, width)])


def _title(picture: Picture) -> str:
    of = f"{counted(picture.nodes, 'node')} in {counted(picture.levels, 'level')}"
    return f"{shortened(picture.name, 60)}: {of}"


class _Lanes:
    """Draws shapes in running order. A lane carries one source's edges of one style; free lanes are used again.

    Where a shape stands in another box than the one before it, the names of its boxes come first, on lines of their
    own; what stands in a box is indented.
    """

    def __init__(self, picture: Picture, width: int) -> None:
        self.picture = picture
        self.width = width
        self.lanes: list[_Lane | None] = []
        self.rows: list[tuple[str, str]] = []
        self.open: tuple[int, ...] = ()
        self.leaving: defaultdict[int, dict[Style, set[int]]] = defaultdict(dict)
        self.touching: defaultdict[int, list[str]] = defaultdict(list)
        for arrow in picture.arrows:
            match arrow.kind:
                case "read" | "both":
                    self._note_resource(arrow.target, arrow.kind, arrow.source)
                case "write":
                    self._note_resource(arrow.source, arrow.kind, arrow.target)
                case kind:
                    style: Style = "gate" if arrow.gate else kind
                    self.leaving[arrow.source].setdefault(style, set()).add(arrow.target)

        shapes = picture.shapes
        indents = {place: 2 * len(_boxes_around(picture, shapes[place])) for place in self.touching}
        wide = [columns(shortened(shapes[place].label, 48)) + indent for place, indent in indents.items()]
        self.names = min(28, max(wide, default=0))

    def lines(self) -> list[str] | None:
        """Gives the drawing and its legend, or None if the lanes leave too little room for names."""
        for place in self._in_order():
            self._draw(place)
            if 2 * len(self.lanes) > max(self.width - 24, 12):
                return None
        if not self.rows:
            return []
        margin = max(len(drawing) for drawing, _ in self.rows) + 2
        lines: list[str] = []
        for drawing, label in self.rows:
            line = f"{drawing:<{margin}}{cut(label, self.width - margin)}" if label else drawing
            lines.append(line.rstrip())
        used = {style for styles in self.leaving.values() for style in styles}
        legend = [f"{_VERTICAL[style]} {meaning}" for style, meaning in _LEGEND if used.intersection({style})]
        return [*lines, "", *_packed(legend, self.width)] if legend else lines

    def _in_order(self) -> Iterator[int]:
        """Gives inputs first, each before what takes it, then the nodes; resources stand beside the nodes' names."""
        shapes = self.picture.shapes
        yield from (place for place, shape in enumerate(shapes) if shape.kind == "input")
        yield from (place for place, shape in enumerate(shapes) if shape.kind not in _BESIDE)

    def _note_resource(self, node: int, kind: Literal["read", "write", "both"], resource: int) -> None:
        self.touching[node].append(f"{_TOUCHES[kind]} {shortened(self.picture.shapes[resource].label, 30)}")

    def _draw(self, place: int) -> None:
        heading = self._open_boxes(place)
        arriving = [c for c, lane in enumerate(self.lanes) if lane is not None and place in lane.targets]
        ended: list[int] = []
        for column in arriving:
            lane = self.lanes[column]
            if lane is not None:
                lane.targets.discard(place)
                if not lane.targets:
                    ended.append(column)
        column = ended[0] if ended else self._free(after=arriving[0] if arriving else -1)
        if arriving:
            self._connect(arriving, ended, column)
            self.rows[-1] = (self.rows[-1][0], heading)
        elif heading:
            self.rows.append((self._verticals({}), heading))
        for end in ended:
            self.lanes[end] = None
        self.rows.append((self._verticals({column: _MARKS[self.picture.shapes[place].kind]}), self._label(place)))
        self._leave(place, column)

    def _open_boxes(self, place: int) -> str:
        """Adds the names of boxes that a shape stands in and the one before did not; gives the last, to be added."""
        path = _boxes_around(self.picture, self.picture.shapes[place])
        opened = [depth for depth in range(len(path)) if path[: depth + 1] != self.open[: depth + 1]]
        headings = [f"{'  ' * depth}{_counted(self.picture.boxes[path[depth]])}:" for depth in opened]
        self.rows += [(self._verticals({}), heading) for heading in headings[:-1]]
        self.open = path
        return headings[-1] if headings else ""

    def _leave(self, place: int, column: int) -> None:
        """Starts the lanes of a node just drawn: the first below it, those of other styles beside it."""
        branches: list[int] = []
        leaving = self.leaving[place]
        for style in _STYLES:
            targets = leaving.get(style)
            if not targets:
                continue
            own = column if not branches else self._free(after=column)
            self.lanes[own] = _Lane(place, style, targets)
            branches.append(own)
        if len(branches) > 1:
            self._row(dict.fromkeys(branches[1:], "d") | {column: "ud"}, {c: self._style(c) for c in branches}, column)
        while self.lanes and self.lanes[-1] is None:
            self.lanes.pop()

    def _free(self, after: int) -> int:
        """Gives the first free lane to the right of lane `after`, a new one if there is none."""
        for column in range(after + 1, len(self.lanes)):
            if self.lanes[column] is None:
                return column
        self.lanes.extend([None] * (max(after + 1, len(self.lanes)) - len(self.lanes) + 1))
        return len(self.lanes) - 1

    def _style(self, column: int) -> Style:
        lane = self.lanes[column]
        return lane.style if lane is not None else "data"

    def _connect(self, arriving: list[int], ended: list[int], column: int) -> None:
        """Adds the row that leads the arriving lanes into `column`."""
        if len(arriving) > 1 and any(lane and lane.unseen and lane.style != "data" for lane in self.lanes):
            self.rows.append((self._verticals({}), ""))
        ends = {c: ("u" if c in ended else "ud") for c in arriving}
        ends[column] = "ud" if column in ends else "d"
        self._row(ends, {c: self._style(c) for c in arriving}, column)

    def _row(self, ends: dict[int, str], styles: dict[int, Style], hub: int) -> None:
        """Adds a row that joins all of `ends` to `hub`; lanes it only passes stay whole and interrupt it."""
        first, last = min(ends), max(ends)
        cells = list(self._verticals({}).ljust(2 * last + 1))
        for at in range(2 * first, 2 * last + 1):
            column, between = divmod(at, 2)
            if between or (column not in ends and (column >= len(self.lanes) or self.lanes[column] is None)):
                beyond: list[Style] = [
                    style for c, style in styles.items() if (2 * c > at > 2 * hub) or (2 * c < at < 2 * hub)
                ]
                style: Style = beyond[0] if beyond and beyond.count(beyond[0]) == len(beyond) else "data"
                cells[at] = _HORIZONTAL[style]
            elif column in ends:
                joined = ends[column] + ("l" if column > first else "") + ("r" if column < last else "")
                cells[at] = _VERTICAL[styles.get(column, "data")] if joined == "ud" else _JOINTS[joined]
        self.rows.append(("".join(cells), ""))

    def _verticals(self, marks: dict[int, str]) -> str:
        cells: list[str] = []
        for column, lane in enumerate(self.lanes):
            cells.append(marks.get(column) or (_VERTICAL[lane.style] if lane else " "))
            if lane is not None and column not in marks:
                lane.unseen = False
        return " ".join(cells)

    def _label(self, place: int) -> str:
        touched = self.touching[place]
        more = f" and {len(touched) - _MOST_RESOURCES} more" if len(touched) > _MOST_RESOURCES else ""
        name = "  " * len(self.open) + shortened(self.picture.shapes[place].label, 48)
        if not touched:
            return name
        return "  ".join([padded(name, self.names), *touched[:_MOST_RESOURCES]]) + more


def _boxes_around(picture: Picture, shape: Shape) -> tuple[int, ...]:
    """Gives the places of the boxes that a shape stands in, outermost first."""
    path: list[int] = []
    box = shape.box
    while box is not None:
        path.append(box)
        box = picture.boxes[box].parent
    return tuple(reversed(path))


def _summary(picture: Picture, width: int) -> Iterator[str]:
    """Gives a line per level, or span of levels, with its tasks, most calls first."""
    spans: defaultdict[tuple[int, int], list[Shape]] = defaultdict(list)
    for shape in picture.shapes:
        if shape.kind not in _BESIDE:
            spans[shape.level, shape.last].append(shape)
    heads = {(low, high): _span(low + 1, high + 1) for low, high in sorted(spans)[:_MOST_LEVELS]}
    margin = max(map(len, heads.values())) + 2
    for span, head in heads.items():
        names = [_full_name(picture, shape) for shape in sorted(spans[span], key=lambda shape: -shape.count)]
        yield f"{head:<{margin}}{_listed(names, width - margin)}"
    if len(spans) > _MOST_LEVELS:
        yield f"... and {len(spans) - _MOST_LEVELS:,} more"


def _span(low: int, high: int) -> str:
    return f"level {low:,}" if low == high else f"levels {low:,} to {high:,}"


def _full_name(picture: Picture, shape: Shape) -> str:
    boxes = [shortened(picture.boxes[box].label, 40) for box in _boxes_around(picture, shape)]
    return "/".join([*boxes, _counted(shape)])


def _counted(drawn: Shape | Box) -> str:
    name = shortened(drawn.label, 40)
    return name if drawn.count == 1 else f"{name} × {drawn.count:,}"  # the sign for "times"


def _listed(names: list[str], width: int) -> str:
    shown = ""
    for count, name in enumerate(names):
        longer = f"{shown}, {name}" if shown else name
        if shown and len(longer) + 16 > width and count < len(names) - 1:
            return f"{shown} and {len(names) - count:,} more"
        shown = longer
    return shown


def _packed(parts: list[str], width: int) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and len(line) + 3 + len(part) > width:
            yield line
            line = ""
        line = f"{line}   {part}" if line else part
    yield line
