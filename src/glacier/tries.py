"""How often a task is tried, how long a try may take, and who is told of those that failed: options, checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import cast

from glacier.errors import ConfigError, Site


@dataclass(frozen=True, slots=True)
class FailedTry:
    """One try of a task that failed: what a hook is given.

    Attributes:
        task: the name of the call in the graph.
        pipeline: the name of the pipeline that runs.
        items: for each loop over a result around the call, outermost first, the number of the item, from 0.
        attempt: which try it was, from 1.
        seconds: how long it took.
        error: what the task raised; a `TaskTimeout` if it ran out of time.
        wait: seconds until it is tried again; None if it is not, and the task has failed.
    """

    task: str
    pipeline: str
    items: tuple[int, ...]
    attempt: int
    seconds: float
    error: BaseException
    wait: float | None


Hook = Callable[[FailedTry], object]
"""Called where a try has failed, on a thread of the run. What it returns is dropped; what it raises is logged."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who is told of failed tries.

    Attributes:
        on_retry: called before each wait for another try.
        on_failure: called when a task has failed for good.
    """

    on_retry: Hook | None = None
    on_failure: Hook | None = None


@dataclass(frozen=True, slots=True)
class Tries:
    """How often one call of a task is tried, and how long each try may take.

    Attributes:
        retries: most tries after the first.
        delay: seconds before the first retry; see `execution.retries.wait_before`.
        on: the exceptions after which it is tried again.
        timeout: most seconds of one try; None for no bound.
    """

    retries: int = 0
    delay: float = 1.0
    on: tuple[type[BaseException], ...] = (Exception,)
    timeout: float | None = None


def checked_tries(retries: object, delay: object, on: object, timeout: object, site: Site | None) -> Tries | None:
    """Gives `retries=`, `retry_delay=`, `retry_on=` and `timeout=`; None where they ask for nothing.

    Raises:
        ConfigError: one of them is of another kind, or out of range.
    """
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise ConfigError(f"retries takes a whole number from 0 on, but got {retries!r}", site=site, fix="retries=3")
    seconds = _seconds(delay)
    if seconds is None or seconds < 0:
        raise ConfigError(f"retry_delay takes seconds, 0 or more, but got {delay!r}", site=site, fix="retry_delay=2.0")
    limit = _seconds(timeout)
    if timeout is not None and (limit is None or limit <= 0):
        raise ConfigError(f"timeout takes seconds, more than 0, but got {timeout!r}", site=site, fix="timeout=60")
    given = tuple(cast("Sequence[object]", on)) if isinstance(on, list | tuple) else (on,)
    kinds = tuple(kind for kind in given if isinstance(kind, type) and issubclass(kind, BaseException))
    if not kinds or len(kinds) < len(given):
        raise ConfigError(
            f"retry_on takes types of exceptions, but got {on!r}", site=site, fix="write retry_on=(OSError,)"
        )
    return Tries(retries, seconds, kinds, limit) if retries or limit is not None else None


def checked_hooks(on_retry: object, on_failure: object, site: Site | None) -> Hooks | None:
    """Gives `on_retry=` and `on_failure=`; None where there is neither.

    Raises:
        ConfigError: one of them cannot be called, or is `async`.
    """
    for name, hook in (("on_retry", on_retry), ("on_failure", on_failure)):
        if hook is not None and (not callable(hook) or iscoroutinefunction(hook)):
            kind = "an `async def`" if callable(hook) else repr(hook)
            raise ConfigError(
                f"{name} takes a function that is called with a FailedTry, but got {kind}",
                site=site,
                fix=f"write {name}=the_function",
            )
    if on_retry is None and on_failure is None:
        return None
    return Hooks(cast("Hook | None", on_retry), cast("Hook | None", on_failure))


def _seconds(given: object) -> float | None:
    """Gives a finite number of seconds; None for anything else."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        return None
    return float(given)
