"""A run on this machine, from what `Pipeline.run` is asked to its result: who watches it, what of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from glacier.errors import ConfigError, Site, listed
from glacier.inlining import Body

if TYPE_CHECKING:
    from glacier.execution.cache.run import CacheOption
    from glacier.execution.checkpoints import Checkpoint
    from glacier.execution.measures import Measures
    from glacier.execution.options import Executor, OnFailure, RunOptions
    from glacier.execution.record import Observer
    from glacier.graph import Graph
    from glacier.task import Task

Inputs = Mapping[str, object]


class Runnable(Body, Protocol):
    """A pipeline, as far as running it needs to know it."""

    @property
    def checkpoint(self) -> bool:
        """Whether its runs can be resumed, where they do not say."""
        ...

    def plan(self, inputs: Inputs | None = None, *, partial: bool = False) -> Graph:
        """Gives its graph."""
        ...


@dataclass(frozen=True)
class RunRequest:
    """How a pipeline is to be run, as `Pipeline.run` takes it."""

    max_workers: int | None = None
    executor: Executor = "threads"
    on_failure: OnFailure = "stop"
    replace: Mapping[Task[..., Any], Callable[..., Any]] | None = None
    progress: bool | Observer = False
    record: bool = True
    checkpoint: bool | None = None
    resume: str | None = None
    cache: CacheOption = True

    @property
    def given(self) -> list[str]:
        """The names of what is not as it is by default."""
        return [one.name for one in fields(self) if getattr(self, one.name) != one.default]


def refuse_generating(pipeline: Runnable, mode: str, given: Sequence[str], frame: FrameType) -> None:
    """Refuses options that only generating takes.

    Raises:
        ConfigError: there is one.
    """
    if not given:
        return
    fix = "write mode='generate', or drop " + " and ".join(f"{name}=" for name in given)
    if "provider" in given and mode == "local":
        fix = (
            "let the body declare its buckets on a provider that it takes as an input, inputs={'provider': ...}, or on "
            "one in a variable of its module, which a test sets; provider= is for mode='generate'"
        )
    told = f"pipeline `{pipeline.name}` is run in mode {str(mode)!r}, which does not take {listed(given)}"
    raise ConfigError(told, site=Site.of_caller(frame), fix=fix)


def run_here(
    pipeline: Runnable, inputs: Inputs, request: RunRequest, measured: Callable[[Mapping[str, Measures]], None]
) -> object:
    """Runs a pipeline, and gives what its body returned; see `Pipeline.run` for what it raises.

    Args:
        pipeline: that is run.
        inputs: values for the body's parameters; where a run is resumed, those left out are what they were.
        request: how.
        measured: is given what was measured, by task, when the run is over.
    """
    from glacier.execution.cache.run import cache_of
    from glacier.execution.options import RunOptions
    from glacier.execution.scheduler import execute
    from glacier.lineage.environment import lineage
    from glacier.telemetry.telemetry import telemetry

    site = pipeline.site

    def prepared(given: Inputs, kept: Checkpoint | None) -> tuple[Graph, RunOptions]:
        told = lineage()
        recorded = _recording(site.file, given, request.executor, kept) if request.record else None
        options = RunOptions(
            request.max_workers,
            request.executor,
            request.on_failure,
            request.replace or {},
            _together(_shown(request.progress), recorded, told),
            run_id=kept.run_id if kept else None,
            checkpoint=kept,
            cache=cache_of(site.file, request.cache, site),
            tracer=telemetry(),
            tells_origins=told is not None,
            measured=measured,
        )
        return pipeline.plan(given), options

    keeps = pipeline.checkpoint if request.checkpoint is None else request.checkpoint
    if request.resume is None and not keeps:
        return execute(*prepared(inputs, None))
    from glacier.execution.resuming import keep_and_execute

    names = [parameter.name for parameter in pipeline.signature.parameters]
    return keep_and_execute(pipeline.name, site.file, inputs, names, request.resume, prepared)


def _recording(file: str, inputs: Inputs, executor: Executor, kept: Checkpoint | None) -> Observer | None:
    """Gives what records a run in the history, unless that is turned off."""
    from glacier.history.recording import recording

    resumes = {"resumes": kept.resumes} if kept and kept.resumes else {}
    return recording(file, inputs, {"executor": executor, **resumes})


def _shown(progress: bool | Observer) -> Observer | None:  # noqa: FBT001  # the public argument's two forms
    if isinstance(progress, bool):
        if not progress:
            return None
        from glacier.report.progress import progress_observer

        return progress_observer()
    return progress


def _together(*observers: Observer | None) -> Observer | None:
    """Gives one observer in place of those there are."""
    from glacier.execution.record import Observers

    told = [observer for observer in observers if observer is not None]
    return Observers(*told) if len(told) > 1 else next(iter(told), None)
