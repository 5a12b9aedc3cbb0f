"""The data of an analysis, which every way of showing it reads."""

from __future__ import annotations

from typing import Literal, TypedDict

from glacier.graph import EdgeKind


class TaskName(str):
    """The unique name of a node in its graph: a `str` that shows without quotes, so that lists of them read well.

    >>> [TaskName("load"), TaskName("clean")]
    [load, clean]
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


EdgeInfo = TypedDict("EdgeInfo", {"from": TaskName, "to": TaskName, "kind": EdgeKind, "reason": str})
"""`to` waits for `from`; the reason is a sentence."""


class ResourceInfo(TypedDict):
    """A resource and the nodes that touch it.

    Attributes:
        uncertain: nodes whose code does not tell what they do; each is in `read_by` and `written_by` too.
    """

    name: str
    uri: str
    provider: str
    read_by: list[TaskName]
    written_by: list[TaskName]
    uncertain: list[TaskName]


class CallInfo(TypedDict):
    """One call in the body.

    Attributes:
        task: the task's name, or `bucket.verb`; many calls may share it.
        variable: what the call is assigned to.
        level: its index in `execution_levels`.
        returns: the annotated result; None where it is not annotated.
    """

    name: TaskName
    task: str
    variable: str | None
    file: str
    line: int
    level: int
    returns: str | None


class InputInfo(TypedDict):
    """A parameter of the pipeline that has no value yet, and its annotation."""

    name: str
    type: str | None


Key = Literal["name", "tasks", "execution_levels", "edges", "resources", "calls", "inputs", "warnings"]


class AnalysisDict(TypedDict):
    """The content of an `Analysis`, ready for `json.dumps`."""

    name: str
    tasks: list[TaskName]
    execution_levels: list[list[TaskName]]
    edges: list[EdgeInfo]
    resources: list[ResourceInfo]
    calls: list[CallInfo]
    inputs: list[InputInfo]
    warnings: list[str]
