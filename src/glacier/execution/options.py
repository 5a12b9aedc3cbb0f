"""How to run a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from glacier.errors import ConfigError
from glacier.execution.cache.run import Cache
from glacier.execution.checkpoints import Checkpoint
from glacier.execution.measures import Measures
from glacier.execution.part import Part
from glacier.execution.record import Observer
from glacier.execution.tracing import Tracer
from glacier.graph import Resource
from glacier.task import Task

Executor = Literal["threads", "processes", "sync"]
OnFailure = Literal["stop", "continue"]


@dataclass(frozen=True)
class RunOptions:
    """How to run a graph.

    Attributes:
        max_workers: most nodes at once; by default, as in `ThreadPoolExecutor`, four more than the cores, at most 32.
        executor: where tasks run: on threads, in worker processes, or one after another on the calling thread.
        on_failure: whether a failure ends the run, or only what depends on it is left out.
        replace: functions to call in place of tasks.
        observer: who is told as the run goes on.
        part: which nodes to run, where that is not all.
        run_id: names the run; made from its start where there is none.
        checkpoint: what keeps finished tasks, and gives those of the run that is resumed; the caller closes it.
        cache: where results of tasks that ask for it are kept, and how they are used; None for no cache.
        tells_origins: whether the records of nodes tell what they wrote to buckets, and where that comes from.
        tracer: who is told of each try, in the context of its code.
        measured: is given what was measured, by node, when the run is over.
    """

    max_workers: int | None = None
    executor: Executor = "threads"
    on_failure: OnFailure = "stop"
    replace: Mapping[Task[..., Any], Callable[..., Any]] = field(default_factory=dict[Any, Any])
    observer: Observer | None = None
    part: Part | None = None
    run_id: str | None = None
    checkpoint: Checkpoint | None = None
    cache: Cache | None = None
    tracer: Tracer | None = None
    tells_origins: bool = False
    measured: Callable[[dict[str, Measures]], None] | None = None

    def __post_init__(self) -> None:
        workers = cast("object", self.max_workers)
        if workers is not None and (not isinstance(workers, int) or workers < 1):
            raise ConfigError(f"max_workers is {workers!r}; it takes a whole number from 1 on", fix="max_workers=1")
        if self.executor not in ("threads", "processes", "sync"):
            raise ConfigError(f"no executor `{self.executor}`", fix="use executor='threads', 'processes' or 'sync'")
        if self.on_failure not in ("stop", "continue"):
            raise ConfigError(f"no on_failure `{self.on_failure}`", fix="use on_failure='stop' or 'continue'")
        _check_replace(self.replace)


def _check_replace(replace: object) -> None:
    """Refuses what is no mapping from tasks to functions."""
    shape = "replace= takes a function for each task, by the task itself"
    if not isinstance(replace, Mapping):
        raise ConfigError(f"{shape}, but got {replace!r}", fix="write replace={the_task: the_function}")
    for key, function in cast("Mapping[object, object]", replace).items():
        if isinstance(key, Resource):
            fix = "give the pipeline a provider for tests: see the tests of pipelines in docs/running.md"
            raise ConfigError(f"{shape}, but got {type(key).__name__.lower()} `{key.label}`", fix=fix)
        if not isinstance(key, Task):
            named = str(getattr(key, "__name__", key))
            task = named if named.isidentifier() else "the_task"
            fix = f"write replace={{{task}: ...}}, with what @task has made"
            raise ConfigError(f"{shape}, but got {key!r}", fix=fix)
        if not callable(function):
            fix = f"write replace={{{key.name}: lambda ...: {function!r}}}, with the parameters of `{key.name}`"
            raise ConfigError(f"{shape}, but got {function!r} for task `{key.name}`", fix=fix)
