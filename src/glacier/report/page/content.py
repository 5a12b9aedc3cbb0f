"""What the page of a run shows, as plain data: of the graph what stays, of the run how it went."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypedDict, cast

from glacier.access import touches
from glacier.annotations import UNKNOWN, shown
from glacier.execution.record import NodeRecord, RunRecord
from glacier.graph import EdgeKind, Graph, Node
from glacier.task import Task, given_by

_MOST_CODE = 20_000
"""Characters of one task's source."""


class NodeInfo(TypedDict):
    """A node of the graph: what it is called and where it stands.

    Attributes:
        site: file and line of its call.
        level: how many levels of tasks come before it.
    """

    name: str
    task: str
    kind: Literal["task", "storage", "barrier"]
    level: int
    site: str
    group: str | None
    returns: str | None


class TouchedInfo(TypedDict):
    """A resource, and the nodes that touch it, by their places."""

    name: str
    uri: str
    read_by: list[int]
    written_by: list[int]
    invoked_by: list[int]


class GraphInfo(TypedDict):
    """What stays of a graph when its run is over; ready for `json.dumps`.

    Attributes:
        edges: by the places of their nodes: source, target, kind, the reason if it is not the data.
        codes: the source of each task, by its name.
    """

    nodes: list[NodeInfo]
    edges: list[tuple[int, int, EdgeKind, str]]
    resources: list[TouchedInfo]
    codes: dict[str, str]


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
    live: str | None


def graph_info(graph: Graph) -> GraphInfo:
    """Gives what a page needs of a graph. Runs nothing and reads no data.

    >>> graph_info(Graph("nothing", []))["nodes"]
    []
    """
    visible = [node for node in graph.nodes if not node.hidden]
    place = {node.index: at for at, node in enumerate(visible)}
    codes: dict[str, str] = {}
    for node in visible:
        work = node.work
        if isinstance(work, Task) and work.name not in codes:
            codes[work.name] = _code(cast("Task[..., Any]", work))
    return {
        "nodes": [_node_info(graph, node) for node in visible],
        "edges": [
            (place[edge.source], place[edge.target], edge.kind, "" if edge.kind == "data" else edge.reason)
            for edge in graph.visible_edges()
        ],
        "resources": _touched(visible, place),
        "codes": {name: code for name, code in codes.items() if code},
    }


def page_data(
    graph: GraphInfo,
    record: RunRecord,
    *,
    previous: RunRecord | None = None,
    memory: Sequence[tuple[float, int]] = (),
    live: str | None = None,
) -> PageData:
    """Gives what the page of a run shows.

    Args:
        graph: what was run.
        record: how it went.
        previous: the run of the same pipeline before it.
        memory: bytes that the process held, each with the seconds since the run began.
        live: where the page asks how the run goes on.
    """
    by_name = {node.name: node for node in record.nodes}
    nodes = [_node_data(info, by_name.get(info["name"])) for info in graph["nodes"]]
    critical = _critical(nodes, graph["edges"])
    return {
        "run": {
            "run_id": record.run_id,
            "pipeline": record.pipeline,
            "state": record.state,
            "started": record.started.isoformat(),
            "seconds": record.seconds,
        },
        "nodes": nodes,
        "edges": graph["edges"],
        "resources": graph["resources"],
        "codes": graph["codes"],
        "critical": critical,
        "critical_seconds": sum(_span(nodes[at]) for at in critical),
        "memory": list(memory),
        "previous": None if previous is None else _earlier(previous),
        "live": live,
    }


def _node_info(graph: Graph, node: Node) -> NodeInfo:
    work = node.work
    kind: Any = work.kind if work.kind in ("storage", "barrier") else "task"
    returns = given_by(work)
    return {
        "name": graph.names[node.index],
        "task": work.name,
        "kind": kind,
        "level": graph.depths[node.index],
        "site": str(node.site),
        "group": next(reversed(graph.path(node.index)), None),
        "returns": None if returns is UNKNOWN else shown(returns),
    }


def _code(work: Task[..., Any]) -> str:
    """Gives the source of a task; nothing where it cannot be had."""
    try:
        return inspect.getsource(inspect.unwrap(work.function))[:_MOST_CODE]
    except (OSError, TypeError):
        return ""


def _touched(visible: Sequence[Node], place: Mapping[int, int]) -> list[TouchedInfo]:
    found: dict[str, TouchedInfo] = {}
    for node in visible:
        for touch in touches(node):
            resource, at = touch.resource, place[node.index]
            info = found.setdefault(
                resource.uri,
                {"name": resource.label, "uri": resource.uri, "read_by": [], "written_by": [], "invoked_by": []},
            )
            for key in _how(reads=touch.access.reads, writes=touch.access.writes, invocable=resource.invocable):
                if info[key][-1:] != [at]:
                    info[key].append(at)
    return list(found.values())


def _how(*, reads: bool, writes: bool, invocable: bool) -> Iterator[Literal["read_by", "written_by", "invoked_by"]]:
    if reads:
        yield "read_by"
    if writes:
        yield "invoked_by" if invocable else "written_by"


def _node_data(info: NodeInfo, record: NodeRecord | None) -> NodeData:
    """Gives a node with how it went; one that the record does not have has not started."""
    if record is None:
        record = NodeRecord(info["name"], "waiting")
    measures = record.measures
    metrics: dict[str, float | None] = {}
    if measures is not None:
        metrics.update({name: value for name, value in measures.measured.items() if name != "duration"})
        metrics.update({name: one.value for name, one in measures.told.items()})
    return {
        **info,
        "state": record.state,
        "started": record.started,
        "ended": record.ended,
        "seconds": record.seconds,
        "rows": record.rows,
        "reason": record.reason,
        "turns": record.turns,
        "attempts": [{"started": one.started, "seconds": one.seconds, "error": one.error} for one in record.attempts],
        "metrics": metrics,
        "columns": None,
        "log": [],
    }


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


def _earlier(record: RunRecord) -> EarlierRun:
    return {
        "run_id": record.run_id,
        "state": record.state,
        "seconds": record.seconds,
        "nodes": {
            node.name: {"state": node.state, "seconds": node.seconds, "rows": node.rows} for node in record.nodes
        },
    }
