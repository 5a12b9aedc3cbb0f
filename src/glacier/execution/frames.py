"""What happens to a frame between the task that returns it and those that take it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from glacier.annotations import FrameKind, frame_kind
from glacier.errors import GraphError
from glacier.graph import Graph, Node
from glacier.task import Materialize, Task
from glacier.trace import StorageCall

if TYPE_CHECKING:
    import polars as pl

# As `LazyFrame.explain(optimized=False)` names operators whose work is worth doing once and keeping.
_EXPENSIVE = re.compile(
    r"^\s*(?:[A-Z]+ )*(?:JOIN:|AGGREGATE\[|SORT BY|UNIQUE\[|PIVOT|OPAQUE_PYTHON)|\.python_udf\(|\.over\(", re.MULTILINE
)


class Frames:
    """The rules for frames of one graph: what each task must return, which LazyFrames are computed once and shared."""

    def __init__(self, graph: Graph, scratch: Path | None = None) -> None:
        self.graph = graph
        self.scratch = scratch
        self.rules: dict[int, tuple[FrameKind | None, Materialize, bool]] = {}
        takers = _takers(graph)
        by_task: dict[Task[Any, Any], tuple[FrameKind | None, Materialize]] = {}
        for node in graph.nodes:
            work = node.work
            if isinstance(work, Task):
                if work not in by_task:
                    by_task[work] = frame_kind(work.signature.returns), work.options.materialize
                kind, materialize = by_task[work]
            elif isinstance(work, StorageCall):
                kind, materialize = None, "auto"
            else:
                continue
            shared = len(takers[node.index]) > 1 and not all(_stays_lazy(taker) for taker in takers[node.index])
            if kind is not None or materialize != "auto" or shared:
                self.rules[node.index] = kind, materialize, shared

    def settled(self, index: int, value: object) -> object:
        """Gives what node `index` hands on in place of `value`.

        Raises:
            GraphError: the task is annotated to return a frame and returned something else.
        """
        kind, materialize, shared = self.rules[index]
        if kind is not None and getattr(value, "frame_kind", type(value).__name__) != kind:
            raise self._not_as_annotated(self.graph.nodes[index], kind, value)
        import polars as pl

        if not isinstance(value, pl.LazyFrame) or materialize is False:
            return value
        if materialize == "auto" and not (shared and is_expensive(value)):
            return value
        if materialize == "disk":
            return self._on_disk(value)
        return value.collect(engine="streaming").lazy()

    def _on_disk(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        import polars as pl

        if self.scratch is None:
            self.scratch = Path(tempfile.mkdtemp(prefix="glacier-"))
        path = self.scratch / f"{uuid4().hex}.arrow"
        frame.sink_ipc(path, engine="streaming")
        return pl.scan_ipc(path)

    def _not_as_annotated(self, node: Node, kind: FrameKind, value: object) -> GraphError:
        got = "None" if value is None else type(value).__name__
        fixes = {
            "None": "return the frame at the end of the function",
            "LazyFrame": f"return .collect(), or annotate `-> pl.{got}`",
            "DataFrame": f"return .lazy(), or annotate `-> pl.{got}`",
        }
        site = node.work.site if isinstance(node.work, Task) else None
        fix = fixes.get(got, f"return a {kind}, or change the annotation")
        return GraphError(f"`{node.work.name}` is annotated to return a {kind}, but returned {got}", site=site, fix=fix)


def _takers(graph: Graph) -> Sequence[Sequence[Node]]:
    takers: list[list[Node]] = [[] for _ in graph.nodes]
    for node in graph.nodes:
        for source in node.data:
            takers[source].append(node)
    return takers


def _stays_lazy(node: Node) -> bool:
    """Whether a node only extends the plan of a LazyFrame it is given, so that its own takers meet in one query."""
    if isinstance(node.work, StorageCall):
        return node.work.verb == "write"
    return isinstance(node.work, Task) and frame_kind(node.work.signature.returns) == "LazyFrame"


def is_expensive(frame: pl.LazyFrame) -> bool:
    """Says whether a plan holds an operator that is dearer to repeat than to keep its result.

    >>> import polars as pl
    >>> frame = pl.LazyFrame({"a": [1, 2]})
    >>> is_expensive(frame.filter(pl.col("a") > 1)), is_expensive(frame.sort("a"))
    (False, True)
    """
    return _EXPENSIVE.search(frame.explain(optimized=False)) is not None
