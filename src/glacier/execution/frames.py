"""What happens to a frame between the task that returns it and those that take it."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast
from uuid import uuid4

from glacier.annotations import FrameKind, frame_kind
from glacier.containers import rebuilt
from glacier.errors import GraphError
from glacier.frameplans import origins_of
from glacier.graph import Graph, Node
from glacier.options import Materialize
from glacier.origins import Origins
from glacier.task import Task
from glacier.work import Select, StorageCall

if TYPE_CHECKING:
    import polars as pl

# As `LazyFrame.explain(optimized=False)` names operators whose work is worth doing once and keeping.
_EXPENSIVE = re.compile(
    r"^\s*(?:[A-Z]+ )*(?:JOIN:|AGGREGATE\[|SORT BY|UNIQUE\[|PIVOT|OPAQUE_PYTHON)|\.python_udf\(|\.over\(", re.MULTILINE
)


Sharing = Literal["none", "values", "query"]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What happens to a node's value.

    Attributes:
        kind: the frame its task is annotated to return.
        materialize: what its task was given.
        sharing: whether several takers would each repeat its plan, as values of their own or within one query.
    """

    kind: FrameKind | None
    materialize: Materialize
    sharing: Sharing


_NOTHING = _Rule(None, "auto", "none")


class Frames:
    """The rules for frames of one graph: what each task must return, which LazyFrames are computed once and shared.

    Attributes:
        handed: for each file of `materialize="disk"`, by path, where its columns come from, if that is asked and known.
    """

    def __init__(self, graph: Graph, sinks: Sequence[Sequence[int]] = (), *, tells_origins: bool = False) -> None:
        """Takes the graph, the groups of its writes that run as one query, and whether to keep origins."""
        self._tells_origins = tells_origins
        self.handed: dict[str, Origins | None] = {}
        self.graph = graph
        self.rules: dict[int, _Rule] = {}
        self._scratch: Path | None = None
        takers = _takers(graph)
        in_one_query = _above(graph, sinks)
        by_task: dict[object, tuple[FrameKind | None, Materialize]] = {}
        for node in graph.nodes:
            work, index = node.work, node.index
            if isinstance(work, Task):
                if work not in by_task:
                    by_task[work] = frame_kind(work.signature.returns), work.options.materialize
                kind, materialize = by_task[work]
            elif isinstance(work, StorageCall):
                kind, materialize = None, "auto"
            else:
                continue
            sharing = _sharing(takers[index], in_query=index in in_one_query)
            rule = _Rule(kind, materialize, "none" if index in graph.unsettled else sharing)
            if rule != _NOTHING:
                self.rules[index] = rule

    def settled(self, index: int, value: object, *, kept: bool = False) -> object:
        """Gives what node `index` hands on in place of `value`.

        Args:
            index: the node.
            value: what it gave.
            kept: whether a LazyFrame is computed into a checkpoint anyway, and need not be here.

        Raises:
            GraphError: the task is annotated to return a frame and returned something else.
        """
        rule = self.rules[index]
        import polars as pl

        if rule.kind is not None and not _is_frame(value, rule.kind):
            raise self._not_as_annotated(self.graph.nodes[index], rule.kind, value)
        if kept or not isinstance(value, pl.LazyFrame) or rule.materialize is False:
            return value
        if rule.materialize == "disk":
            return self._on_disk(value)
        if rule.materialize == "auto":
            return _shared(value, rule.sharing)
        return value.collect(engine="streaming").lazy()

    def told_by(self, index: int) -> Literal["compute", "count", "leave"]:
        """Says what may be done to a LazyFrame that node `index` hands on to tell its rows."""
        match self.rules.get(index, _NOTHING).materialize:
            case False:
                return "leave"
            case "disk":
                return "count"
            case _:
                return "compute"

    def handed_on_as(self, value: object, kept: object) -> None:
        """Notes that a LazyFrame in a file is handed on in place of one whose origins are known, or of none."""
        if not self._tells_origins:
            return
        import polars as pl

        before = self._origins(value) if isinstance(value, pl.LazyFrame) and isinstance(kept, pl.LazyFrame) else None
        for frame in _lazy_frames_in(kept):
            after = origins_of(frame) if frame is not value else None
            for source in after.sources if after is not None else ():
                self.handed.setdefault(source.paths[0], before)

    def _origins(self, frame: pl.LazyFrame) -> Origins | None:
        origins = origins_of(frame)
        return origins and origins.through(self.handed)

    def close(self, result: object = None) -> None:
        """Removes the files of `materialize="disk"`; at the interpreter's exit if `result` may still read them."""
        scratch, self._scratch = self._scratch, None
        if scratch is None:
            return
        if holds_lazy_frame(result):
            atexit.register(shutil.rmtree, scratch, ignore_errors=True)
        else:
            shutil.rmtree(scratch, ignore_errors=True)

    def _on_disk(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        import polars as pl

        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="glacier-"))
        path = self._scratch / f"{uuid4().hex}.arrow"
        if self._tells_origins:
            self.handed[str(path)] = self._origins(frame)
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


