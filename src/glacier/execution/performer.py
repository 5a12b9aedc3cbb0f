"""Does the work of one node: its arguments' values, the call, what the frame it returns becomes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import iscoroutine
from time import perf_counter
from typing import Any, Protocol, cast

from glacier.access import act_for
from glacier.errors import TaskError
from glacier.execution.coroutines import Coroutines
from glacier.execution.failures import task_error
from glacier.execution.frames import Frames
from glacier.execution.sinks import is_write, write_together
from glacier.graph import Graph, Node
from glacier.task import Task
from glacier.trace import Handle, rebuilt
from glacier.work import Absent, Select

_MISSING = object()
"""The value of a node that has not run."""


class Workplace(Protocol):
    """Where tasks are called: in this process, or in worker processes."""

    def call(self, task: Task[..., Any], function: Callable[..., object], args: Any, kwargs: Any) -> object:
        """Calls `function` in place of `task` with values for arguments."""
        ...

    def value(self, handed: object) -> object:
        """Gives what a call returned as a value of this process."""
        ...


class Here:
    """Calls tasks in this process; async ones on the run's event loop."""

    def __init__(self, coroutines: Coroutines) -> None:
        self._coroutines = coroutines

    def call(self, task: Task[..., Any], function: Callable[..., object], args: Any, kwargs: Any) -> object:
        """Calls `function`, and awaits it if it is a coroutine."""
        del task
        value = function(*args, **kwargs)
        return self._coroutines.result(value) if iscoroutine(value) else value

    def value(self, handed: object) -> object:
        """Gives the value itself."""
        return handed


@dataclass(slots=True)
class Done:
    """How one node ended.

    Attributes:
        began: the clock when it started, as `perf_counter` has it.
        closed: whether it is a check that returned False.
        truth: of its value, where it is the condition of a branch.
        skipped: why it gives no value after all: the branch it selects from has none.
    """

    index: int
    began: float
    seconds: float
    rows: int | None = None
    closed: bool = False
    truth: bool | None = None
    skipped: str | None = None
    error: TaskError | None = None


