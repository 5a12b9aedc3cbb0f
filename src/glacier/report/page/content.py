"""What the page of a run shows, as plain data: of the graph what stays, of the run how it went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict

from glacier.execution.measures import Measures
from glacier.execution.record import NodeRecord, RunRecord
from glacier.graph import EdgeKind
from glacier.history.graphs import GraphInfo, NodeInfo, TouchedInfo
from glacier.history.runs import RecordedRun, RecordedTask

Went = NodeRecord | RecordedTask
"""How a node went: as a run tells it, or as the history does."""


class AttemptInfo(TypedDict):
    """One try of a task."""

    started: float
    seconds: float
    error: str | None


class NodeData(NodeInfo):
    """A node and how it went; times in seconds, `started` and `ended` since the run began."""

    state: str
    started: float | None
    ended: float | None
    seconds: float | None
    rows: int | None
    reason: str | None
    turns: int | None
    attempts: list[AttemptInfo]
    metrics: dict[str, float | None]
    columns: list[tuple[str, str]] | None
    log: list[str]


class RunInfo(TypedDict):
    """The run; `started` is in UTC, in ISO 8601."""

    run_id: str
    pipeline: str
    state: str
    started: str
    seconds: float | None


class EarlierNode(TypedDict):
    """How a node went in the run before."""

    state: str
    seconds: float | None
    rows: int | None


class EarlierRun(TypedDict):
    """The run before, to compare with; its nodes by their names."""

    run_id: str
    state: str
    seconds: float | None
    nodes: dict[str, EarlierNode]


class PageData(TypedDict):
    """All that a page shows.

    Attributes:
        critical: the nodes that the run waited for, one after another.
        critical_seconds: how long these took together.
        memory: seconds since the run began, and bytes that the process held then.
        previous: the run before, if there is one.
        whole: whether the graph is known; where it is not, nodes have no edges.
        live: the address that tells how the run goes on; None for a page that is a file.
    """

    run: RunInfo
    nodes: list[NodeData]
    edges: list[tuple[int, int, EdgeKind, str]]
    resources: list[TouchedInfo]
    codes: dict[str, str]
    critical: list[int]
    critical_seconds: float
    memory: list[tuple[float, int]]
    previous: EarlierRun | None
    whole: bool
    live: str | None


def page_data(
    graph: GraphInfo | None,
    run: RunRecord | RecordedRun,
    tasks: Iterable[Went],
    *,
    previous: tuple[RunRecord | RecordedRun, Iterable[Went]] | None = None,
    memory: Sequence[tuple[float, int]] = (),
    live: str | None = None,
) -> PageData:
    """Gives what the page of a run shows.

    Args:
        graph: what was run; None where only its tasks are known.
        run: the run.
        tasks: how its nodes went.
        previous: the run of the same pipeline before it, and how its nodes went.
        memory: bytes that the process held, each with the seconds since the run began.
        live: where the page asks how the run goes on.
    """
    by_name = {one.name: one for one in tasks}
    known = [_unknown(one) for one in by_name.values()] if graph is None else graph["nodes"]
    nodes = [_node_data(info, by_name.get(info["name"])) for info in known]
    edges = [] if graph is None else graph["edges"]
    critical = _critical(nodes, edges) if edges else []
    return {
        "run": {
            "run_id": run.run_id,
            "pipeline": run.pipeline,
            "state": run.state,
            "started": run.started.isoformat(),
            "seconds": run.seconds,
        },
        "nodes": nodes,
        "edges": edges,
        "resources": [] if graph is None else graph["resources"],
        "codes": {} if graph is None else graph["codes"],
        "critical": critical,
        "critical_seconds": sum(_span(nodes[at]) for at in critical),
        "memory": list(memory),
        "previous": None if previous is None else _earlier(*previous),
        "whole": graph is not None,
        "live": live,
    }


def _unknown(went: Went) -> NodeInfo:
    """Gives a node of which only the name is known."""
    return {
        "name": went.name,
        "task": went.name.partition("[")[0],
        "kind": "task",
        "level": 0,
        "site": "",
        "group": None,
        "returns": None,
    }


def _node_data(info: NodeInfo, went: Went | None) -> NodeData:
    """Gives a node with how it went; one of which nothing is told has not started."""
    if went is None:
        return {
            **info,
            "state": "waiting",
            "started": None,
            "ended": None,
            "seconds": None,
            "rows": None,
            "reason": None,
            "turns": None,
            "attempts": [],
            "metrics": {},
            "columns": None,
            "log": [],
        }
    return {
        **info,
        "state": _state(went),
        "started": went.started,
        "ended": went.ended,
        "seconds": went.seconds,
        "rows": went.rows,
        "reason": went.reason,
        "turns": went.turns,
        "attempts": [{"started": one.started, "seconds": one.seconds, "error": one.error} for one in went.attempts],
        "metrics": _metrics(went.measures),
        "columns": None if went.columns is None else list(went.columns),
        "log": list(went.log) if isinstance(went, RecordedTask) else [],
    }


def _state(went: Went) -> str:
    if not went.recalled:
        return went.state
    return "cached" if went.cached else "resumed"


def _metrics(measures: Measures | None) -> dict[str, float | None]:
    if measures is None:
        return {}
    measured: dict[str, float | None] = {name: value for name, value in measures.measured.items() if name != "duration"}
    return measured | {name: one.value for name, one in measures.told.items()}


def _critical(nodes: Sequence[NodeData], edges: Sequence[tuple[int, int, EdgeKind, str]]) -> list[int]:
    """Gives the nodes that the run waited for: back from the last to end, each time to what ended last above it."""
    above: dict[int, list[int]] = {}
    for source, target, _, _ in edges:
        above.setdefault(target, []).append(source)
    ended = {at: node["ended"] for at, node in enumerate(nodes) if node["ended"] is not None}
    path: list[int] = []
    at = max(ended, key=lambda one: ended[one] or 0.0, default=None)
    while at is not None and at not in path:
        path.append(at)
        at = max((one for one in above.get(at, ()) if one in ended), key=lambda one: ended[one] or 0.0, default=None)
    return path[::-1]


def _span(node: NodeData) -> float:
    return 0.0 if node["started"] is None or node["ended"] is None else node["ended"] - node["started"]


def _earlier(run: RunRecord | RecordedRun, tasks: Iterable[Went]) -> EarlierRun:
    return {
        "run_id": run.run_id,
        "state": run.state,
        "seconds": run.seconds,
        "nodes": {one.name: {"state": one.state, "seconds": one.seconds, "rows": one.rows} for one in tasks},
    }
