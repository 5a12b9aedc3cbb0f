"""Blueprint values as HCL, laid out as `terraform fmt` lays it out.

What fmt asks for: two spaces a level; the equals signs of neighbouring lines under each other, where a line holds a
whole argument. An argument that goes over several lines ends such a run, and so does a blank line, a comment, a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import assert_never, cast

from glacier.blueprint import AssetPath, Block, Either, Json, Ref, Text, Value, Variable

Line = str | tuple[str, str]
"""A line without its indentation; one that holds a whole argument is in two parts, so that it can be aligned."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WIDTH = 100
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "${": "$${", "%{": "%%{"}


def block(header: str, arguments: Mapping[str, Value], before: Iterable[str] = (), after: Sequence[Line] = ()) -> str:
    """Gives a block: its header, comments, arguments, then blocks within it.

    Args:
        header: `resource "aws_s3_bucket" "raw"`.
        arguments: in the order in which they are written; None is left out, blocks go last.
        before: comments inside of it, without the "#".
        after: lines at its end, after a blank one.

    >>> print(block('resource "aws_s3_bucket" "raw"', {"bucket": "acme-raw", "force_destroy": False}))
    resource "aws_s3_bucket" "raw" {
      bucket        = "acme-raw"
      force_destroy = false
    }
    """
    lines: list[Line] = [f"#{comment}" for comment in before]
    lines += [*_body(arguments)]
    if after:
        lines += ["", *after] if lines else after
    return "\n".join(aligned([f"{header} {{", *_indented(lines), "}"])) if lines else f"{header} {{}}"


def aligned(lines: Iterable[Line]) -> Iterator[str]:
    """Gives lines as text, the equals signs of each run of whole arguments under each other."""
    run: list[tuple[str, str]] = []
    for line in [*lines, None]:
        if isinstance(line, tuple):
            indent = len(line[0]) - len(line[0].lstrip())
            if run and len(run[0][0]) - len(run[0][0].lstrip()) != indent:
                yield from _run(run)
                run = []
            run.append(line)
            continue
        yield from _run(run)
        run = []
        if line is not None:
            yield line


def expression(value: Value) -> str:
    """Gives a value on one line.

    >>> from glacier.blueprint import Ref, text
    >>> raw = Ref("aws_s3_bucket", "raw", ("arn",))
    >>> expression(raw), expression(text(raw, "/2024/*")), expression(("a", 1, True))
    ('aws_s3_bucket.raw.arn', '"${aws_s3_bucket.raw.arn}/2024/*"', '["a", 1, true]')
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(int(value)) if value == int(value) else repr(value)
        case str():
            return f'"{_escaped(value)}"'
        case Ref() | Variable():
            return _path(value)
        case AssetPath(path):
            return f'"${{path.module}}/{expression(path)[1:]}'
        case Text(parts):
            return '"' + "".join(_escaped(p) if isinstance(p, str) else f"${{{_path(p)}}}" for p in parts) + '"'
        case Either(values):
            return f"coalesce({', '.join(map(expression, values))})"
        case Json(document):
            return f"jsonencode({expression(document)})"
        case tuple():
            return f"[{', '.join(map(expression, value))}]"
        case Block():
            raise TypeError("a block is no value within another one")
        case Mapping():
            if not value:
                return "{}"
            return "{ " + ", ".join(f"{_key(key)} = {expression(one)}" for key, one in value.items()) + " }"
        case _:
            assert_never(value)


def _body(arguments: Mapping[str, Value]) -> Iterator[Line]:
    blocks: list[tuple[str, Block]] = []
    first = True
    for name, value in arguments.items():
        if isinstance(value, Block):
            blocks.append((name, value))
        elif isinstance(value, tuple) and value and isinstance(value[0], Block):
            blocks += [(name, one) for one in cast("tuple[Block, ...]", value)]
        elif value is not None and value != ():
            first = False
            yield from _assigned(name, value)
    for name, inner in blocks:
        if not first:
            yield ""
        first = False
        lines = [*_body(inner.arguments)]
        yield from [f"{name} {{", *_indented(lines), "}"] if lines else [f"{name} {{}}"]


def _assigned(name: str, value: Value) -> Iterator[Line]:
    """Gives an argument, on one line if its value is flat and short."""
    if not _is_long(value) and len(flat := expression(value)) + len(name) < _WIDTH:
        yield f"{name} ", f"= {flat}"
        return
    first, *rest = _spread(value)
    if not rest and isinstance(first, str):
        yield f"{name} ", f"= {first}"
        return
    yield f"{name} = {first}"
    yield from rest


def _spread(value: Value) -> list[Line]:
    """Gives a value over several lines."""
    match value:
        case Json(document):
            first, *inner, last = _spread(document)
            return [f"jsonencode({first}", *inner, f"{last})"]
        case tuple():
            items: list[Line] = []
            for one in value:
                *head, last = _spread(one) if _is_long(one) else [expression(one)]
                items += [*head, f"{last},"]
            return ["[", *_indented(items), "]"]
        case Mapping():
            members: list[Line] = []
            for name, one in value.items():
                members += _assigned(_key(name), one)
            return ["{", *_indented(members), "}"]
        case _:
            return [expression(value)]


def _is_long(value: Value) -> bool:
    """Whether a value is read better over several lines."""
    match value:
        case Json(document):
            return _is_long(document)
        case tuple():
            return any(_is_long(one) for one in value) or len(expression(value)) > _WIDTH - 20
        case Block():
            return True
        case Mapping():
            return bool(value)
        case _:
            return False


def _indented(lines: Iterable[Line]) -> Iterator[Line]:
    for line in lines:
        if isinstance(line, tuple):
            yield f"  {line[0]}", line[1]
        else:
            yield f"  {line}" if line else ""


def _run(run: Sequence[tuple[str, str]]) -> Iterator[str]:
    width = max((len(name) for name, _ in run), default=0)
    for name, assigned in run:
        yield f"{name:<{width}}{assigned}"


def _path(value: Ref | Variable) -> str:
    if isinstance(value, Variable):
        return f"var.{value.name}"
    return value.address + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in value.path)


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else f'"{_escaped(name)}"'


def _escaped(text: str) -> str:
    return re.sub(r'\\|"|\n|\r|\t|\$\{|%\{', lambda found: _ESCAPES[found[0]], text)
