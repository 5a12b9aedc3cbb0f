"""`context()`: what a task may know of the run it is in, and the metrics it tells of itself."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from glacier.doing import Combine, Doing, Told, current
from glacier.errors import GraphError, InputError, Site
from glacier.observe import KEYS
from glacier.trace import current_plan

if TYPE_CHECKING:
    import logging


class Context:
    """What a task may know of its run. Outside of a run every name is None, and metrics go nowhere.

    Take it in the task, and hand it on to threads that the task starts: there, `context()` knows of no run.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: Doing | None) -> None:
        self._doing = doing

    @property
    def run_id(self) -> str | None:
        """The run's id, which its records have."""
        return self._doing.run_id if self._doing else None

    @property
    def pipeline(self) -> str | None:
        """The name of the pipeline that runs."""
        return self._doing.pipeline if self._doing else None

    @property
    def task(self) -> str | None:
        """The task's name in the graph, which tells it from other calls of it: `load[sales]`."""
        return self._doing.task if self._doing else None

    @property
    def attempt(self) -> int:
        """Which try this is: 1, and more after failures that are retried."""
        return self._doing.attempt if self._doing else 1

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger `glacier.task`; its records have the attributes run_id, pipeline, task and attempt."""
        from glacier.logs import TaskLogger

        return TaskLogger(self._doing)

    def metric(self, name: str, value: float, *, combine: Combine = "sum") -> None:
        """Tells a number that `get_metrics()` and the run's record have beside what is measured.

        Args:
            name: what it counts; not a name of what `@observe` measures.
            value: the number; one that is not finite is left out with a warning.
            combine: what several values come to, told in one call of the task or in the turns of a loop.

        Raises:
            InputError: the name is no name or is taken, or the value is no number.
        """
        number = _number(name, value, combine)
        if not math.isfinite(number):
            self.logger.warning("metric `%s` is %s and is left out", name, number)
        elif self._doing is not None:
            with self._doing.lock:
                before = self._doing.told.get(name)
                self._doing.told[name] = Told(number, combine) if before is None else before.joined(number)

    def __repr__(self) -> str:
        if self._doing is None:
            return "<context of no run>"
        again = f", attempt {self.attempt}" if self.attempt > 1 else ""
        return f"<context of task {self.task} in run {self.run_id} of {self.pipeline}{again}>"


def context() -> Context:
    """Gives what the running task may know of its run: its id, the task's name, the attempt, a logger, metrics.

    Called outside of a run, as a task's unit test does, it gives a context that knows nothing and keeps nothing.

    Raises:
        GraphError: it is called in a pipeline's body, which is read before there is a run.

    >>> from glacier import pipeline, task
    >>> @task
    ... def cleaned(values: list[int | None]) -> list[int]:
    ...     kept = [value for value in values if value is not None]
    ...     context().metric("nulls", len(values) - len(kept))
    ...     return kept
    >>> @pipeline
    ... def cleaning() -> list[int]:
    ...     return cleaned([1, None, 2])
    >>> cleaning.run(), cleaning.get_metrics()
    ([1, 2], {'cleaned': {'nulls': 1}})
    >>> context()
    <context of no run>
    """
    doing = current()
    if doing is None and (plan := current_plan()) is not None:
        raise GraphError(
            f"context() is called in the body of pipeline `{plan.name}`, which is read before there is a run",
            site=Site.of_caller(sys._getframe(1)),
            fix="call it in a task",
        )
    return Context(doing)


def _number(name: Any, value: Any, combine: Any) -> int | float:
    """Gives the number of a metric.

    Raises:
        InputError: the name is no name or is taken, the value is no number, or they cannot be combined so.
    """
    said = None
    if not isinstance(name, str) or not name.strip():
        said, fix = f"a metric got {name!r} for a name", 'write context().metric("nulls", 3)'
    elif name in KEYS:
        said, fix = f"`{name}` is the name of what @observe measures", "give the metric another name"
    elif isinstance(value, bool) or not hasattr(value, "__float__"):
        said, fix = f"metric `{name}` got a {type(value).__name__}, not a number", "pass an int or a float"
    elif combine not in ("sum", "last", "max", "min"):
        said, fix = f"metric `{name}` got combine={combine!r}", "use combine='sum', 'last', 'max' or 'min'"
    else:
        return int(value) if hasattr(value, "__index__") else float(value)
    raise InputError(said, site=Site.of_caller(sys._getframe(2)), fix=fix)
