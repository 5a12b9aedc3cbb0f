"""What stays of a graph when its run is over: what it is called, where it is written, what it touches."""

from __future__ import annotations

import hashlib
import inspect
import linecache
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypedDict, cast

from glacier.access import touches
from glacier.annotations import UNKNOWN, shown
from glacier.graph import EdgeKind, Graph, Node
from glacier.history.text import dumped, loaded
from glacier.task import Task, given_by

MOST_NODES = 5_000
"""Of a graph that is kept: larger ones are not looked at as a drawing."""

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
        "resources": _touched(graph, visible, place),
        "codes": {name: code for name, code in codes.items() if code},
    }


def graph_key(graph: Graph) -> str:
    """Gives a key that two graphs share only if they are alike: the same calls at the same places of the same files."""
    told = hashlib.blake2b(graph.name.encode(), digest_size=16)
    files: dict[str, None] = {}
    for node in graph.nodes:
        files[node.code.co_filename] = None
        if isinstance(node.work, Task):
            files[node.work.site.file] = None
        told.update(f"{node.work.name} {node.instruction} {node.data}".encode())
    for index, edges in graph.ordering.items():
        told.update(f"{index} {[(edge.source, edge.kind) for edge in edges]}".encode())
    for file in files:
        told.update("".join([file, *linecache.getlines(file)]).encode("utf-8", "backslashreplace"))
    return told.hexdigest()


def packed(info: GraphInfo) -> bytes:
    """Gives a graph as it is kept."""
    return zlib.compress(dumped(info).encode(), 3)


def unpacked(content: bytes) -> GraphInfo:
    """Gives a graph that was kept."""
    return cast("GraphInfo", loaded(zlib.decompress(content).decode()))


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


def _touched(graph: Graph, visible: Sequence[Node], place: Mapping[int, int]) -> list[TouchedInfo]:
    found: dict[str, TouchedInfo] = {}
    for node in visible:
        for touch in touches(node) if graph.touching is None or node.index in graph.touching else ():
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
