"""Frames without rows: how a check makes them, finds them in results, and what it learns of a plan from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

from glacier.annotations import FrameKind
from glacier.checking.findings import is_about_schemas
from glacier.containers import rebuilt
from glacier.execution.failures import summary
from glacier.trace import Handle

if TYPE_CHECKING:
    import polars as pl

_NOT_COLLECTED = re.compile(r"\.python_udf\(|OPAQUE_PYTHON|MAP_GROUPS|\bSCAN\b")
"""In Polars' `explain`: a Python function, or a scan of data. Such a plan is not collected, empty or not."""


class Unknown:
    """Stands in for a value that only a run can tell."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


def empty(schema: pl.Schema, kind: FrameKind | None) -> object:
    """Gives a frame of that schema without rows; lazy unless a DataFrame is asked for.

    >>> import polars as pl
    >>> empty(pl.Schema({"id": pl.Int64()}), "DataFrame").shape
    (0, 1)
    """
    import polars as pl

    return pl.DataFrame(schema=schema) if kind == "DataFrame" else pl.LazyFrame(schema=schema)


def emptied(value: object) -> object:
    """Gives a frame of the same schema without rows, unknown for a plan that does not resolve; other values as is."""
    import polars as pl

    if isinstance(value, pl.DataFrame):
        return pl.DataFrame(schema=value.schema)
    if not isinstance(value, pl.LazyFrame):
        return value
    try:
        return pl.LazyFrame(schema=value.collect_schema())
    except (pl.exceptions.PolarsError, OSError) as error:
        return Unknown(f"a frame of the body does not resolve: {summary(error)}")


def settled(value: object) -> object:
    """Gives a result as it is handed on: frames emptied, in containers too, and all else unknown.

    A plan is resolved, then collected on its empty frames, because Polars compares some dtypes only then.

    Raises:
        PolarsError: columns or dtypes do not fit.
    """
    import polars as pl

    if isinstance(value, pl.DataFrame | pl.LazyFrame):
        schema = value.collect_schema()
        if isinstance(value, pl.LazyFrame):
            plan = value.explain(optimized=False)
            if "OPAQUE_PYTHON" in plan:
                return Unknown("what a Python function makes of a frame is known only in a run; declare gives=")
            if not _NOT_COLLECTED.search(plan):
                _collect(value)
        elif pl.Null in schema.dtypes():
            return Unknown(f"of empty frames it makes column `{_without_dtype(schema)}` without a dtype")
        return emptied(value) if schema else Unknown("of empty frames it makes one without columns")
    if isinstance(value, Unknown):
        return value
    made = rebuilt(value, settled)
    return made if any(True for _ in frames_in(made)) else Unknown("it is no frame, and only a run can tell it")


def _without_dtype(schema: pl.Schema) -> str:
    import polars as pl

    return next(name for name, dtype in schema.items() if dtype == pl.Null)


def _collect(frame: pl.LazyFrame) -> None:
    import polars as pl

    try:
        frame.collect()
    except pl.exceptions.PolarsError as error:
        if is_about_schemas(error):
            raise  # what else an empty frame causes, rows may not: an index out of bounds, say


def frames_in(value: object, reached: str = "") -> Iterator[tuple[str, pl.Schema]]:
    """Gives the schema of each frame in a result, and how it is reached: empty for the result, else `["a"]`, `[0]`."""
    import polars as pl

    if isinstance(value, pl.DataFrame | pl.LazyFrame):
        yield reached, value.collect_schema()
    elif isinstance(value, Mapping):
        for key, member in cast("Mapping[object, object]", value).items():
            yield from frames_in(member, f'{reached}["{key}"]' if isinstance(key, str) else f"{reached}[{key}]")
    elif isinstance(value, list | tuple):
        for place, member in enumerate(cast("list[object]", value)):
            yield from frames_in(member, f"{reached}[{place}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from frames_in(getattr(value, field.name, None), f"{reached}.{field.name}")


def unknown_in(value: object) -> Unknown | None:
    """Gives the first value in a structure that only a run can tell."""
    found: list[Unknown] = []

    def visit(member: object) -> object:
        if isinstance(member, Unknown):
            found.append(member)
            return member
        return member if type(member) is Handle else rebuilt(member, visit)

    visit(value)
    return found[0] if found else None


def same_frames(one: object, other: object) -> bool:
    """Says whether two results hold frames of the same kinds and schemas at the same places."""
    return _kinds(one) == _kinds(other)


def _kinds(value: Any) -> list[tuple[str, pl.Schema]]:
    return [(type(value).__name__ + reached, schema) for reached, schema in frames_in(value)]
