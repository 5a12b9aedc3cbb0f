"""Which failed tries are tried again, after how long a wait, and the hooks that are told of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import cast

from glacier.errors import TaskError
from glacier.execution.jobs import Job
from glacier.execution.record import Attempt
from glacier.execution.turns import Done
from glacier.graph import Graph
from glacier.groups import bodies
from glacier.task import Task
from glacier.tries import FailedTry, Hooks, Tries

_log = logging.getLogger("glacier.retries")

_LONGEST = 300.0  # seconds that a wait grows to, if `retry_delay` is not longer


def wait_before(retry: int, delay: float) -> float:
    """Gives the seconds to wait before a retry, the first being 1: `delay`, doubled each time, and some chance.

    >>> 2.0 <= wait_before(1, 2.0) <= 4.0, 8.0 <= wait_before(3, 2.0) <= 10.0
    (True, True)
    """
    from tenacity import RetryCallState, Retrying, wait_exponential, wait_random

    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = retry
    return (wait_exponential(delay, max=max(_LONGEST, delay)) + wait_random(0, delay))(state)


def names_of(kind: type[BaseException]) -> tuple[str, ...]:
    """Gives the full names of an exception's type and of those that it derives from.

    >>> names_of(TimeoutError)[:2]
    ('builtins.TimeoutError', 'builtins.OSError')
    """
    return tuple(f"{one.__module__}.{one.__qualname__}" for one in kind.__mro__)


def _is_one_of(error: BaseException | None, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether an exception is of one of these types, also if it stands for one that another process could not send."""
    there: tuple[str, ...] = getattr(error, "kinds", ()) if type(error).__name__ == "RemoteError" else ()
    return isinstance(error, kinds) or not {names_of(kind)[0] for kind in kinds}.isdisjoint(there)


class Retries:
    """The tries of a run that failed and whose task has not ended yet.

    Attributes:
        open: for each call that is to be tried again, the tries that failed. Changed under the lock of the run only.
    """

    def __init__(self, graph: Graph, begun: float) -> None:
        self._graph = graph
        self._begun = begun
        self.open: dict[tuple[Job, int], list[Attempt]] = {}

    def tried(self, job: Job, number: int) -> int:
        """Gives how many tries of a member failed so far."""
        return len(self.open.get((job, number), ()))

    def wait(self, job: Job, number: int, done: Done) -> float | None:
        """Takes that a try failed, and gives the seconds until the next one; None if there is to be none."""
        tries = self._tries(done.index)
        if tries is None or done.error is None:
            return None
        tried = self.tried(job, number)
        if tried >= tries.retries or not _is_one_of(done.error.__cause__, tries.on):
            return None
        return wait_before(tried + 1, tries.delay)

    def keep(self, job: Job, number: int, done: Done) -> None:
        """Keeps a try that failed and is to be repeated."""
        self.open.setdefault((job, number), []).append(self._attempt(job, number, done))

    def closed(self, job: Job, number: int, done: Done) -> list[Attempt]:
        """Gives all tries of a member that has ended; nothing if the first was the only one."""
        failed = self.open.pop((job, number), None)
        return [] if failed is None else [*failed, self._attempt(job, number, done)]

    def unfinished(self) -> Iterator[tuple[int, list[Attempt]]]:
        """Gives the nodes that the run's end kept from another try, with those that failed."""
        for (job, number), attempts in self.open.items():
            yield job.key(number), attempts

    def has_hooks(self, index: int) -> bool:
        """Says whether anybody is told of the tries of a node that fail."""
        return any(True for _ in self._hooks(index))

    def tell(self, index: int, error: TaskError, seconds: float, wait: float | None) -> None:
        """Tells of a try that failed: the log of one that is repeated, and the hooks; what they raise is logged."""
        if wait is not None:
            _log.info("`%s` failed in try %d, next in %.3g s: %s", error.task, error.attempts, wait, error.reason)
        told: FailedTry | None = None
        for hooks in self._hooks(index):
            hook = hooks.on_failure if wait is None else hooks.on_retry
            if hook is None:
                continue
            cause = error.__cause__ or error
            told = told or FailedTry(error.task, error.pipeline, error.items, error.attempts, seconds, cause, wait)
            try:
                hook(told)
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001  # a hook may raise anything, SystemExit too, and the run goes on
                name = getattr(hook, "__qualname__", type(hook).__name__)
                _log.exception("the hook `%s` of task `%s` failed itself", name, error.task)

    def _attempt(self, job: Job, number: int, done: Done) -> Attempt:
        reason = None if done.error is None else done.error.reason
        items = tuple(item for _, item in job.path_at(number))
        return Attempt(done.began - self._begun, done.seconds, reason, items)

    def _tries(self, index: int) -> Tries | None:
        work = self._graph.nodes[index].work
        return work.options.tries if isinstance(work, Task) else None

    def _hooks(self, index: int) -> Iterator[Hooks]:
        """Gives the task's, then those of the pipelines around it, from the innermost outwards."""
        work = self._graph.nodes[index].work
        around = [group.body for group in reversed(bodies(self._graph.grouped.get(index, ())))]
        for owner in (work.options if isinstance(work, Task) else None, *around, self._graph.body):
            hooks = cast("Hooks | None", getattr(owner, "hooks", None))
            if hooks is not None:
                yield hooks
