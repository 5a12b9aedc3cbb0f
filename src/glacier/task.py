"""`@task`: a function that is a plain call outside a pipeline and a node of the graph inside one."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import FrameType, MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, cast, overload
from weakref import WeakSet

from glacier.annotations import UNKNOWN, Parameter, Signature, can_be, frame_kind, shown, signature_of
from glacier.caching import CachePolicy, checked_cache
from glacier.errors import ConfigError, GraphError, Site
from glacier.filling import Filling
from glacier.graph import Resource, Work
from glacier.loops import mapped
from glacier.options import (
    Materialize,
    check_stated,
    checked_compute,
    checked_concurrency,
    checked_materialize,
    stated_access,
)
from glacier.schemas import SchemaLike, schema_from, schemas_taken
from glacier.snapshots import is_open, snapshot
from glacier.source import by_path, definition_line, note_loaded
from glacier.trace import Handle, Plan, calling, current_plan
from glacier.tries import Hook, Hooks, Tries, checked_hooks, checked_tries

if TYPE_CHECKING:
    from datetime import timedelta

    import polars as pl

    from glacier.config.deploy import Compute

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")
Q = ParamSpec("Q")
T = TypeVar("T")


@dataclass(frozen=True)
class TaskOptions:
    """What `@task(...)` was given.

    Attributes:
        depends_on: tasks all of whose calls in the pipeline must end before a call of this one starts.
        gate: whether a False result skips what waits for it; None leaves it to the annotation (`-> bool`).
        materialize: whether a LazyFrame result is computed once before it is handed on; see `task`.
        max_concurrency: most calls of it at once in a run.
        reads: the resources it reads, by parameter or as they are; None leaves it to its code.
        writes: the resources it writes, likewise.
        takes: the schemas of the frames it takes, by parameter.
        gives: the schema of the frame it gives.
        compute: the machine it runs on in a cloud; None leaves it to the pipeline.
        tries: how often it is tried and how long a try may take; None for once, and as long as it takes.
        hooks: who is told of its failed tries.
        cache: how its results are kept from run to run; None where they are not.
    """

    depends_on: tuple[Task[..., Any], ...] = ()
    gate: bool | None = None
    materialize: Materialize = "auto"
    max_concurrency: int | None = None
    reads: tuple[str | Resource, ...] | None = None
    writes: tuple[str | Resource, ...] | None = None

    takes: Mapping[str, pl.Schema] = field(default_factory=dict[str, "pl.Schema"])
    gives: pl.Schema | None = None
    compute: Compute | None = None
    tries: Tries | None = None
    hooks: Hooks | None = None
    cache: CachePolicy | None = None

    @property
    def states_access(self) -> bool:
        """Whether it is stated, at least in part, what the task reads and writes."""
        return self.reads is not None or self.writes is not None


class Task(Generic[P, R_co]):
    """A function made by `@task`. Called outside a plan it is that function; called in a pipeline's body it is a node.

    Attributes:
        name: its name in graphs, records and messages.
        function: the function as it was written.
        options: what `@task(...)` was given.
        origin: the task as it was declared; another object only for a task bound to an instance (`obj.method`).
    """

    kind: Literal["task"] = "task"
    __name__: str  # the function's, as `update_wrapper` copies it

    def __init__(
        self, function: Callable[P, R_co], name: str, options: TaskOptions, origin: Task[..., Any] | None = None
    ) -> None:
        self.function = function
        self.name = name
        self.options = options
        self.origin: Task[..., Any] = origin or self
        self._fitting: dict[str | int, WeakSet[object]] = {}
        self._open = is_open(function)
        note_loaded(function)
        functools.update_wrapper(cast("Callable[P, R_co]", self), function)

    @property
    def body(self) -> Callable[P, R_co]:
        """What a run calls."""
        return self.function

    @property
    def site(self) -> Site:
        """The line of the function's `def`."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        return Site(code.co_filename if code else "<unknown>", definition_line(self.function))

    @property
    def signature(self) -> Signature:
        """Its parameters and result with resolved types; what does not resolve is unknown."""
        return self._signature

    @cached_property
    def _signature(self) -> Signature:
        return signature_of(self.function)

    @property
    def upstream(self) -> tuple[Task[..., Any], ...]:
        """The tasks it depends on, as `depends_on` names them."""
        return self.options.depends_on

    @cached_property
    def is_gate(self) -> bool:
        """Whether a False result skips what waits for it: annotated `-> bool` and not `gate=False`."""
        if self.options.gate is not None:
            return self.options.gate
        return self.signature.returns is bool

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Calls the function; in a pipeline's body that is being planned, records the call instead."""
        plan = current_plan()
        if plan is None:
            return self.function(*args, **kwargs)
        return cast("R_co", self.record(plan, args, kwargs, calling(sys._getframe(1))))

    def after(self, *upstream: object) -> Callable[P, R_co]:
        """Gives this task for one call that also waits for `upstream`: results of calls, or tasks (every call of them).

        Outside a plan order is the order of the lines, so the call is a plain one.
        """
        return _After(self, upstream)

    def map(self: Task[Concatenate[S, Q], T], items: Iterable[S], /, *args: Q.args, **kwargs: Q.kwargs) -> list[T]:
        """Calls the task for each of `items`, with the same further arguments: `[task(item, ...) for item in items]`.

        In a pipeline's body `items` may be a result: how many there are is then known in the run only, and the list
        is a result too, in the order of the items.

        >>> @task
        ... def scaled(x: int, factor: int) -> int:
        ...     return factor * x
        >>> scaled.map([1, 2], factor=10)
        [10, 20]
        """
        plan, frame = current_plan(), sys._getframe(1)
        if plan is None:
            return [self.function(item, *args, **kwargs) for item in items]
        if isinstance(items, Task):
            raise _uncalled(f"`{self.name}.map` takes a result or a list", cast("Task[..., Any]", items), frame)
        return cast("list[T]", mapped(lambda item: self.record(plan, (item, *args), kwargs, frame), items, frame))

    def record(self, plan: Plan, args: tuple[object, ...], kwargs: Mapping[str, object], frame: FrameType) -> Handle:
        """Adds a call of this task, made at `frame`, to `plan` and gives the handle of its result.

        Raises:
            GraphError: the arguments do not fit the signature, or a result among them cannot be what is taken there.
        """
        if kwargs or self._complete != len(args):
            args, kwargs = self._bound(plan, args, kwargs, frame)
        for position, value in enumerate(args):
            if type(value) is Handle:
                if value.glacier_node.work not in self._fitting.get(position, ()):
                    self._check_edge(position, value, frame)
            elif type(value) is Task:
                self._check_called(position, cast("Task[..., Any]", value), frame)
        for name, value in kwargs.items():
            if type(value) is Handle:
                if value.glacier_node.work not in self._fitting.get(name, ()):
                    self._check_edge(name, value, frame)
            elif type(value) is Task:
                self._check_called(name, cast("Task[..., Any]", value), frame)
        handle = plan.record(self, args, kwargs, frame)
        plan.calls[self.origin].append(handle.glacier_node.index)
        if self._open:
            plan.snapshots.append((handle.glacier_node, [snapshot(self.function)]))
        return handle

    @cached_property
    def _complete(self) -> int | None:
        return self.signature.positional

    def _bound(
        self, plan: Plan, args: tuple[object, ...], kwargs: Mapping[str, object], frame: FrameType
    ) -> tuple[tuple[object, ...], Mapping[str, object]]:
        """Gives the arguments with those missing filled from `depends_on` and from the body's variables."""
        try:
            bound = self.signature.binding.bind_partial(*args, **kwargs)
        except TypeError as error:
            raise GraphError(
                f"task `{self.name}` is called with the wrong arguments: {error}",
                site=Site.of_frame(frame),
                fix=f"its signature is {self.name}{self.signature.binding}",
            ) from None
        missing = [
            p for p in self.signature.parameters if p.required and not p.variadic and p.name not in bound.arguments
        ]
        if missing:
            filled = Filling(self, plan, frame).fill(missing)
            by_name = {**bound.arguments, **filled}
            for parameter in self.signature.parameters:  # binding keeps its arguments in the order of the parameters
                if parameter.name in by_name:
                    bound.arguments.pop(parameter.name, None)
                    bound.arguments[parameter.name] = by_name[parameter.name]
        return bound.args, bound.kwargs

    def _check_edge(self, place: int | str, value: Handle, frame: FrameType) -> None:
        source = value.glacier_node.work
        parameter = self._parameter(place)
        produced = given_by(source)
        if parameter is not None and not can_be(produced, parameter.type):
            raise GraphError(
                f"task `{self.name}` takes `{parameter.name}` as {shown(parameter.type)}, "
                f"but `{source.name}` gives {shown(produced)}",
                site=Site.of_frame(frame),
                fix=fitting_fix(self.name, parameter, source.name, produced),
            )
        self._fitting.setdefault(place, WeakSet()).add(source)

    def _check_called(self, place: int | str, value: Task[..., Any], frame: FrameType) -> None:
        """Refuses a task in place of its result, where what is taken is certainly no task."""
        parameter = self._parameter(place)
        if parameter is not None and not can_be(Task, parameter.type):
            takes = f"task `{self.name}` takes `{parameter.name}` as {shown(parameter.type)}"
            raise _uncalled(takes, value, frame)

    def _parameter(self, place: int | str) -> Parameter | None:
        parameters = self.signature.parameters
        if isinstance(place, str):
            return next((p for p in parameters if p.name == place), None)
        return parameters[place] if place < len(parameters) and not parameters[place].variadic else None

    @overload
    def __get__(self, instance: None, owner: type) -> Task[P, R_co]: ...
    @overload
    def __get__(self: Task[Concatenate[S, Q], T], instance: S, owner: type) -> Task[Q, T]: ...
    def __get__(self, instance: object, owner: type) -> Task[Any, Any]:
        """Binds a task that is written as a method, as a function would be bound."""
        if instance is None:
            return self
        return self.calling(MethodType(self.function, instance))

    def calling(self, function: Callable[..., Any]) -> Task[Any, Any]:
        """Gives the same task with a function that is its own, but for what is bound to it or around it."""
        return Task(function, self.name, self.options, self.origin)

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        if isinstance(self.function, MethodType):
            return getattr, (self.function.__self__, self.function.__name__)
        qualname = self.function.__qualname__
        if "<locals>" in qualname:
            import pickle  # only this message needs it, not every import

            raise pickle.PicklingError(
                str(
                    GraphError(
                        f"task `{self.name}` is defined inside a function and cannot go to another process",
                        site=self.site,
                        fix="move it to the top of its module, or run with executor='threads'",
                    )
                )
            )
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        return by_path, (self.function.__module__, code.co_filename if code else "", qualname)


