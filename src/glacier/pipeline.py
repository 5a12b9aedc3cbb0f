"""`@pipeline`: a body that calls tasks. Called, it is plain Python; `run` and `graph` read it into a graph."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from glacier.annotations import Signature, signature_of
from glacier.containers import rebuilt
from glacier.errors import ConfigError, GlacierError, GraphError, Site, listed, text_of
from glacier.graph import Graph
from glacier.inlining import bound, checked, inlining, refuse_options
from glacier.rehearsal import Unknowable, rehearsed
from glacier.running import RunRequest, refuse_generating, run_here
from glacier.secret import Mask
from glacier.snapshots import restore
from glacier.source import definition_line, is_users, note_loaded
from glacier.task import Task
from glacier.trace import Handle, Plan, calling, current_plan, handles_in, planning
from glacier.tries import Hook, Hooks, checked_hooks
from glacier.work import Input, Unset

if TYPE_CHECKING:
    from glacier.checking.check import Check
    from glacier.checking.examination import Examination, Given
    from glacier.config import DeployConfig
    from glacier.deployment.reading import Source
    from glacier.execution.cache.run import CacheOption
    from glacier.execution.measures import Measures
    from glacier.execution.options import Executor, OnFailure
    from glacier.execution.record import Observer
    from glacier.generation.generate import Backend, Generated
    from glacier.providers.portable import Provider
    from glacier.report.analysis import Analysis
    from glacier.report.diagram import Diagram
    from glacier.schedules import Schedule

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
V = TypeVar("V")

Inputs = Mapping[str, object]
Metrics = dict[str, int | float | None]


class ExecutionMode(StrEnum):
    """What `Pipeline.run` does.

    >>> ExecutionMode.LOCAL == "local"
    True
    """

    LOCAL = "local"
    ANALYZE = "analyze"
    GENERATE = "generate"


class Pipeline(Generic[P, R_co]):
    """A function made by `@pipeline`. Called, it runs its body as ordinary Python; `run` reads it into a graph first.

    Attributes:
        name: its name in graphs, records and on the command line.
        function: the body as it was written.
        infer: whether resources and checks order its tasks besides data and `depends_on`.
        schedule: when it runs by itself where it is deployed; None if it does not.
        deploy: how it runs where it is deployed.
        hooks: who is told of failed tries of its tasks, besides those whom a task tells itself.
        checkpoint: whether its runs keep what they have finished, so that they can be resumed.
    """

    __name__: str  # the function's, as `update_wrapper` copies it

    def __init__(
        self,
        function: Callable[P, R_co],
        name: str,
        *,
        infer: bool,
        schedule: Schedule | None = None,
        deploy: DeployConfig | None = None,
        hooks: Hooks | None = None,
        checkpoint: bool = False,
    ) -> None:
        self.function = function
        self.name = name
        self.infer = infer
        self.schedule = schedule
        self.deploy = deploy
        self.hooks = hooks
        self.checkpoint = checkpoint
        self._metrics: Mapping[str, Metrics] = {}
        note_loaded(function)
        functools.update_wrapper(cast("Callable[P, R_co]", self), function)

    @property
    def site(self) -> Site:
        """The line of the body's `def`."""
        return Site(self.function.__code__.co_filename, definition_line(self.function))

    @property
    def signature(self) -> Signature:
        """The parameters, which a run takes as inputs, and the result, with resolved types."""
        return self._signature

    @functools.cached_property
    def _signature(self) -> Signature:
        return signature_of(self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Runs the body as ordinary Python; in another pipeline's body its calls join that one's graph as a group."""
        plan = current_plan()
        if plan is None:
            return self.function(*args, **kwargs)
        frame = calling(sys._getframe(1))
        positional, named = bound(self, args, kwargs, Site.of_frame(frame))
        if not inspect.iscoroutinefunction(self.function):
            return cast("R_co", self._inlined(plan, frame, positional, named))
        coroutine: Any = self._awaited(plan, frame, positional, named)
        coroutine.__name__ = coroutine.__qualname__ = self.__name__
        return cast("R_co", coroutine)

    @overload
    def run(
        self: Pipeline[P, Coroutine[Any, Any, V]],
        mode: Literal["local", ExecutionMode.LOCAL] = "local",
        *,
        inputs: Inputs | None = None,
        max_workers: int | None = None,
        executor: Executor = "threads",
        on_failure: OnFailure = "stop",
        replace: Mapping[Task[..., Any], Callable[..., Any]] | None = None,
        progress: bool | Observer = False,
        record: bool = True,
        checkpoint: bool | None = None,
        resume: str | None = None,
        cache: CacheOption = True,
    ) -> V: ...
    @overload
    def run(
        self,
        mode: Literal["local", ExecutionMode.LOCAL] = "local",
        *,
        inputs: Inputs | None = None,
        max_workers: int | None = None,
        executor: Executor = "threads",
        on_failure: OnFailure = "stop",
        replace: Mapping[Task[..., Any], Callable[..., Any]] | None = None,
        progress: bool | Observer = False,
        record: bool = True,
        checkpoint: bool | None = None,
        resume: str | None = None,
        cache: CacheOption = True,
    ) -> R_co: ...
    @overload
    def run(self, mode: Literal["analyze", ExecutionMode.ANALYZE], *, inputs: Inputs | None = None) -> Analysis: ...
    @overload
    def run(
        self,
        mode: Literal["generate", ExecutionMode.GENERATE],
        *,
        inputs: Inputs | None = None,
        output_dir: str | os.PathLike[str] = "./terraform",
        provider: Provider | None = None,
        backend: Backend | None = None,
        force: bool = False,
    ) -> Generated: ...
    def run(
        self,
        mode: str = "local",
        *,
        inputs: Inputs | None = None,
        max_workers: int | None = None,
        executor: Executor = "threads",
        on_failure: OnFailure = "stop",
        replace: Mapping[Task[..., Any], Callable[..., Any]] | None = None,
        progress: bool | Observer = False,
        record: bool = True,
        checkpoint: bool | None = None,
        resume: str | None = None,
        cache: CacheOption = True,
        output_dir: str | os.PathLike[str] = "./terraform",
        provider: Provider | None = None,
        backend: Backend | None = None,
        force: bool = False,
    ) -> Any:
        """Runs the pipeline here, analyzes it, or generates the infrastructure that runs it in a cloud.

        Inside another pipeline's body, `run(inputs={...})` is a call: its calls join that one's graph as a group.

        Args:
            mode: `"local"` runs every task and gives the body's result; `"analyze"` runs none and gives an `Analysis`;
                `"generate"` runs none, and writes Terraform's configuration of all that the pipeline needs.
            inputs: values for the body's parameters, by name.
            max_workers: most tasks at once; by default four more than the cores, at most 32.
            executor: `"threads"` (Polars works outside the interpreter lock), `"processes"` for tasks bound to Python
                (frames go by Arrow file, other values by pickle), `"sync"` in turn on this thread, for debuggers.
            on_failure: `"stop"` cancels what has not started and raises the failure; `"continue"` runs all that does
                not depend on it and raises all failures together.
            replace: functions to call in place of tasks, for tests.
            progress: whether to show the run as it goes on, or who else is to be told of it.
            record: whether the run is kept in the history, which `glacier runs` shows; see also `GLACIER_HISTORY`.
            checkpoint: whether what tasks give is kept on the disk before anything goes on from it, so that a run that
                is interrupted or fails can be resumed; by default what `@pipeline(checkpoint=...)` says.
            resume: the run to go on with, "last" or its id: of its tasks those are done that were not finished, and
                those that would now do something else, and all after them. Inputs left out are what they were.
            cache: whether results of tasks with `@task(cache=...)` are taken from earlier runs and kept for later ones;
                `"refresh"` computes all of them, and keeps what comes out. `GLACIER_CACHE=0` is for all runs.
            output_dir: the folder that is generated into; what a person added to it stays.
            provider: what takes the place of `LocalProvider` in what is generated.
            backend: where Terraform is to keep its state, "s3" say; its settings are given to `terraform init`.
            force: whether to overwrite generated files that a person has changed.

        Raises:
            InputError: inputs are missing, unknown or of another type, or no such run can be resumed; nothing has run.
            GraphError: the body cannot be read as a graph; nothing has run.
            TaskError: a task failed.
            RunErrors: tasks failed, with `on_failure="continue"`.
            GateClosed: the body's own result was skipped, because a check returned False.
            ConfigError: what is generated would have a name that its cloud does not take, or the folder holds changes.
            UnsupportedError: the cloud cannot express what the pipeline asks for.

        >>> from glacier import task, pipeline
        >>> @task
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> @pipeline
        ... def doubled(x: int) -> int:
        ...     return double(x)
        >>> doubled.run(inputs={"x": 21})
        42
        """
        if current_plan() is None and rehearsed() is not None:
            raise Unknowable(f"it runs pipeline `{self.name}`")
        if mode != "generate":
            elsewhere = output_dir != "./terraform"
            refused = {"output_dir": elsewhere, "provider": provider, "backend": backend, "force": force}
            refuse_generating(self, mode, [name for name, given in refused.items() if given], sys._getframe(1))
        request = RunRequest(max_workers, executor, on_failure, replace, progress, record, checkpoint, resume, cache)
        match mode:
            case "analyze":
                from glacier.report.analysis import analyze

                return analyze(self.plan(inputs, partial=True))
            case "generate":
                from glacier.deployment.inputs import inputs_as_text
                from glacier.generation.generate import draft, generate

                folder = Path(output_dir)
                source = self.source(inputs_as_text(self.name, inputs or {}))
                made = draft(self.plan(inputs), source, folder, provider)
                return generate({None: made}, folder, backend, force=force)
            case "local" if (outer := current_plan()) is not None:
                frame = sys._getframe(1)
                site = Site.of_frame(frame)
                refuse_options(self, outer, request.given, site)
                return self._inlined(outer, frame, *self._split(checked(self, inputs or {}, site, partial=False)))
            case "local":
                return run_here(self, inputs or {}, request, self._keep)
            case _:
                modes = [str(mode) for mode in ExecutionMode]
                raise ConfigError(
                    f"pipeline `{self.name}` cannot run in mode {mode!r}",
                    site=Site.of_caller(sys._getframe(1)),
                    fix=f"use one of {listed(modes)}",
                )

    def get_metrics(self) -> dict[str, Metrics]:
        """Gives what was measured of each task in the last run of this process, and what tasks told of themselves.

        A task is here if `@observe` asks for something, or if it calls `context().metric(...)`.

        Returns:
            By the task's name in the graph the numbers by name: `duration_ms` and `cpu_ms` in milliseconds, `memory_mb`
            in MiB, `rows_processed`, `rows_in`, `rows_out`, `bytes_in`, `bytes_out`; None where that cannot be known.
            It is empty before the first run.
        """
        return {task: dict(metrics) for task, metrics in self._metrics.items()}

    def _keep(self, measures: Mapping[str, Measures]) -> None:
        self._metrics = {task: measured.shown() for task, measured in measures.items()}

    def source(self, inputs: tuple[str, ...] = ()) -> Source:
        """Gives where it is written, and how it is to be deployed: what generating needs of it besides its graph.

        Args:
            inputs: what its runs are given, each as a command line has it, `day=2024-05-01`.
        """
        from glacier.config import DeployConfig
        from glacier.deployment.reading import Source

        function = self.function
        return Source(
            self.name,
            function.__code__.co_filename,
            function.__qualname__,
            self.site,
            self.schedule,
            self.deploy or DeployConfig(),
            inputs,
        )

    def graph(self, *, inputs: Inputs | None = None) -> Diagram:
        """Gives the picture of the graph: text in a terminal, SVG in a notebook, Mermaid for documents. Runs no task.

        Args:
            inputs: values for the body's parameters; those left out stay symbolic.

        Raises:
            GraphError: the body cannot be read as a graph.
        """
        from glacier.report.diagram import Diagram

        return Diagram(self.plan(inputs, partial=True))

    def check(self, *, inputs: Inputs | None = None, schemas: Given | None = None, strict: bool = False) -> Check:
        """Follows schemas through the graph without data: columns that are not there and dtypes that do not fit.

        Tasks annotated to return a frame are called on frames without rows; no other task is called, nothing is
        written, and no data is read but the footers and heads of local files whose schema is not known otherwise.

        Args:
            inputs: values for the body's parameters; those left out stay symbolic. Frames are taken without rows.
            schemas: a file that `glacier check --record` wrote (by default `glacier-schemas.json` beside the
                pipeline's file), or schemas by source (`raw/x.csv`) and by input.
            strict: whether a source whose schema is not known is an error, not a warning.

        Raises:
            SchemaError: something does not fit; several findings are told together.
            GraphError: the body cannot be read as a graph.
            InputError: inputs do not fit, or the file of schemas is none.

        >>> import polars as pl
        >>> from glacier import pipeline, task
        >>> @task
        ... def total(sales: pl.LazyFrame) -> pl.LazyFrame:
        ...     return sales.select(pl.col("amount").sum())
        >>> @pipeline
        ... def turnover(sales: pl.LazyFrame) -> pl.LazyFrame:
        ...     return total(sales)
        >>> turnover.check(schemas={"sales": {"amount": pl.Int64}})["total"]
        Schema([('amount', Int64)])
        """
        examined = self.examine(inputs, schemas, strict=strict)
        error = examined.error()
        if error is not None:
            raise error
        return examined.check

    def examine(
        self, inputs: Inputs | None, schemas: Given | None, *, strict: bool = False, recording: bool = False
    ) -> Examination:
        """Gives what `check` gives with what is wrong beside it; `recording` asks data first, on other machines too."""
        from glacier.checking.examination import examine

        plan = functools.partial(self.plan, inputs, partial=True)
        return examine(plan, schemas, Path(self.site.file).parent, strict=strict, recording=recording)

    def plan(self, inputs: Inputs | None = None, *, partial: bool = False) -> Graph:
        """Reads the body into a graph; runs no task, reads no data.

        Args:
            inputs: values for the body's parameters, by name.
            partial: whether parameters without a value stay symbolic instead of being an error.

        Raises:
            InputError: inputs are missing, unknown or of another type.
            GraphError: the body cannot be read as a graph.
        """
        from glacier.ordering import ordered

        outer = current_plan()
        if outer is not None:
            raise GraphError(
                f"pipeline `{self.name}` is analyzed or drawn inside the body of pipeline `{outer.name}`",
                site=Site.of_caller(sys._getframe(1)),
                fix=f"do that outside of the body; to make it a part of `{outer.name}`, call it",
            )
        given = checked(self, inputs or {}, self.site, partial=partial)
        plan = Plan(self.name, self)
        with planning(plan):
            for parameter in self.signature.parameters:
                if parameter.required and not parameter.variadic and parameter.name not in given:
                    given[parameter.name] = plan.record(Input(parameter.name, parameter.type), (), {}, sys._getframe())
            result = self._traced(*self._split(given))
            for index in handles_in(result) if plan.loops else ():
                plan.check_reached(Handle(plan.nodes[index], plan), None)
        if plan.refused is not None:
            raise plan.refused  # the body caught it, as `except Exception` does
        restore(plan.snapshots)
        return ordered(plan, result, infer=self.infer)

    @property
    def _staged(self) -> Callable[..., object]:
        from glacier.staging import staged

        return staged(self.function)

    def _split(self, given: Mapping[str, object]) -> tuple[tuple[object, ...], dict[str, Any]]:
        """Gives inputs as arguments: by position where the body takes them only so, else by name."""
        named = dict(given)
        parameters = self.signature.binding.parameters.values()
        nameless = [parameter for parameter in parameters if parameter.kind is parameter.POSITIONAL_ONLY]
        return tuple(named.pop(parameter.name, parameter.default) for parameter in nameless), named

    def _inlined(self, plan: Plan, frame: FrameType, args: tuple[object, ...], kwargs: dict[str, Any]) -> object:
        with inlining(plan, self, frame, (*args, *kwargs.values())):
            return self._traced(args, kwargs)

    async def _awaited(self, plan: Plan, frame: FrameType, args: tuple[object, ...], kwargs: dict[str, Any]) -> Any:
        """As in a plain call, nothing happens before the call of an `async def` body is awaited."""
        return self._inlined(plan, frame, args, kwargs)

    def _traced(self, args: tuple[object, ...], kwargs: dict[str, Any]) -> object:
        try:
            result = self._staged(*args, **kwargs)
            result = _sent(result, self) if inspect.iscoroutine(result) else result
            plan = current_plan()
            return _all_set(result, self.site) if plan is not None and (plan.guarded or plan.loops) else result
        except GlacierError:
            raise
        except Exception as error:
            summary, text = type(error).__name__, Mask.of(args, kwargs)(text_of(error))
            raise GraphError(
                f"the body of pipeline `{self.name}` raised {summary} while it was planned: {text}",
                site=_innermost_site(error) or self.site,
                fix="what depends on data belongs in a task; the body runs before there is any",
            ) from error

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


def _sent(coroutine: Any, pipeline: Pipeline[..., Any]) -> object:
    """Gives what an `async def` body returns. One step reaches its end: awaiting a handle gives the handle at once."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise GraphError(
        f"the body of pipeline `{pipeline.name}` awaits something that is not a task",
        site=pipeline.site,
        fix="await it inside an `async def` task",
    )


def _all_set(result: object, site: Site) -> object:
    """Gives what a body returned.

    Raises:
        GraphError: a variable in it may have no value.
    """

    def visit(member: object) -> object:
        if isinstance(member, Unset):
            refusal = member.glacier_refusal()
            refusal.site = site
            raise refusal
        return rebuilt(member, visit)

    visit(result)
    return result


def _innermost_site(error: BaseException) -> Site | None:
    site, traceback = None, error.__traceback__
    while traceback is not None:
        if is_users(traceback.tb_frame.f_code.co_filename):
            site = Site(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return site


@overload
def pipeline(function: Callable[P, R], /) -> Pipeline[P, R]: ...
@overload
def pipeline(
    *,
    name: str | None = None,
    infer: bool = True,
    schedule: str | None = None,
    timezone: str = "UTC",
    deploy: DeployConfig | None = None,
    on_retry: Hook | None = None,
    on_failure: Hook | None = None,
    checkpoint: bool = False,
) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...
def pipeline(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    infer: bool = True,
    schedule: str | None = None,
    timezone: str = "UTC",
    deploy: DeployConfig | None = None,
    on_retry: Hook | None = None,
    on_failure: Hook | None = None,
    checkpoint: bool = False,
) -> Any:
    """Makes a function that calls tasks a pipeline.

    Args:
        function: the body, where the decorator is written without parentheses.
        name: its name in graphs, records and on the command line; the function's own by default.
        infer: whether nodes on the same resource keep the body's order and checks come before use; if False, only data
            and `depends_on` order them.
        schedule: when it runs by itself where it is deployed, as cron has it: minute, hour, day, month, weekday.
        timezone: of the schedule, by its name in the IANA database.
        deploy: how it runs where it is deployed: machine, time limit, alert; of no meaning here.
        on_retry: called with a `glacier.tries.FailedTry` before each wait for another try of a task of this pipeline.
        on_failure: called with one for each task of it that has failed for good.
        checkpoint: whether its runs here keep on the disk what they have finished, so that one that was interrupted or
            failed can be resumed: `run(resume="last")`.

    Raises:
        ConfigError: what is decorated is no function, or a generator; the schedule is none; or a hook is no function.

    >>> @pipeline
    ... def answer() -> int:
    ...     return 42
    >>> answer(), answer.run()
    (42, 42)
    """
    site = Site.of_caller(sys._getframe(1))
    when = None
    if schedule is not None:
        from glacier.schedules import schedule_of

        when = schedule_of(schedule, timezone, site)
    hooks = checked_hooks(on_retry, on_failure, site)

    def decorate(function: Callable[..., Any]) -> Pipeline[..., Any]:
        if not inspect.isfunction(function):
            raise ConfigError(
                f"@pipeline takes a function, but got {function!r}",
                site=site,
                fix="put @pipeline directly above the `def`",
            )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigError(
                f"the body of pipeline `{function.__name__}` is a generator",
                site=site,
                fix="return its results instead of yielding",
            )
        if _is_method(function):
            raise ConfigError(
                f"@pipeline takes a function, but `{function.__qualname__}` is a method: no run would give its object",
                site=site,
                fix="put the body outside of the class, and let it take the object as an input",
            )
        named = name or function.__name__
        options: dict[str, Any] = {"infer": infer, "schedule": when, "deploy": deploy, "hooks": hooks}
        return Pipeline(function, named, checkpoint=checkpoint, **options)

    return decorate if function is None else decorate(function)


def _is_method(function: Callable[..., object]) -> bool:
    """Says whether a function is written in a class, and takes its object or class first."""
    within = function.__qualname__.rpartition(".")[0]
    first = function.__code__.co_varnames[:1]
    return bool(within) and not within.endswith("<locals>") and first in (("self",), ("cls",))
