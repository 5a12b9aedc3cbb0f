"""How a failed task is told: where it was called, what it was given, and its own traceback without Glacier's frames."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence, Sized
from types import TracebackType
from typing import TYPE_CHECKING, cast

from glacier.errors import GlacierError, RunErrors, TaskError, TaskTimeout, did_you_mean, in_package, listed, text_of
from glacier.graph import Graph, Node, Resource
from glacier.nesting import Loop
from glacier.secret import NO_MASK, Mask

if TYPE_CHECKING:
    import polars as pl


_LONGEST = 500
"""Of a longer line that an exception has as its text, this many characters are told."""


def task_error(
    graph: Graph,
    node: Node,
    error: BaseException,
    given: Mapping[str, object],
    items: Sequence[tuple[str, int]] = (),
    mask: Mask = NO_MASK,
    tried: int = 0,
) -> TaskError:
    """Gives the error of a run for the exception a node's work raised; `error` becomes its cause.

    Args:
        graph: the graph of the run.
        node: the one that failed.
        error: what its work raised.
        given: its arguments' values by parameter.
        items: for each loop around the node what it goes over and the number of the item.
        mask: takes out of text what is secret besides what is among the arguments.
        tried: how many tries failed before this one.
    """
    error.__traceback__ = without_glacier(error.__traceback__)
    name = graph.names[node.index]
    inputs = ", ".join(f"{key}: {described(value)}" for key, value in given.items())
    where = ", ".join(f"item {number} of `{whole}`" for whole, number in items)
    turn = f" for {where} (counted from 0)" if where else ""
    times = f" {tried + 1} times, at last" if tried else ""
    mask = mask | Mask.of(given)
    reason = summary(error, mask)
    failure = TaskError(
        f"task `{name}` of pipeline `{graph.name}` failed{turn}{times}: {reason}"
        + (f"\n    given {inputs}" if inputs else ""),
        task=name,
        pipeline=graph.name,
        items=tuple(number for _, number in items),
        reason=reason,
        site=node.site,
        fix=_stated_fix(error),
    )
    failure.__cause__ = error
    failure.mask = mask
    failure.attempts = tried + 1
    return failure


def no_items(
    graph: Graph, loop: Loop, error: BaseException, path: Sequence[tuple[str, int]], mask: Mask, *, iterable: bool
) -> TaskError:
    """Gives the error of a run for a loop that cannot have the items of its value; `error` becomes its cause.

    Args:
        graph: the graph of the run.
        loop: that one.
        error: what the value raised, a generator say, or Python for it.
        path: for each loop around what it goes over and the number of the item.
        mask: takes out of text what is secret.
        iterable: whether the value may have items at all.
    """
    error.__traceback__ = without_glacier(error.__traceback__)
    mask = mask | Mask.of(_locals_of(error))
    sources = list(graph.shown(loop.items))
    whole = "` and `".join(graph.names[index] for index in sources) or graph.names[loop.items]
    lacks = "could not have its next item" if iterable else "has nothing to go over"
    returning = listed(dict.fromkeys(graph.nodes[index].work.name for index in sources))
    reason = summary(error, mask)
    failure = TaskError(
        f"the loop over `{whole}` of pipeline `{graph.name}` {lacks}: {reason}",
        reason=reason,
        task=whole,
        pipeline=graph.name,
        items=tuple(number for _, number in path),
        site=graph.nodes[loop.item].site,
        fix=_stated_fix(error) if iterable else f"let {returning} return a list",
    )
    failure.__cause__ = error
    failure.mask = mask
    return failure


def too_late(seconds: float, *, goes_on: bool = False) -> TaskTimeout:
    """Gives the error for a try that took longer than its timeout.

    Args:
        seconds: the timeout.
        goes_on: whether it runs in a thread that goes on.
    """
    limit = f"it ran longer than its timeout of {seconds:g} s"
    fix = "give it a larger timeout=, or less to do"
    if not goes_on:
        return TaskTimeout(limit, fix=fix)
    fix = f"{fix}; executor='processes' ends what runs too long"
    return TaskTimeout(f"{limit}; its thread cannot be stopped, and goes on unheeded", fix=fix)


def run_reason(error: Exception) -> str:
    """Gives why a run did not succeed, in one line, from what it raises."""
    if isinstance(error, TaskError):
        return f"`{error.task}` failed: {error.reason}"
    return error.message if isinstance(error, RunErrors) else summary(error)


def summary(error: BaseException, mask: Mask = NO_MASK) -> str:
    """Gives an exception's type and the first line of its text, `mask` applied.

    >>> summary(ValueError("no good"))
    'ValueError: no good'
    """
    if isinstance(error, GlacierError):
        return f"{type(error).__name__}: {mask(error.message)}"
    first, _, _ = mask(text_of(error)).strip().partition("\n")
    if len(first) > _LONGEST:
        first = f"{first[:_LONGEST]}..."
    return f"{type(error).__name__}: {first}"


def _stated_fix(error: BaseException) -> str | None:
    """Gives the fix that an error has itself; the nearest columns for a column that Polars did not find."""
    if isinstance(error, GlacierError) and error.fix:
        return error.fix
    if type(error).__name__ != "ColumnNotFoundError":
        return None
    missing = re.search(r'column "([^"]+)"', text_of(error))
    valid = re.search(r"valid columns: \[(.*?)\]", text_of(error))
    if not missing or not valid:
        return None
    columns = re.findall(r'"([^"]+)"', valid.group(1))
    near = did_you_mean(missing.group(1), columns) or columns
    return f"name a column that is there: {listed(near)}"


def described(value: object) -> str:
    """Gives a value's type and size, never its content: it may be long or secret."""
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(value, polars.DataFrame):
        frame = cast("pl.DataFrame", value)
        return f"DataFrame {frame.height:,} × {frame.width}"
    if isinstance(value, Resource):
        return f"{type(value).__name__} {value.label}"
    if isinstance(value, list | tuple | dict | set | frozenset):
        held = cast("Sized", value)
        return f"{type(held).__name__} of {len(held):,}"
    return "None" if value is None else str(getattr(value, "frame_kind", type(value).__name__))


def _locals_of(error: BaseException) -> list[object]:
    """Gives the values of the variables where an error was raised, and of those functions that called that one."""
    held: list[object] = []
    traceback = error.__traceback__
    while traceback is not None:
        held += traceback.tb_frame.f_locals.values()
        traceback = traceback.tb_next
    return held


def without_glacier(traceback: TracebackType | None) -> TracebackType | None:
    """Gives the traceback with only the frames outside Glacier; None where there are no others."""
    frames: list[TracebackType] = []
    while traceback is not None:
        if not in_package(traceback.tb_frame.f_code.co_filename):
            frames.append(traceback)
        traceback = traceback.tb_next
    kept: TracebackType | None = None
    for frame in reversed(frames):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return kept