class Performer:
    """Holds the values of a run from the node that gives one to the last that takes it."""

    def __init__(
        self,
        graph: Graph,
        workplace: Workplace,
        replace: Mapping[Task[..., Any], Callable[..., object]],
        frames: Frames,
    ) -> None:
        self.graph = graph
        self.workplace = workplace
        self.replace = replace
        self.frames = frames
        self.values: list[object] = [_MISSING] * len(graph.nodes)
        self._takers = [0] * len(graph.nodes)
        for node in graph.nodes:
            for source in node.data:
                self._takers[source] += 1
        for index in set(handles_in(graph.result)):
            self._takers[index] += 1
        self._conditions = {e.source for edges in graph.ordering.values() for e in edges if e.wanted is not None}
        self._gates = {edge.source for edges in graph.ordering.values() for edge in edges if edge.gate}

    def perform(self, unit: Sequence[int]) -> list[Done]:
        """Does the work of the nodes of a unit, and says how each ended."""
        if len(unit) == 1:
            return [self._one(unit[0])]
        began = perf_counter()
        writes = [self._arguments(self.graph.nodes[index], loaded=True) for index in unit]
        rows = write_together([(args[0], args[1:], kwargs) for args, kwargs in writes])
        if rows is None:
            return [self._one(index) for index in unit]
        seconds = perf_counter() - began
        return [Done(index, began, seconds, count) for index, count in zip(unit, rows, strict=True)]

    def result(self) -> object:
        """Gives what the body returned, with values in place of handles."""
        return self._filled(self.graph.result, loaded=True)

    def release(self, index: int) -> None:
        """Notes that node `index` has ended and drops the values nobody takes any more. Not thread-safe."""
        for source in self.graph.nodes[index].data:
            self._takers[source] -= 1
            if not self._takers[source]:
                self.values[source] = None

    def _one(self, index: int) -> Done:
        node = self.graph.nodes[index]
        began = perf_counter()
        truth: bool | None = None
        if isinstance(node.work, Select) and (reason := self._lacks(node)) is not None:
            return Done(index, began, 0.0, skipped=reason)
        try:
            value, rows = self._call(node)
            if index in self.frames.rules:
                value = self.frames.settled(index, value)
            if self._takers[index]:
                self.values[index] = value
            if index in self._conditions:
                truth = bool(value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # a task may raise anything, SystemExit too; the run tells it
            seconds = perf_counter() - began
            return Done(index, began, seconds, error=task_error(self.graph, node, error, self._given(node)))
        closed = value is False and index in self._gates
        seconds = perf_counter() - began
        return Done(index, began, seconds, _rows_of(value) if rows is None else rows, closed, truth)

    def _lacks(self, node: Node) -> str | None:
        """Says why a node that selects from a branch has nothing to select, if so."""
        condition, then, other = node.args
        decided = self.values[cast("Handle", condition).glacier_node.index]
        if decided is _MISSING:
            return "its branch was not reached"
        side = then if decided else other
        if isinstance(side, Absent):
            return f"`{side.name}` is not assigned where its branch went"
        if any(self.values[index] is _MISSING for index in handles_in(side)):
            return "what the branch gives was skipped"
        return None

    def _call(self, node: Node) -> tuple[object, int | None]:
        """Gives what a node's work returns, and for a write its rows where they are known."""
        work = node.work
        if isinstance(work, Task):
            args, kwargs = self._arguments(node, loaded=False)
            function = self.replace.get(work.origin, work.function) if self.replace else work.function
            act_for(self.graph, node if function is work.function else None)
            # isinstance tells pyright no type arguments, and a cast would be a call per node
            return self.workplace.call(work, function, args, kwargs), None  # pyright: ignore[reportUnknownArgumentType]
        args, kwargs = self._arguments(node, loaded=True)
        if is_write(node):
            bucket = cast("Any", args[0])
            return None, bucket.stage_write(*args[1:], **kwargs).run().rows
        return work.body(*args, **kwargs), None

    def _arguments(self, node: Node, *, loaded: bool) -> tuple[tuple[object, ...], dict[str, object]]:
        if node.nested or loaded:
            args = tuple([self._filled(value, loaded=loaded) for value in node.args])
            return args, {key: self._filled(value, loaded=loaded) for key, value in node.kwargs.items()}
        values = self.values
        args = tuple([values[a.glacier_node.index] if type(a) is Handle else a for a in node.args])
        if not node.kwargs:
            return args, {}
        return args, {k: values[a.glacier_node.index] if type(a) is Handle else a for k, a in node.kwargs.items()}

    def _filled(self, value: object, *, loaded: bool) -> object:
        if type(value) is Handle:
            handed = self.values[value.glacier_node.index]
            return self.workplace.value(handed) if loaded else handed
        return rebuilt(value, lambda member: self._filled(member, loaded=loaded))

    def _given(self, node: Node) -> dict[str, object]:
        """Gives a failed node's arguments by parameter, for its error."""
        args, kwargs = self._arguments(node, loaded=False)
        if isinstance(node.work, Task):
            names = [parameter.name for parameter in node.work.signature.parameters]
        else:
            names = ["bucket", "frame"]
        return {**dict(zip(names, args, strict=False)), **kwargs}


def handles_in(value: object) -> Iterator[int]:
    """Gives the nodes whose values a structure holds."""
    found: list[int] = []

    def visit(member: object) -> object:
        if type(member) is Handle:
            found.append(member.glacier_node.index)
            return member
        return rebuilt(member, visit)

    visit(value)
    return iter(found)


def _rows_of(value: Any) -> int | None:
    polars = sys.modules.get("polars")
    rows: int | None = value.height if polars is not None and isinstance(value, polars.DataFrame) else None
    return rows
