"""Tries in threads that may take only so long. A thread cannot be stopped: it is given up at its deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import Context
from inspect import iscoroutinefunction
from time import perf_counter
from typing import Any, cast

from glacier.execution.clock import Clock
from glacier.execution.failures import too_late
from glacier.execution.limits import Unit
from glacier.execution.performer import Performer
from glacier.execution.turns import Done, Values
from glacier.graph import Graph
from glacier.lease import GivenUp, Lease, take_lease
from glacier.task import Task

_SOON = 0.01  # seconds after which it is looked again whether a write has been published
_LATER = 0.5  # seconds more for an async task, which is cancelled when its time is up, unless it does not let itself be


class Abandoned(Exception):
    """Ends a worker whose try was given up while it ran; another thread has taken its place."""


class Apart(dict[int, object]):
    """What a try makes, with the values it takes from its turn; none of it counts before it is settled."""

    def __init__(self, below: Values) -> None:
        super().__init__()
        self._below = below

    def __missing__(self, key: int) -> object:
        return self._below[key]

    def settle(self) -> None:
        """Puts what the try made among the values of its turn."""
        for key, value in self.items():
            self._below[key] = value


class Trial:
    """A try with a deadline. `over` and `given_up` are changed under the lock of the run only.

    Attributes:
        unit: what is done, with what it takes and makes: `index`, `turn`, `values`.
        seconds: how long it may take.
        patience: how much longer until it is given up.
        tried: how many tries failed before.
        lease: what it may publish under.
        begun: what is told to who traces the run when it ends.
        thread: the worker that does it.
        began: the clock when it began.
        over: whether its work has ended.
        given_up: whether its deadline came first.
        done: how its work ended, until that is taken.
    """

    def __init__(
        self, unit: Unit, deadline: tuple[float, float], tried: int, lease: Lease, begun: Sequence[object]
    ) -> None:
        _, job, numbers = unit
        self.unit = unit
        self.index = job.key(numbers[0])
        self.turn = job.turn(numbers[0])
        self.values = Apart(job.values_of(numbers[0]))
        self.seconds, self.patience = deadline
        self.tried = tried
        self.lease = Lease(lease)
        self.begun = begun
        self.thread = threading.current_thread()
        self.began = perf_counter()
        self.over = False
        self.given_up = False
        self.done: Done | None = None

    def taken(self) -> Done:
        """Gives how its work ended, and holds it no longer: a failure's traceback holds the frames that hold this."""
        assert self.done is not None
        done, self.done = self.done, None
        return done


def deadlines(graph: Graph, performer: Performer) -> dict[int, tuple[float, float]]:
    """Gives how long a try of a node may take, and how much longer until it is given up, of those with a timeout."""
    found: dict[int, tuple[float, float]] = {}
    for node in graph.nodes:
        work = cast("Task[..., Any]", node.work)
        tries = work.options.tries if isinstance(node.work, Task) else None
        if tries is not None and tries.timeout is not None:
            found[node.index] = tries.timeout, _LATER if iscoroutinefunction(performer.function(work)) else 0.0
    return found


class Watch:
    """Does tries that have a deadline, and gives up those that are not over by then."""

    def __init__(self, performer: Performer, clock: Clock, lock: threading.Condition) -> None:
        """Takes what does the work, and the clock and the lock of a run."""
        self._performer = performer
        self._clock = clock
        self._lock = lock

    def perform(self, trial: Trial, context: Context, take_over: Callable[[Trial], None]) -> Done:
        """Does the work of a try.

        Args:
            trial: the try.
            context: of its code.
            take_over: has another thread go on with a try that is given up. Called with the lock held.

        Raises:
            Abandoned: the deadline came first; another thread goes on with the unit.
        """
        context.run(take_lease, trial.lease)
        alarm = self._clock.after(trial.seconds + trial.patience, lambda: self._expire(trial, take_over))
        try:
            (trial.done,) = context.run(self._performer.perform, [trial.index], trial.values, trial.turn, trial.tried)
        except GivenUp:
            if not trial.lease.has_ended:
                raise
        finally:
            self._clock.cancel(alarm)
            with self._lock:
                trial.over = True
                if trial.given_up:
                    raise Abandoned
        if trial.lease.has_ended:  # its last write was being published when its time was up
            return out_of_time(self._performer, trial)
        trial.values.settle()
        return trial.taken()

    def _expire(self, trial: Trial, take_over: Callable[[Trial], None]) -> None:
        """Gives up a try that is not over at its deadline; called on the clock's thread."""
        with self._lock:
            if trial.over:
                return
            if not trial.lease.end():
                self._clock.after(_SOON, lambda: self._expire(trial, take_over))
                return
            trial.given_up = True
            take_over(trial)


def out_of_time(performer: Performer, trial: Trial) -> Done:
    """Gives how a try ended that took too long."""
    error = too_late(trial.seconds, goes_on=trial.given_up)
    return performer.failed(trial.index, error, trial.values, trial.turn, trial.began, trial.tried)
