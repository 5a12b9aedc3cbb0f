"""`@observe`: which metrics of a task, or of every task of a pipeline, a run measures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, cast, get_args, overload

from glacier.errors import ConfigError, Site, did_you_mean, listed

F = TypeVar("F", bound=Callable[..., Any])

Metric = Literal["duration", "cpu", "memory", "rows_processed", "rows_in", "rows_out", "bytes_in", "bytes_out"]

METRICS: tuple[Metric, ...] = get_args(Metric)
KEYS: Mapping[str, Metric] = {
    "duration_ms": "duration",
    "cpu_ms": "cpu",
    "memory_mb": "memory",
    "rows_processed": "rows_processed",
    "rows_in": "rows_in",
    "rows_out": "rows_out",
    "bytes_in": "bytes_in",
    "bytes_out": "bytes_out",
}
"""The metrics by the name that `get_metrics()` has for each."""

Way = Literal["in", "out"]
MOVED: Mapping[Way, frozenset[Metric]] = {
    "in": frozenset({"rows_in", "bytes_in", "rows_processed"}),
    "out": frozenset({"rows_out", "bytes_out", "rows_processed"}),
}
"""The metrics for which frames that come in, or go out, are counted."""

_USUAL: tuple[Metric, ...] = ("duration", "memory", "rows_processed")
_MARK = "__glacier_observed__"


@overload
def observe(function: F, /) -> F: ...
@overload
def observe(*, metrics: Sequence[Metric] = _USUAL) -> Callable[[F], F]: ...
def observe(function: Callable[..., Any] | None = None, /, *, metrics: Sequence[Metric] = _USUAL) -> Any:
    """Lets runs measure a task, or every task of a pipeline; `get_metrics()` of the pipeline then tells.

    Stands above or below `@task` and `@pipeline`, and changes nothing of what it decorates: called outside of a run
    it measures nothing. A task's own metrics go before those of its pipeline.

    Args:
        function: what is decorated, where the decorator is written without parentheses.
        metrics: what to measure. `"duration"` from start to end, `"cpu"` the processor time and `"memory"` the largest
            rise of this process' memory meanwhile; `"rows_in"`, `"bytes_in"` of frames it takes, `"rows_out"`,
            `"bytes_out"` of frames it gives and writes; `"rows_processed"` the rows in, or out if it takes no frame.
            For rows and bytes, LazyFrames are computed in the task that is asked about. An empty list: nothing.

    Raises:
        ConfigError: there is no such metric, or what is decorated is no function, task or pipeline.

    >>> from glacier import pipeline, task
    >>> @task
    ... @observe(metrics=["duration"])
    ... def one() -> int:
    ...     return 1
    >>> @pipeline
    ... def ones() -> int:
    ...     return one()
    >>> ones.run(), list(ones.get_metrics()["one"])
    (1, ['duration_ms'])
    """
    site = Site.of_caller(sys._getframe(1))
    wanted = _checked(metrics, site)

    def decorate(target: object) -> object:
        if not callable(target) or isinstance(target, type):
            raise ConfigError(
                f"@observe takes a function, a task or a pipeline, but got {target!r}",
                site=site,
                fix="put @observe directly above or below @task or @pipeline",
            )
        try:
            setattr(target, _MARK, wanted)
        except AttributeError:
            name = getattr(target, "__name__", type(target).__name__)
            raise ConfigError(
                f"`{name}` is built in and cannot be observed", site=site, fix="observe a task that calls it"
            ) from None
        return target

    return decorate if function is None else decorate(function)


def observed(target: object) -> tuple[Metric, ...] | None:
    """Gives what is measured of a task, or of each task of a pipeline; None where nothing is said of it."""
    return cast("tuple[Metric, ...] | None", getattr(target, _MARK, None))


def _checked(metrics: object, site: Site | None) -> tuple[Metric, ...]:
    given = cast("Sequence[object]", metrics) if isinstance(metrics, list | tuple | set | frozenset) else [metrics]
    for metric in given:
        if metric not in METRICS:
            near = did_you_mean(str(metric), METRICS)
            raise ConfigError(
                f"@observe has no metric {metric!r}",
                site=site,
                fix=f"did you mean {listed(near)}?" if near else f"its metrics are {listed(METRICS)}",
            )
    return tuple(metric for metric in METRICS if metric in given)
