"""What a check found: the schema of each call's result, where the sources' are from, what could not be checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from textwrap import indent, wrap
from typing import TYPE_CHECKING, Any

from glacier.checking.record import encoded
from glacier.checking.sources import Source
from glacier.errors import Site
from glacier.report.fitting import columns, counted, cut, padded, shortened
from glacier.schemas import shown_schema

if TYPE_CHECKING:
    import polars as pl


_BOUND = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Checked:
    """One call of a pipeline.

    Attributes:
        name: its name in the graph.
        site: its line.
        frames: the schema of the frame it gives (for a write, takes), by the empty string; of frames in a container by
            how they are reached, `["valid"]` say. Empty where none is known.
        reason: why none is known.
    """

    name: str
    site: Site
    frames: Mapping[str, pl.Schema]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """What `Pipeline.check` gives: it prints as a report.

    Attributes:
        pipeline: its name.
        calls: each call, in body order.
        sources: each bucket whose schema was asked for, in that order.
        warnings: what a person should know, each in the layout of an error.

    >>> from glacier import pipeline, task
    >>> @task
    ... def load() -> list[int]:
    ...     return [1]
    >>> @pipeline
    ... def numbers() -> list[int]:
    ...     return load()
    >>> numbers.check()
    <check of numbers: 0 of 1 call checked>
    """

    pipeline: str
    calls: tuple[Checked, ...]
    sources: tuple[Source, ...]
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> pl.Schema:
        """Gives the schema of the frame that a call gives, by its name in the graph; KeyError if none is known."""
        return {call.name: call.frames[""] for call in self.calls if "" in call.frames}[name]

    def to_dict(self) -> dict[str, Any]:
        """Gives the content as plain lists and dicts; `json.dumps` takes it."""
        return {
            "pipeline": self.pipeline,
            "calls": [
                {
                    "name": call.name,
                    "file": call.site.path,
                    "line": call.site.line,
                    "schemas": {reached: _plain(schema) for reached, schema in call.frames.items()},
                    "reason": call.reason or None,
                }
                for call in self.calls
            ],
            "sources": [
                {"name": one.name, "schema": None if one.schema is None else _plain(one.schema), "origin": one.origin}
                for one in self.sources
            ],
            "warnings": list(self.warnings),
        }

    def text(self, width: int | None = None) -> str:
        """Gives the report that `print` shows.

        Args:
            width: in columns; that of the terminal by default, 100 where there is none.
        """
        wide = width or shutil.get_terminal_size((100, 24)).columns
        known = [call for call in self.calls if call.frames]
        lines = [f"{self.pipeline}: {self._summary(len(known))}"]
        lines += _section("sources", [(one.name, one.origin, _source(one)) for one in self.sources], wide)
        shown = [
            (call.name + reached, str(call.site), _columns_of(schema))
            for call in known
            for reached, schema in call.frames.items()
        ]
        lines += _section("schemas", shown, wide)
        missed = [(call.name, str(call.site), call.reason) for call in self.calls if not call.frames]
        lines += _section("not checked", missed, wide)
        if self.warnings:
            lines += ["", "warnings", *(indent(warning, "  ") for warning in self.warnings)]
        return "\n".join(lines)

    def _summary(self, known: int) -> str:
        return f"{known} of {counted(len(self.calls), 'call')} checked"

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<check of {self.pipeline}: {self._summary(sum(1 for call in self.calls if call.frames))}>"


def _plain(schema: pl.Schema) -> dict[str, object]:
    return {name: encoded(dtype) for name, dtype in schema.items()}


def _source(source: Source) -> str:
    return "not known" if source.schema is None else _columns_of(source.schema)


def _columns_of(schema: pl.Schema) -> str:
    """Gives columns with dtypes, which are not torn apart where lines are broken."""
    return ", ".join(column.replace(" ", _BOUND) for column in shown_schema(schema, most=40).split(", "))


def _section(title: str, rows: Iterable[tuple[str, str, str]], width: int) -> list[str]:
    most = max(width * 3 // 10, 12)
    table = [(shortened(first, most), shortened(second, most), last) for first, second, last in rows]
    if not table:
        return []
    first = max(columns(row[0]) for row in table)
    second = max(columns(row[1]) for row in table)
    beside = 2 + first + 3 + second + 3
    lines = ["", title]
    for one, two, last in table:
        wrapped = [part.replace(_BOUND, " ") for part in wrap(last, max(width - beside, 24))] or [""]
        lines.append(cut(f"  {padded(one, first)}   {padded(two, second)}   {wrapped[0]}", width).rstrip())
        lines += [cut(" " * beside + line, width) for line in wrapped[1:]]
    return lines