class _After(Generic[P, R]):
    """A task for one call, with what that call waits for besides its arguments."""

    def __init__(self, task: Task[P, R], upstream: tuple[object, ...]) -> None:
        self._task = task
        self._upstream = upstream

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        plan = current_plan()
        if plan is None:
            return self._task.function(*args, **kwargs)
        frame = calling(sys._getframe(1))
        for value in self._upstream:
            if not isinstance(value, Handle | Task):
                raise GraphError(
                    f"`{self._task.name}.after(...)` takes results of calls or tasks, but got {value!r}",
                    site=Site.of_frame(frame),
                    fix="pass the variable that holds the other call's result",
                )
        handle = self._task.record(plan, args, kwargs, frame)
        plan.after[handle.glacier_node.index] = self._upstream
        return cast("R", handle)


def _uncalled(takes: str, value: Task[..., Any], frame: FrameType) -> GraphError:
    """Gives the error for a task where its result is meant."""
    arguments = "..." if any(p.required and not p.variadic for p in value.signature.parameters) else ""
    return GraphError(
        f"{takes}, but `{value.name}` is a task, not its result",
        site=Site.of_frame(frame),
        fix=f"call it: `{value.name}({arguments})`",
    )


def given_by(work: Work) -> object:
    """Gives the annotated type of what a node's work gives; `UNKNOWN` where there is none."""
    return work.signature.returns if isinstance(work, Task) else getattr(work, "annotation", UNKNOWN)


