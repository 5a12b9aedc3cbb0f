"""Measures what `@observe` asks for while the work of a node is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Literal

from glacier.containers import rebuilt
from glacier.doing import Move
from glacier.execution.frames import is_expensive
from glacier.execution.memory import Memory, Rise
from glacier.graph import Graph
from glacier.observe import MOVED, Metric, observed
from glacier.task import Task
from glacier.work import StorageCall

if TYPE_CHECKING:
    import polars as pl

_IN, _OUT = MOVED["in"], MOVED["out"]


def observed_nodes(graph: Graph) -> dict[int, tuple[Metric, ...]]:
    """Gives what is measured of each node: what its task asks for, or else the nearest pipeline around it that does."""
    usual = observed(graph.body)
    found: dict[int, tuple[Metric, ...]] = {}
    by_task: dict[Task[..., Any], tuple[Metric, ...] | None] = {}
    for node in graph.nodes:
        work = node.work
        wanted: tuple[Metric, ...] | None = None
        if isinstance(work, Task):
            if work.origin not in by_task:
                by_task[work.origin] = observed(work.origin)
            wanted = by_task[work.origin]
        elif not isinstance(work, StorageCall):
            continue
        if wanted is None:
            around = (observed(group.body) for group in reversed(graph.grouped.get(node.index, ())))
            wanted = next((metrics for metrics in around if metrics is not None), usual)
        if wanted:
            found[node.index] = wanted
    return found


Lazily = Literal["compute", "count", "leave"]
"""Whether a LazyFrame may be computed in memory, only its rows counted by a query, or neither."""


@dataclass(slots=True)
class _Size:
    """Rows and bytes of frames; None where there are none, or it cannot be known."""

    rows: int | None = None
    bytes: int | None = None

    def add(self, rows: int | None, size: int | None) -> None:
        if rows is not None:
            self.rows = rows + (self.rows or 0)
        if size is not None:
            self.bytes = size + (self.bytes or 0)


@dataclass(slots=True)
class Measuring:
    """Measures one call: it has `begun` with its arguments, and `ended` with a result or not at all.

    Attributes:
        wanted: the metrics.
        memory: looks at the memory, if that is wanted.
        lazy_in: what may be done to LazyFrames among the arguments to tell their rows.
        lazy_out: what may be done to those in the result.
    """

    wanted: tuple[Metric, ...]
    memory: Memory | None = None
    lazy_in: Lazily = "compute"
    lazy_out: Lazily = "compute"
    _in: _Size = field(default_factory=_Size)
    _out: _Size = field(default_factory=_Size)
    _numbers: dict[Metric, float | None] = field(default_factory=dict[Metric, float | None])
    _clocks: tuple[float, float] | None = None
    _rise: Rise | None = None

    def begun(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Counts the frames among the arguments, starts the clocks, and gives the arguments.

        A LazyFrame stays a plan if that is cheap to repeat, and its rows are counted by a query of their own; an
        expensive one is computed, and handed on so.
        """
        counts = not _IN.isdisjoint(self.wanted) and "polars" in sys.modules
        dear: list[pl.LazyFrame] = []
        if counts and self.lazy_in == "compute":
            _each_lazy((args, kwargs), dear.append)
            dear = [plan for plan in dear if _is_dear(plan, always="bytes_in" in self.wanted)]
        if counts:
            _count((args, kwargs), self._in, but=dear, lazily=self.lazy_in != "leave")
        self._start()
        if not dear:
            return args, kwargs
        args, kwargs = _changed((args, kwargs), lambda plan: _computed(plan, self._in) if _is_in(plan, dear) else plan)
        return args, kwargs

    def ended(self, value: object) -> object:
        """Stops the clocks, counts the frames in a result, and gives it: computed, where its rows are asked for."""
        counts = not _OUT.isdisjoint(self.wanted) and "polars" in sys.modules
        if counts and self.lazy_out == "compute":
            _count(value, self._out, lazily=False)
            value = _changed(value, lambda plan: _computed(plan, self._out))
        self._stop()
        if counts and self.lazy_out != "compute":
            _count(value, self._out, lazily=self.lazy_out == "count")
        return value

    def measured(self, moves: Iterable[Move] = ()) -> dict[Metric, float | None]:
        """Gives the numbers: those known so far, where the work failed.

        Args:
            moves: what was read from buckets and written to them.
        """
        taken, given = replace(self._in), replace(self._out)
        for way, rows, size in moves:
            (taken if way == "in" else given).add(rows, size)
        if self._clocks is not None:
            self._stop()
        every: dict[Metric, float | None] = {
            **self._numbers,
            "rows_in": taken.rows,
            "rows_out": given.rows,
            "bytes_in": taken.bytes,
            "bytes_out": given.bytes,
            "rows_processed": given.rows if taken.rows is None else taken.rows,
        }
        return {metric: every.get(metric) for metric in self.wanted}

    def _start(self) -> None:
        if self.memory is not None and "memory" in self.wanted:
            self._rise = self.memory.begin()
        self._clocks = perf_counter(), process_time()

    def _stop(self) -> None:
        if self._clocks is not None:
            self._numbers["duration"] = perf_counter() - self._clocks[0]
            self._numbers["cpu"] = process_time() - self._clocks[1]
            self._clocks = None
        if self.memory is not None and self._rise is not None:
            self._numbers["memory"] = self.memory.end(self._rise)
            self._rise = None


def _computed(plan: pl.LazyFrame, size: _Size) -> pl.LazyFrame:
    """Gives a plan computed, with its size added."""
    frame = plan.collect(engine="streaming")
    size.add(frame.height, int(frame.estimated_size()))
    return frame.lazy()


def _changed(value: Any, change: Callable[[pl.LazyFrame], object]) -> Any:
    """Gives a structure with its LazyFrames changed."""
    import polars as pl

    return change(value) if isinstance(value, pl.LazyFrame) else rebuilt(value, lambda member: _changed(member, change))


def _is_in(frame: pl.LazyFrame, frames: Iterable[pl.LazyFrame]) -> bool:
    return any(frame is one for one in frames)


def _each_lazy(value: Any, visit: Callable[[pl.LazyFrame], object]) -> None:
    def kept(frame: pl.LazyFrame) -> pl.LazyFrame:
        visit(frame)
        return frame

    _changed(value, kept)


def _count(value: Any, size: _Size, *, lazily: bool, but: Iterable[pl.LazyFrame] = ()) -> None:
    """Adds the frames of a structure, but not those in `but`, and LazyFrames only if a query may count their rows."""
    import polars as pl

    if isinstance(value, pl.DataFrame):
        size.add(value.height, int(value.estimated_size()))
    elif isinstance(value, pl.LazyFrame):
        if lazily and not _is_in(value, but):
            size.add(_counted(value), None)
    else:
        rebuilt(value, lambda member: _count(member, size, lazily=lazily, but=but))


def _is_dear(plan: pl.LazyFrame, *, always: bool) -> bool:
    """Whether a plan is computed and not only counted; never one that cannot be: who collects it is told."""
    import polars as pl

    try:
        return is_expensive(plan) or always
    except (pl.exceptions.PolarsError, OSError):
        return False


def _counted(plan: pl.LazyFrame) -> int | None:
    """Gives the rows of a plan; None where it cannot be run, which whoever collects it is told."""
    import polars as pl

    try:
        rows: int = plan.select(pl.len()).collect(engine="streaming").item()
    except (pl.exceptions.PolarsError, OSError):
        return None
    return rows