def _is_frame(value: object, kind: FrameKind) -> bool:
    """Whether a value is that frame, or stands for one that another process left in a file."""
    import polars as pl

    handed: str | None = getattr(value, "frame_kind", None)
    return handed == kind if handed else isinstance(value, pl.LazyFrame if kind == "LazyFrame" else pl.DataFrame)


def _shared(frame: pl.LazyFrame, sharing: Sharing) -> pl.LazyFrame:
    """Gives a plan for several takers: computed, if that is worth doing once, and it can be."""
    if sharing == "none":
        return frame
    try:
        if not is_expensive(frame):
            return frame
        if sharing == "query":
            return frame.cache()  # Polars finds a plan that recurs in one query by itself, but not one inside another
        return frame.collect(engine="streaming").lazy()
    except Exception:  # noqa: BLE001  # who collects it meets that again, which a branch may leave to nobody
        return frame


def _takers(graph: Graph) -> Sequence[Sequence[Node]]:
    """Gives the nodes that take each value; one in a loop that the value comes into from outside stands for several."""
    takers: list[list[Node]] = [[] for _ in graph.nodes]
    for node in graph.nodes:
        for source in node.data:
            again = node.index in graph.loop_of and graph.nesting.key_in(source, graph.loop_of[node.index]) is None
            takers[source] += [node, node] if again else [node]
    return takers


def _above(graph: Graph, sinks: Sequence[Sequence[int]]) -> set[int]:
    """Gives the nodes whose values reach a write that runs together with others."""
    pending = [index for group in sinks for index in group]
    above = set[int]()
    while pending:
        for source in graph.nodes[pending.pop()].data:
            if source not in above:
                above.add(source)
                pending.append(source)
    return above


def _sharing(takers: Sequence[Node], *, in_query: bool) -> Sharing:
    if len(takers) < 2:
        return "none"
    if not all(_stays_lazy(taker) for taker in takers):
        return "values"
    return "query" if in_query else "none"


def _stays_lazy(node: Node) -> bool:
    """Whether a node only extends the plan of a LazyFrame it is given, so that its own takers meet in one query."""
    if isinstance(node.work, StorageCall):
        return node.work.verb == "write"
    if isinstance(node.work, Select):
        return True
    return isinstance(node.work, Task) and frame_kind(node.work.signature.returns) == "LazyFrame"


def scanned(value: object, names: Mapping[int, str], scan: Callable[[str], pl.LazyFrame]) -> object:
    """Gives a value with scans of files in place of the LazyFrames that were computed into them.

    Args:
        value: a LazyFrame, or a container.
        names: of the files, by the ids of the LazyFrames.
        scan: gives the scan of a file.
    """
    if id(value) in names:
        return scan(names[id(value)])
    return rebuilt(value, lambda member: scanned(member, names, scan))


def holds_lazy_frame(value: object) -> bool:
    """Says whether a value is, or a container in it holds, a LazyFrame."""
    return bool(_lazy_frames_in(value))


def _lazy_frames_in(value: object) -> list[pl.LazyFrame]:
    found: list[pl.LazyFrame] = []

    def visit(member: object) -> object:
        if type(member).__name__ != "LazyFrame":
            return rebuilt(member, visit)
        found.append(cast("pl.LazyFrame", member))
        return member

    visit(value)
    return found


def is_expensive(frame: pl.LazyFrame) -> bool:
    """Says whether a plan holds an operator that is dearer to repeat than to keep its result.

    >>> import polars as pl
    >>> frame = pl.LazyFrame({"a": [1, 2]})
    >>> is_expensive(frame.filter(pl.col("a") > 1)), is_expensive(frame.sort("a"))
    (False, True)
    """
    return _EXPENSIVE.search(frame.explain(optimized=False)) is not None
