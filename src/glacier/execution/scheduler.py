"""Runs a graph, each node as soon as all it waits for has ended: on threads, in processes, or where it is called."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from heapq import heappop, heappush
from os import cpu_count
from time import perf_counter
from typing import Any, Literal, cast

from glacier.errors import ConfigError, GateClosed, InputError, RunErrors, TaskError, did_you_mean, listed
from glacier.execution.agenda import Agenda
from glacier.execution.coroutines import Coroutines
from glacier.execution.failures import summary
from glacier.execution.frames import Frames
from glacier.execution.performer import Done, Here, Performer, Workplace, handles_in
from glacier.execution.record import NodeRecord, NodeState, Observer, RunRecord
from glacier.execution.sinks import shared_sinks
from glacier.graph import Graph
from glacier.permits import act
from glacier.task import Task

Executor = Literal["threads", "processes", "sync"]
OnFailure = Literal["stop", "continue"]

GRACE = 0.7  # seconds an interrupted run waits for its running tasks before it leaves them to the interpreter's exit


@dataclass(frozen=True)
class RunOptions:
    """How to run a graph.

    Attributes:
        max_workers: most nodes at once; by default, as in `ThreadPoolExecutor`, four more than the cores, at most 32.
        executor: where tasks run: on threads, in worker processes, or one after another on the calling thread.
        on_failure: whether a failure ends the run, or only what depends on it is left out.
        replace: functions to call in place of tasks.
        observer: who is told as the run goes on.
    """

    max_workers: int | None = None
    executor: Executor = "threads"
    on_failure: OnFailure = "stop"
    replace: Mapping[Task[..., Any], Callable[..., Any]] = field(default_factory=dict[Any, Any])
    observer: Observer | None = None

    def __post_init__(self) -> None:
        workers = cast("object", self.max_workers)
        if workers is not None and (not isinstance(workers, int) or workers < 1):
            raise ConfigError(f"max_workers is {workers!r}; it takes a whole number from 1 on", fix="max_workers=1")
        if self.executor not in ("threads", "processes", "sync"):
            raise ConfigError(f"no executor `{self.executor}`", fix="use executor='threads', 'processes' or 'sync'")
        if self.on_failure not in ("stop", "continue"):
            raise ConfigError(f"no on_failure `{self.on_failure}`", fix="use on_failure='stop' or 'continue'")


def execute(graph: Graph, options: RunOptions) -> object:
    """Runs every node of `graph` and gives what its body returned.

    Raises:
        TaskError: a task failed (with `on_failure="stop"`).
        RunErrors: tasks failed (with `on_failure="continue"`).
        GateClosed: the body's own result was skipped because a check returned False.
        KeyboardInterrupt: the run was interrupted; running tasks had `GRACE` seconds to end.
    """
    replace = {task.origin: function for task, function in options.replace.items()}
    _check_replaced(graph, replace)
    with ExitStack() as stack:
        coroutines = Coroutines()
        stack.callback(coroutines.close)
        workplace: Workplace = Here(coroutines)
        if options.executor == "processes":
            from glacier.execution.processes import Processes

            workplace = stack.enter_context(Processes(options.max_workers))
        sinks = shared_sinks(graph)
        frames = Frames(graph, sinks)
        stack.callback(frames.close)
        performer = Performer(graph, workplace, replace, frames)
        for resource in graph.prepared:
            resource.prepare()
        run = _Run(graph, performer, Agenda(graph, sinks), options)
        if options.observer:
            options.observer.run_started(graph)
        try:
            run.on_this_thread() if options.executor == "sync" else run.on_threads()
        finally:
            if options.observer:
                options.observer.run_ended(run.record())
        run.raise_failures()
        result = _result(graph, performer, run.agenda)
        frames.close(result)
        return result


def _check_replaced(graph: Graph, replace: Mapping[Task[..., Any], object]) -> None:
    if not replace:
        return
    called = {node.work.origin: node.work.name for node in graph.nodes if isinstance(node.work, Task)}
    for task in replace:
        if task not in called:
            near = did_you_mean(task.name, called.values()) or list(called.values())
            raise InputError(
                f"replace= names task `{task.name}`, which pipeline `{graph.name}` never calls",
                fix=f"it calls {listed(near)}",
            )


def _result(graph: Graph, performer: Performer, agenda: Agenda) -> object:
    for index in handles_in(graph.result):
        if agenda.states[index] != "succeeded":
            skipped = f"`{graph.names[index]}` was skipped because {agenda.reasons[index]}"
            raise GateClosed(
                f"pipeline `{graph.name}` has no result: {skipped}",
                site=graph.nodes[index].site,
                fix="mend what the check found, or let the pipeline return something that does not depend on it",
            )
    return performer.result()


class _Run:
    """One run of a graph. The agenda, the queue and the failures are changed under `lock` only.

    A worker that ends a node goes on with one that became ready, so that a chain costs no trip through the queue; other
    workers are woken or started only for what is ready beyond that.
    """

    def __init__(self, graph: Graph, performer: Performer, agenda: Agenda, options: RunOptions) -> None:
        self.graph = graph
        self.performer = performer
        self.observer = options.observer
        self.stop_on_failure = options.on_failure == "stop"
        self.max_workers = options.max_workers or min(32, (cpu_count() or 1) + 4)
        self.agenda = agenda
        self.done: dict[int, Done] = {}
        self.lock = threading.Condition(threading.Lock())
        self.queue: list[tuple[int, list[int]]] = []
        self.threads: list[threading.Thread] = []
        self.idle = 0
        self.running = 0
        self.stopping = False
        self.over = threading.Event()
        self.crash: BaseException | None = None
        self.context = copy_context()  # what the caller has set in context variables holds in its tasks too
        self.context.run(act, None)  # but a task that starts a run does not limit that run's tasks
        self.begun = perf_counter()
        for unit in self.agenda.first():
            heappush(self.queue, (unit[0], unit))

    def on_this_thread(self) -> None:
        """Does everything here, in the order in which nodes become ready."""
        try:
            unit = heappop(self.queue)[1] if self.queue else None
            while unit is not None:
                unit = self._step(unit)
        finally:
            self._cancel_rest()

    def on_threads(self) -> None:
        """Does everything on worker threads, and waits for them; on an interrupt, for `GRACE` seconds."""
        if not self.queue:
            return
        with self.lock:
            self._employ()
        try:
            self.over.wait()
        except BaseException:
            with self.lock:
                self.stopping = True
                self.queue.clear()
                self._finish_if_over()
            self.over.wait(GRACE)
            raise
        finally:
            self._cancel_rest()
        for thread in self.threads:
            thread.join()
        if self.crash is not None:
            raise self.crash

    def _employ(self) -> None:
        """Wakes an idle worker for what is queued, or starts one more. Called with the lock held."""
        if self.idle:
            self.lock.notify()
        elif len(self.threads) < self.max_workers:
            thread = threading.Thread(target=self._work, name=f"glacier-{len(self.threads)}", daemon=True)
            self.threads.append(thread)
            thread.start()

    def _work(self) -> None:
        try:
            while (unit := self._wait_for_unit()) is not None:
                next_unit: list[int] | None = unit
                while next_unit is not None:
                    next_unit = self._step(next_unit)
        except BaseException as error:  # noqa: BLE001  # a fault of Glacier's or the observer's must end the run, not hang it
            with self.lock:
                self.crash = error
                self.stopping = True
                self.running -= 1
                self.queue.clear()
                self._finish_if_over()

    def _wait_for_unit(self) -> list[int] | None:
        with self.lock:
            while not self.queue:
                if self.over.is_set():
                    return None
                self.idle += 1
                self.lock.wait()
                self.idle -= 1
            unit = heappop(self.queue)[1]
            self.running += 1
            if self.queue:
                self._employ()
            return unit

    def _step(self, unit: list[int]) -> list[int] | None:
        """Does the work of a unit, and gives one that became ready thereby; the others are queued."""
        if self.observer:
            for index in unit:
                self.observer.node_started(index)
        done = self.context.copy().run(self.performer.perform, unit)
        with self.lock:
            ready, skipped = self._note(done)
            following = None
            if ready and not self.stopping:
                following = min(ready)
                for other in ready:
                    if other is not following:
                        heappush(self.queue, (other[0], other))
                if len(ready) > 1 and self.threads:
                    self._employ()
            elif self.queue:
                following = heappop(self.queue)[1]
            if following is None:
                self.running -= 1
                self._finish_if_over()
        if self.observer:
            self._tell(self.observer, [*(one.index for one in done), *skipped])
        return following

    def _note(self, done: list[Done]) -> tuple[list[list[int]], list[int]]:
        ready: list[list[int]] = []
        skipped: list[int] = []
        for one in done:
            self.done[one.index] = one
            self.performer.release(one.index)
            state: NodeState = "failed" if one.error else "skipped" if one.skipped else "succeeded"
            if one.skipped:
                self.agenda.reasons[one.index] = one.skipped
            units, left_out = self.agenda.ended(one.index, state, closed=one.closed, truth=one.truth)
            for index in left_out:
                self.performer.release(index)
            ready += units
            skipped += left_out
            if one.error and self.stop_on_failure:
                self.stopping = True
                self.queue.clear()
        return ready, skipped

    def _finish_if_over(self) -> None:
        if self.running <= 0 and not self.queue:
            self.over.set()
            self.lock.notify_all()

    def _cancel_rest(self) -> None:
        with self.lock:
            cancelled = self.agenda.cancel()
        if self.observer:
            self._tell(self.observer, cancelled)

    def _tell(self, observer: Observer, indexes: list[int]) -> None:
        for index in indexes:
            observer.node_ended(index, self._node_record(index))

    def _node_record(self, index: int) -> NodeRecord:
        name, state, reason = self.graph.names[index], self.agenda.states[index], self.agenda.reasons.get(index)
        one = self.done.get(index)
        if one is None:
            return NodeRecord(name, state, reason=reason)
        if one.error is not None:
            reason = summary(one.error.__cause__ or one.error)
        return NodeRecord(name, state, one.began - self.begun, one.seconds, one.rows, reason)

    def record(self) -> RunRecord:
        """Gives how every node went so far."""
        nodes = tuple(self._node_record(node.index) for node in self.graph.nodes if not node.hidden)
        return RunRecord(self.graph.name, perf_counter() - self.begun, nodes)

    def raise_failures(self) -> None:
        """Raises what failed: the first task alone, or all of them where the run went on."""
        failures = [one.error for _, one in sorted(self.done.items()) if one.error is not None]
        if not failures:
            return
        if self.stop_on_failure:
            failure = min(failures, key=self._ended)
            raise failure
        tasks = sum(not node.hidden for node in self.graph.nodes)
        raise RunErrors(f"{len(failures)} of {tasks} tasks of pipeline `{self.graph.name}` failed", failures)

    def _ended(self, error: TaskError) -> float:
        return next(one.began + one.seconds for one in self.done.values() if one.error is error)