def fitting_fix(task: str, parameter: Parameter, source: str, produced: object) -> str:
    """Gives the edit that makes a result fit a parameter of a task or pipeline."""
    match frame_kind(produced), frame_kind(parameter.type):
        case "LazyFrame", "DataFrame":
            lazily = f"annotate `{parameter.name}` as pl.LazyFrame and collect in `{task}`"
            return f"{lazily}, or let `{source}` return .collect()"
        case "DataFrame", "LazyFrame":
            return f"let `{source}` return .lazy(), or annotate `{parameter.name}` as pl.DataFrame"
        case _:
            return f"pass something else as `{parameter.name}`, or change one of the two annotations"


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    *,
    name: str | None = None,
    depends_on: Sequence[Task[..., Any]] = (),
    gate: bool | None = None,
    materialize: Materialize = "auto",
    max_concurrency: int | None = None,
    reads: Sequence[str | Resource] | None = None,
    writes: Sequence[str | Resource] | None = None,
    takes: Mapping[str, SchemaLike] | None = None,
    gives: SchemaLike | None = None,
    compute: Compute | None = None,
    retries: int = 0,
    retry_delay: float = 1.0,
    retry_on: type[BaseException] | Sequence[type[BaseException]] = (Exception,),
    timeout: float | None = None,
    on_retry: Hook | None = None,
    on_failure: Hook | None = None,
    cache: bool | timedelta | CachePolicy = False,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    depends_on: Sequence[Task[..., Any]] = (),
    gate: bool | None = None,
    materialize: Materialize = "auto",
    max_concurrency: int | None = None,
    reads: Sequence[str | Resource] | None = None,
    writes: Sequence[str | Resource] | None = None,
    takes: Mapping[str, SchemaLike] | None = None,
    gives: SchemaLike | None = None,
    compute: Compute | None = None,
    retries: int = 0,
    retry_delay: float = 1.0,
    retry_on: type[BaseException] | Sequence[type[BaseException]] = (Exception,),
    timeout: float | None = None,
    on_retry: Hook | None = None,
    on_failure: Hook | None = None,
    cache: bool | timedelta | CachePolicy = False,
) -> Any:
    """Makes a function a task.

    A task called in a pipeline's body becomes a node of its graph; called anywhere else it is the plain function.
    An `async def` is awaited by the run.

    Args:
        function: the function, where the decorator is written without parentheses.
        name: its name in graphs and records; the function's own by default.
        depends_on: tasks whose every call in the same pipeline must end before a call of this one starts. A parameter
            that a call leaves out is taken from their results, in order, by type.
        gate: whether False as a result skips what waits for this task; by default so for tasks annotated `-> bool`.
        materialize: what happens to a LazyFrame this task returns. `"auto"` computes it once, in memory, if several
            nodes would otherwise each repeat an expensive plan (join, group_by, sort, unique, Python function) and at
            least one of them is not lazy itself; `True` always; `False` never; `"disk"` as `True` but in a file.
        max_concurrency: most calls of it at once in a run, in a loop or elsewhere; no bound but the run's by default.
        reads: what it reads, in place of what its code tells: names of parameters (`"lake.raw"` for one member of a
            container or object), and resources it reaches as globals. An empty list says: nothing.
        writes: what it writes, likewise. A run refuses whatever is in neither list; the one left out is still inferred.
        takes: for parameters that take frames the columns and dtypes they must have, more do no harm; a dict or
            `pl.Schema`, a dataframely `Schema`, or a `DataFrameModel` of pandera.polars. A check compares them; a run
            does not.
        gives: the same for the frame it returns. What a Python function computes only `gives` can tell a check.
        compute: the machine it runs on in a cloud, where that is not the pipeline's. Tasks of one machine that can run
            together are one stage, and stages hand on what others take through the bucket of records.
        retries: how many more times a call is tried that failed. A try that waits for its turn holds no worker.
        retry_delay: seconds before the first retry; each further one waits twice as long, at most five minutes or this
            if it is longer, and each up to `retry_delay` more by chance, so that calls that failed together part.
        retry_on: the exceptions after which it is tried again; others end it at once.
        timeout: most seconds that one try may take, in a plain call and with `executor="sync"` not held. In a worker
            process the process is ended; an async task is cancelled; a thread cannot be stopped: the task has failed at
            its deadline, its thread goes on unheeded, and what that would still write through a bucket is refused.
        on_retry: called with a `glacier.tries.FailedTry` before each wait for another try.
        on_failure: called with one when the task has failed for good.
        cache: whether its results are kept from run to run, and given again instead of calling it: as long as its code
            with all that this reaches, its arguments and what these come from, and the objects that are read on the
            way are as they were; for a timedelta at most so long; see `CachePolicy`.

    Raises:
        ConfigError: an option is not of the kind above, or what is decorated is no function.

    >>> @task
    ... def double(x: int) -> int:
    ...     return 2 * x
    >>> double(4)
    8
    """
    site = Site.of_caller(sys._getframe(1))
    options = TaskOptions(
        _origins(depends_on, site),
        gate,
        checked_materialize(materialize, site),
        checked_concurrency(max_concurrency, site),
        stated_access("reads", reads, site),
        stated_access("writes", writes, site),
        gives=None if gives is None else schema_from(gives, "gives=", site),
        compute=checked_compute(compute, site),
        tries=checked_tries(retries, retry_delay, retry_on, timeout, site),
        hooks=checked_hooks(on_retry, on_failure, site),
        cache=checked_cache(cache, site),
    )

    def decorate(function: object) -> Task[..., Any]:
        if not callable(function) or isinstance(function, type | Task | staticmethod | classmethod):
            raise ConfigError(
                f"@task takes a function, but got {function!r}", site=site, fix="put @task directly above the `def`"
            )
        own_name: str = getattr(function, "__name__", type(function).__name__)
        check_stated(function, own_name, {"reads": options.reads, "writes": options.writes}, site)
        taken = schemas_taken(takes, function, site) if takes else {}
        return Task(function, name or own_name, replace(options, takes=taken))

    return decorate if function is None else decorate(function)


def _origins(depends_on: object, site: Site | None) -> tuple[Task[..., Any], ...]:
    tasks = cast("Sequence[object]", depends_on) if isinstance(depends_on, Sequence) else [depends_on]
    origins = tuple(task.origin for task in tasks if isinstance(task, Task))
    if not isinstance(depends_on, Sequence) or len(origins) < len(tasks):
        raise ConfigError(
            f"depends_on takes a list of tasks, but got {depends_on!r}", site=site, fix="write depends_on=[the_task]"
        )
    return origins
