"""A picture as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from glacier.report.fitting import shortened

if TYPE_CHECKING:
    from glacier.report.picture import Arrow, ArrowKind, Box, BoxKind, Picture, Shape, ShapeKind

_SHAPES: dict[ShapeKind, tuple[str, str]] = {
    "task": ("(", ")"),
    "check": ("{{", "}}"),
    "storage": ("[", "]"),
    "barrier": ("[/", "/]"),
    "input": ("((", "))"),
    "resource": ("[(", ")]"),
    "function": (">", "]"),
    "group": ("[[", "]]"),
}
_CLASSES: dict[ShapeKind, str] = {
    "task": "fill:#e8f0fe,stroke:#3367d6,color:#10254d",
    "check": "fill:#fdecd2,stroke:#b86e00,color:#4a2c00",
    "storage": "fill:#e3f4ea,stroke:#1e7f4b,color:#0b3a21",
    "barrier": "fill:#eceff3,stroke:#667085,color:#1d2433",
    "input": "fill:#f3e8fd,stroke:#7b3fb8,color:#2f1450",
    "resource": "fill:#f4f5f7,stroke:#667085,color:#1d2433",
    "function": "fill:#fdf0ef,stroke:#b3423a,color:#481511",
    "group": "fill:#e8f0fe,stroke:#3367d6,stroke-width:3px,color:#10254d",
}
_BOXES: dict[BoxKind, str] = {
    "pipeline": "fill:#f7f9fe,stroke:#9db7ec,color:#10254d",
    "loop": "fill:#f7f9fe,stroke:#9db7ec,color:#10254d,stroke-dasharray:6 4",
    "composite": "fill:#fafbfc,stroke:#b8c0cc,color:#1d2433",
}
_LINES: dict[ArrowKind, str] = {
    "data": "-->",
    "explicit": "-.->",
    "resource": "-.->",
    "gate": "==>",
    "branch": "-.->",
    "loop": "-->",
    "read": "-->",
    "write": "-->",
    "both": "<-->",
}
_STYLES: dict[ArrowKind, str] = {
    "explicit": "stroke-dasharray:7 4",
    "resource": "stroke-dasharray:2 4",
    "branch": "stroke:#7b3fb8",
    "loop": "stroke:#3367d6,stroke-dasharray:12 3",
    "read": "stroke:#8a94a6",
    "write": "stroke:#8a94a6",
    "both": "stroke:#8a94a6",
}
_ESCAPES = {
    "#": "#35;", '"': "#quot;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "`": "#96;", "*": "#42;", "\\": "#92;",
}  # fmt: skip


def mermaid(picture: Picture) -> str:
    """Gives a `flowchart LR` whose node ids stay the same as long as the body does."""
    lines = ["flowchart LR"]
    lines += _inside(picture, None, "    ")
    lines += [f"    {_arrow(arrow, picture)}" for arrow in picture.arrows]
    used = {shape.kind for shape in picture.shapes}
    lines += [f"    classDef {kind} {style}" for kind, style in _CLASSES.items() if kind in used]
    for kind, style in _BOXES.items():
        keys = [box.key for box in picture.boxes if box.kind == kind]
        if keys:
            lines += [f"    classDef {kind} {style}", f"    class {','.join(keys)} {kind}"]
    for drawn, style in _STYLES.items():
        places = [str(place) for place, arrow in enumerate(picture.arrows) if arrow.kind == drawn]
        if places:
            lines.append(f"    linkStyle {','.join(places)} {style}")
    return "\n".join(lines) + "\n"


def _inside(picture: Picture, box: int | None, indent: str) -> Iterator[str]:
    """Gives the shapes of a box, or of the page, in order; a box inside it where its first shape comes."""
    drawn: set[int] = set()
    for shape in picture.shapes:
        inner, around = None, shape.box
        while around != box and around is not None:
            inner, around = around, picture.boxes[around].parent
        if around != box:
            continue
        if inner is None:
            yield indent + _node(shape)
        elif inner not in drawn:
            drawn.add(inner)
            label = _label(picture.boxes[inner])
            yield f'{indent}subgraph {picture.boxes[inner].key}["{label}"]'
            yield from _inside(picture, inner, indent + "    ")
            yield f"{indent}end"


def _label(drawn: Shape | Box) -> str:
    label = shortened(drawn.label, 60)
    if drawn.count > 1:
        label += f" × {drawn.count:,}"  # the sign for "times"
    return escaped(label)


def _node(shape: Shape) -> str:
    opening, closing = _SHAPES[shape.kind]
    return f'{shape.key}{opening}"{_label(shape)}"{closing}:::{shape.kind}'


def _arrow(arrow: Arrow, picture: Picture) -> str:
    source, target = picture.shapes[arrow.source].key, picture.shapes[arrow.target].key
    label = "|if true|" if arrow.gate else ""
    return f"{source} {_LINES[arrow.kind]}{label} {target}"


def escaped(label: str) -> str:
    """Gives a label that Mermaid shows as it is: its own signs, HTML and Markdown as entity codes.

    >>> escaped('say "hi" <b>')
    'say #quot;hi#quot; #lt;b#gt;'
    """
    text = "".join(_ESCAPES.get(character, character) for character in label)
    digits = len(text) - len(text.lstrip("0123456789"))
    if digits and text[digits : digits + 1] in (".", ")"):  # Markdown would read a numbered list
        text = f"{text[:digits]}#{ord(text[digits])};{text[digits + 1 :]}"
    if text[:1] in ("-", "+"):
        text = f"#{ord(text[0])};{text[1:]}"
    return text
