"""The data of an analysis, which every way of showing it reads."""

from __future__ import annotations

from typing import Literal, TypedDict

from glacier.graph import EdgeKind
from glacier.groups import GroupKind


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
        group: the composite resource it is a part of; of nested ones all, `platform/create_data_lake[sales]`.
        invoked_by: of a function, the nodes that invoke it; these are not in `written_by`.
        uncertain: nodes whose code does not tell what they do; each is in the other lists too.
    """

    name: str
    uri: str
    provider: str
    group: str | None
    read_by: list[TaskName]
    written_by: list[TaskName]
    invoked_by: list[TaskName]
    uncertain: list[TaskName]


class CallInfo(TypedDict):
    """One call in the body.

    Attributes:
        task: the task's name, or `bucket.verb`; many calls may share it.
        variable: what the call is assigned to.
        group: the name of the innermost group it is in; None for those in the pipeline's own body.
        level: its index in `execution_levels`.
        returns: the annotated result; None where it is not annotated.
    """

    name: TaskName
    task: str
    variable: str | None
    group: str | None
    file: str
    line: int
    level: int
    returns: str | None


class GroupInfo(TypedDict):
    """A pipeline called in the body: where, and what it calls itself.

    Attributes:
        parent: the group in which it is called; None for the pipeline's own body.
        tasks: the calls of its body.
        groups: the pipelines called in its body, each an entry of its own.
    """

    name: str
    kind: GroupKind
    file: str
    line: int
    parent: str | None
    tasks: list[TaskName]
    groups: list[str]


class InputInfo(TypedDict):
    """A parameter of the pipeline that has no value yet, and its annotation."""

    name: str
    type: str | None


Key = Literal["name", "tasks", "execution_levels", "edges", "resources", "calls", "groups", "inputs", "warnings"]


class AnalysisDict(TypedDict):
    """The content of an `Analysis`, ready for `json.dumps`."""

    name: str
    tasks: list[TaskName]
    execution_levels: list[list[TaskName]]
    edges: list[EdgeInfo]
    resources: list[ResourceInfo]
    calls: list[CallInfo]
    groups: list[GroupInfo]
    inputs: list[InputInfo]
    warnings: list[str]
