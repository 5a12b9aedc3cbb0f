"""What a pipeline would do, as plain data: tasks, levels, edges and their reasons, resources, warnings."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, cast, overload

from glacier.access import touches
from glacier.annotations import UNKNOWN, shown
from glacier.report.analysis_html import html
from glacier.report.analysis_text import text
from glacier.report.findings import (
    AnalysisDict,
    CallInfo,
    EdgeInfo,
    GroupInfo,
    InputInfo,
    Key,
    ResourceInfo,
    TaskName,
)
from glacier.report.fitting import counted
from glacier.task import Task, given_by
from glacier.trace import handles_in
from glacier.work import Input

if TYPE_CHECKING:
    from glacier.graph import Graph, Node


class Analysis(Mapping[Key, object]):
    """What `run(mode="analyze")` gives: a read-only mapping that prints, and shows in a notebook, as a report.

    >>> from glacier import pipeline, task
    >>> @task
    ... def load() -> list[int]:
    ...     return [1]
    >>> @task
    ... def total(numbers: list[int]) -> int:
    ...     return sum(numbers)
    >>> @pipeline
    ... def sums() -> int:
    ...     return total(load())
    >>> analysis = sums.run(mode="analyze")
    >>> analysis["execution_levels"]
    [[load], [total]]
    >>> analysis["edges"][0]["reason"]
    '`total` takes the result of `load`'
    """

    def __init__(self, content: AnalysisDict) -> None:
        self._content = content

    @overload
    def __getitem__(self, key: Literal["name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["tasks"]) -> list[TaskName]: ...
    @overload
    def __getitem__(self, key: Literal["execution_levels"]) -> list[list[TaskName]]: ...
    @overload
    def __getitem__(self, key: Literal["edges"]) -> list[EdgeInfo]: ...
    @overload
    def __getitem__(self, key: Literal["resources"]) -> list[ResourceInfo]: ...
    @overload
    def __getitem__(self, key: Literal["calls"]) -> list[CallInfo]: ...
    @overload
    def __getitem__(self, key: Literal["groups"]) -> list[GroupInfo]: ...
    @overload
    def __getitem__(self, key: Literal["inputs"]) -> list[InputInfo]: ...
    @overload
    def __getitem__(self, key: Literal["warnings"]) -> list[str]: ...
    @overload
    def __getitem__(self, key: Key) -> object: ...
    def __getitem__(self, key: Key) -> object:
        return self._content[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(cast("Mapping[Key, object]", self._content))

    def __len__(self) -> int:
        return len(self._content)

    def to_dict(self) -> AnalysisDict:
        """Gives the content as plain lists and dicts; `json.dumps` takes it. A shallow copy."""
        return self._content.copy()

    def text(self, width: int | None = None) -> str:
        """Gives the report that `print` shows.

        Args:
            width: in columns; that of the terminal by default. Where there is none, nothing is cut off.
        """
        return text(self._content, width or _width())

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<analysis of {self._content['name']}: {counted(len(self._content['tasks']), 'task')}>"

    def _repr_html_(self) -> str:
        return html(self._content)


_ANY = 10_000
"""More columns than a report has."""


def _width() -> int:
    """Gives the columns of the terminal, or of `COLUMNS`; a log or a pipe has as many as there is to print."""
    known = "COLUMNS" in os.environ or (bool(sys.stdout) and sys.stdout.isatty())
    return shutil.get_terminal_size((100, 24)).columns if known else _ANY


def analyze(graph: Graph) -> Analysis:
    """Gives what a person or a program wants to know of `graph` before it runs. Runs nothing, reads no data.

    >>> from glacier.graph import Graph
    >>> analyze(Graph("nothing", []))["warnings"]
    ['pipeline `nothing` calls no task']
    """
    names = [TaskName(name) for name in graph.names]
    visible = [node for node in graph.nodes if not node.hidden]
    levels = graph.levels()
    level_of = {index: depth for depth, level in enumerate(levels) for index in level}
    return Analysis(
        {
            "name": graph.name,
            "tasks": [names[node.index] for node in visible],
            "execution_levels": [[names[index] for index in level] for level in levels],
            "edges": _edges(graph, names),
            "resources": _resources(visible, names),
            "calls": [_call(graph, node, names[node.index], level_of[node.index]) for node in visible],
            "groups": _groups(graph, visible, names),
            "inputs": [
                {"name": node.work.name, "type": _type(node.work.annotation)}
                for node in graph.nodes
                if isinstance(node.work, Input)
            ],
            "warnings": [*graph.warnings, *_warnings(graph, visible)],
        }
    )


def _edges(graph: Graph, names: list[TaskName]) -> list[EdgeInfo]:
    edges: list[EdgeInfo] = []
    for edge in graph.visible_edges():
        source, target = names[edge.source], names[edge.target]
        if edge.kind == "data":
            reason = f"`{target}` takes the result of `{source}`"
        else:
            reason = f"`{target}` waits for `{source}`: {edge.reason}"
        edges.append({"from": source, "to": target, "kind": edge.kind, "reason": reason})
    return [*edges, *_edges_across(graph, names)]


def _edges_across(graph: Graph, names: list[TaskName]) -> Iterator[EdgeInfo]:
    """Gives what a turn of a loop waits for in the turn before."""
    for index, edges in sorted(graph.across.items()):
        for edge in edges:
            reason = f"`{names[index]}` waits for `{names[edge.source]}`: {edge.reason}"
            yield {"from": names[edge.source], "to": names[index], "kind": edge.kind, "reason": reason}
    for loop in graph.loops:
        for carried, left in loop.carried.items():
            takers = [
                node.index for node in graph.nodes if not node.hidden and carried in graph.hidden_above(node.index)
            ]
            sources = dict.fromkeys(shown for index in handles_in(left) for shown in graph.shown(index))
            for taker in takers:
                for source in sources:
                    variable = graph.nodes[carried].work.name
                    reason = f"`{names[taker]}` takes `{variable}` as the turn before left it, by `{names[source]}`"
                    yield {"from": names[source], "to": names[taker], "kind": "data", "reason": reason}


def _resources(visible: list[Node], names: list[TaskName]) -> list[ResourceInfo]:
    found: dict[str, ResourceInfo] = {}
    for node in visible:
        for touch in touches(node):
            resource, name = touch.resource, names[node.index]
            info = found.get(resource.uri)
            if info is None:
                info = found[resource.uri] = {
                    "name": resource.label,
                    "uri": resource.uri,
                    "provider": resource.provider_name,
                    "group": None,
                    "read_by": [],
                    "written_by": [],
                    "invoked_by": [],
                    "uncertain": [],
                }
            if resource.group and info["group"] is None:
                info["group"] = "/".join(resource.group)
            noted = {
                "read_by": touch.access.reads,
                "written_by": touch.access.writes and not resource.invocable,
                "invoked_by": touch.access.writes and resource.invocable,
                "uncertain": not touch.access.certain,
            }
            for key in ("read_by", "written_by", "invoked_by", "uncertain"):
                if noted[key] and info[key][-1:] != [name]:  # a node's touches of one place come one after another
                    info[key].append(name)
    return list(found.values())


def _groups(graph: Graph, visible: list[Node], names: list[TaskName]) -> list[GroupInfo]:
    """Gives the groups that hold a task, directly or in a group inside them, in the order of their calls."""
    found: dict[str, GroupInfo] = {}
    for node in visible:
        path = graph.grouped.get(node.index, ())
        parent: str | None = None
        for group in path:
            name, site = graph.groups[group], group.site
            if name not in found:
                found[name] = {
                    "name": name,
                    "kind": group.kind,
                    "file": site.path,
                    "line": site.line,
                    "parent": parent,
                    "tasks": [],
                    "groups": [],
                }
                if parent is not None:
                    found[parent]["groups"].append(name)
            parent = name
        if parent is not None:
            found[parent]["tasks"].append(names[node.index])
    return list(found.values())


def _call(graph: Graph, node: Node, name: TaskName, level: int) -> CallInfo:
    work = node.work
    site = node.site
    return {
        "name": name,
        "task": work.name,
        "variable": node.variable,
        "group": next(reversed(graph.path(node.index)), None),
        "file": site.path,
        "line": site.line,
        "level": level,
        "returns": _type(given_by(work)),
    }


def _type(annotation: object) -> str | None:
    return None if annotation is UNKNOWN else shown(annotation)


def _warnings(graph: Graph, visible: list[Node]) -> Iterator[str]:
    if not visible:
        yield f"pipeline `{graph.name}` calls no task"
        return
    used = {source for node in graph.nodes for source in graph.upstream(node.index)} | set(handles_in(graph.result))
    unused: dict[str, list[Node]] = {}
    for node in visible:
        if node.index not in used and _gives_only_a_result(node):
            unused.setdefault(node.work.name, []).append(node)
    for name, nodes in unused.items():
        calls = f"`{name}`" if len(nodes) == 1 else f"{len(nodes):,} calls of `{name}`"
        first = "" if len(nodes) == 1 else "first at "
        yield f"nothing uses the result of {calls}, which writes to no resource ({first}{nodes[0].site})"


def _gives_only_a_result(node: Node) -> bool:
    """Whether calling it is in vain unless something takes its result, as far as can be told."""
    work = node.work
    if work.kind == "barrier" or (isinstance(work, Task) and work.signature.returns is type(None)):
        return False
    return not any(touch.access.writes for touch in touches(node))
