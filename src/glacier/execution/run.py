"""One run of a graph: its workers, what they do next, and what is noted of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush
from itertools import count
from os import cpu_count
from time import perf_counter
from typing import cast

from glacier.doing import enter
from glacier.errors import RunErrors, TaskError
from glacier.execution.abandoned import abandon
from glacier.execution.agenda import Block
from glacier.execution.clock import Clock, Patience
from glacier.execution.deadlines import Abandoned, Trial, Watch, deadlines, out_of_time
from glacier.execution.forking import Forks, leave_fork
from glacier.execution.jobs import Job, Opened
from glacier.execution.limits import Limits, Unit
from glacier.execution.measures import Measures
from glacier.execution.options import RunOptions
from glacier.execution.performer import Performer
from glacier.execution.record import NodeRecord, RunRecord, RunStart, RunState
from glacier.execution.retries import Retries
from glacier.execution.signals import Lookout
from glacier.execution.tallies import Tallies
from glacier.execution.tracing import Guarded
from glacier.execution.turns import Done, Left, Turn
from glacier.lease import Lease, current_lease, take_lease
from glacier.nesting import Loop
from glacier.permits import act

_MOMENT = 0.3  # seconds that an interrupted run waits for a write to be published, and for the others to be discarded
GRACE = 0.7  # seconds an interrupted run waits for its running tasks before it leaves them to the interpreter's exit


class Run:
    """One run of a graph. Agendas, the queue and the failures are changed under `lock` only.

    A worker that ends a node goes on with one that became ready, so that a chain costs no trip through the queue; other
    workers are woken or started only for what is ready beyond that.
    """

    def __init__(self, start: RunStart, performer: Performer, outside: Job, options: RunOptions) -> None:
        self.graph = graph = start.graph
        self.performer = performer
        self.observer = options.observer
        self.tracer = Guarded(options.tracer) if options.tracer is not None else None
        self.stop_on_failure = options.on_failure == "stop"
        self.max_workers = options.max_workers or min(32, (cpu_count() or 1) + 4)
        self.ahead = 2 * self.max_workers + 2
        self.outside = outside
        self.tallies = Tallies(graph)
        self.limits = Limits(graph)
        self.lock = threading.Condition(threading.Lock())
        self.queue: list[Unit] = []
        self.threads: list[threading.Thread] = []
        self.numbers = count()
        self.forks = Forks.depth
        self.idle = 0
        self.running = 0
        self.stopping = False
        self.interrupted = False
        self.lookout = Lookout()
        self.crash: BaseException | None = None
        self.context = copy_context()  # what the caller has set in context variables holds in its tasks too
        self.context.run(act, None)  # but a task that starts a run does not limit that run's tasks
        self.context.run(enter, None)
        self.lease = Lease(current_lease())
        self.context.run(take_lease, self.lease)
        self.begun = perf_counter()
        self.retries = Retries(graph, self.begun)
        self.later: dict[tuple[Job, int], tuple[Unit, Done]] = {}
        self.deadlines = deadlines(graph, performer) if options.executor == "threads" else {}
        self.clock: Clock = Patience() if options.executor == "sync" else Clock()
        self.watch = Watch(performer, self.clock, self.lock)
        self.start = start
        self.part = options.part
        self.told_first = _Told()
        units, skipped = outside.agenda.start()
        for number in skipped:
            outside.release(number)
            self.told_first.ended += self._skip(outside, number)
        self._put(outside, units)

    def on_this_thread(self) -> None:
        """Does everything here, in the order in which nodes become ready."""
        self._tell(self.told_first)
        try:
            while True:
                unit = self._take()
                while unit is not None:
                    unit = self._step(unit)
                if not self.later or not cast("Patience", self.clock).wait():
                    break
        finally:
            self.clock.close()
            self._cancel_rest()

    def on_threads(self) -> None:
        """Does everything on worker threads, and waits for them; on an interrupt, for `GRACE` seconds."""
        self._tell(self.told_first)
        if not self.queue:
            return
        with self.lock:
            self._employ()
        try:
            self.lookout.wait()
        except BaseException:
            self._interrupt()
            raise
        finally:
            self.clock.close()
            self._cancel_rest()
        for thread in self.threads:
            thread.join()
        if self.crash is not None:
            raise self.crash

    def _interrupt(self) -> None:
        """Stops the run, waits a little for what is running, and gives up the rest: it publishes nothing more."""
        try:
            with self.lock:
                told = _Told()
                self.interrupted = True  # from now on no hook hears of what fails, or would have been tried again
                self._stop(told)
                self._finish_if_over()
            self._tell(told)
            self.lookout.over.wait(GRACE)
        finally:  # a second interrupt cuts the wait short
            self.lease.end(_MOMENT)
            self.lease.discard(_MOMENT)
            abandon(thread for thread in self.threads if thread.is_alive())

    def _employ(self) -> None:
        """Wakes an idle worker for what is queued, or starts one more. Called with the lock held."""
        if self.idle:
            self.lock.notify()
        elif len(self.threads) < self.max_workers:
            self._start_thread()

    def _start_thread(self, late: Trial | None = None) -> None:
        name = f"glacier-{next(self.numbers)}"
        thread = threading.Thread(target=self._work, args=(late,), name=name, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _work(self, late: Trial | None = None) -> None:
        """Does units as long as there are any; first the end of a try whose own thread was given up."""
        try:
            unit = None if late is None else self._give_up(late)
            while True:
                while unit is not None:  # None while it waits: a unit holds the values of its loop
                    unit = self._step(unit)
                unit = self._wait_for_unit()
                if unit is None:
                    return
        except Abandoned:
            return
        except BaseException as error:  # noqa: BLE001  # a fault of Glacier's or the observer's must end the run, not hang it
            with self.lock:
                self.crash = error
                self.stopping = True
                self.running -= 1
                self.queue.clear()
                self.later.clear()
                self._finish_if_over()

    def _wait_for_unit(self) -> Unit | None:
        with self.lock:
            while (unit := self._take()) is None:
                if self.lookout.over.is_set():
                    return None
                self.idle += 1
                self.lock.wait()
                self.idle -= 1
            self.running += 1
            if self.queue:
                self._employ()
            return unit

    def _put(self, job: Job, units: list[list[int]]) -> None:
        for unit in units:
            heappush(self.queue, ((*job.rank, unit[0]), job, unit))

    def _take(self) -> Unit | None:
        """Takes the first unit whose task is not at its limit; those that are wait beside the queue."""
        while self.queue:
            unit = heappop(self.queue)
            if self.limits.may_start(unit):
                return unit
        return None

    def _step(self, unit: Unit) -> Unit | None:
        """Does the work of a unit, and gives one that became ready thereby; the others are queued."""
        _, job, numbers = unit
        if job.inner(numbers[0]) is not None:
            return self._open(job, numbers[0])
        tried = self.retries.tried(job, numbers[0]) if self.retries.open else 0
        if self.observer and not job.path and not tried:
            for number in numbers:
                self.observer.node_started(job.key(number))
        nodes = [job.key(number) for number in numbers]
        values, turn = job.values_of(numbers[0]), job.turn(numbers[0])
        context = self.context.copy()
        begun = context.run(self._trace, nodes, turn, tried) if self.tracer is not None else []
        if self.deadlines and nodes[0] in self.deadlines:
            trial = Trial(unit, self.deadlines[nodes[0]], tried, self.lease, begun)
            return self._ended(unit, [self.watch.perform(trial, context, self._take_over)], begun)
        return self._ended(unit, context.run(self.performer.perform, nodes, values, turn, tried), begun)

    def _trace(self, nodes: Sequence[int], turn: Turn | None, tried: int) -> list[object]:
        """Tells who traces the run that a try starts, in its context."""
        assert self.tracer is not None
        items = tuple(number for _, number in turn.path) if turn else ()
        return [self.tracer.try_started(index, items, tried + 1) for index in nodes]

    def _ended(self, unit: Unit, done: list[Done], begun: Sequence[object]) -> Unit | None:
        """Goes on after the work of a unit: with what is ready now, or with another try later."""
        if Forks.depth != self.forks:
            leave_fork()
        _, job, numbers = unit
        if self.tracer is not None:
            for one, ended in zip(begun, done, strict=True):
                self.tracer.try_ended(one, ended)
        if done[0].error is not None:
            self._look(done[0].index)
        wait = None if done[0].error is None or self.stopping else self.retries.wait(job, numbers[0], done[0])
        if wait is not None:
            self._tell_hooks(done[0], wait)
        with self.lock:
            told = _Told()
            for again in self.limits.ended(unit):
                heappush(self.queue, again)
            if wait is None or self.stopping:
                self._note(job, numbers, done, told)
            else:
                self._try_again(unit, done[0], wait)
            following = self._next(told)
        self._tell(told)
        return following

    def _take_over(self, trial: Trial) -> None:
        """Has another thread go on for one that was given up. Called with the lock held."""
        self.threads.remove(trial.thread)
        abandon([trial.thread])
        self._start_thread(trial)

    def _give_up(self, trial: Trial) -> Unit | None:
        """Ends a try that was given up: what it has not published yet is discarded, and it has failed."""
        trial.lease.discard()
        return self._ended(trial.unit, [out_of_time(self.performer, trial)], trial.begun)

    def _try_again(self, unit: Unit, done: Done, wait: float) -> None:
        """Has a unit that failed started again after a wait, which holds no worker. Called with the lock held."""
        _, job, numbers = unit
        key = job, numbers[0]
        self.later[key] = unit, done
        self.clock.after(wait, lambda: self._waited(key))

    def _waited(self, key: tuple[Job, int]) -> None:
        """Queues a unit whose wait is over, if the run has not stopped meanwhile."""
        with self.lock:
            if key in self.later:
                unit, done = self.later.pop(key)
                self.retries.keep(*key, done)
                heappush(self.queue, unit)
                if self.threads:
                    self._employ()

    def _stop(self, told: _Told) -> None:
        """Starts nothing more; what waits for another try has failed. Called with the lock held."""
        self.stopping = True
        self.queue.clear()
        waiting, self.later = self.later, {}
        for (_, job, numbers), done in waiting.values():
            self._note(job, numbers, [done], told)

    def _open(self, job: Job, number: int) -> Unit | None:
        """Starts the turns of a loop, and gives the first unit of one."""
        scope = job.scope.inner[number % job.agenda.width]
        loop = cast("Loop", scope.loop)
        block = job.blocked(loop.item, number, loop)
        items: list[object] = []
        failure: TaskError | None = None
        if block is None:
            values = job.values_of(number)
            try:
                items = self.performer.items(loop, values)
            except Exception as error:  # noqa: BLE001  # the items are the user's own, and so is what they raise
                failure = self.performer.without_items(loop, error, values, job.path_at(number))
                self._look(loop.item)
                block = Block(failure.message, after_failure=True)
        if self.observer and items and not job.path:
            for index in self._inside[loop]:
                self.observer.node_started(index)
        with self.lock:
            told = _Told()
            if failure is not None:
                self.tallies.failures.append((loop.item, failure))
                told.failed.append(Done(loop.item, perf_counter(), 0.0, error=failure))
            if block is not None and block.after_failure and self.stop_on_failure:
                self._stop(told)
            inner = job.open(number, items)
            self.tallies.expect(inner)
            self._start(inner, block, told)
            following = self._next(told)
        self._tell(told)
        return following

    def _next(self, told: _Told) -> Unit | None:
        """Chooses what this worker does next of what became ready, and queues the rest. Called with the lock held."""
        if self.stopping:
            told.ready.clear()
        for one in told.ready:
            heappush(self.queue, one)
        following = self._take()
        if len(told.ready) > 1 and self.queue and self.threads:
            self._employ()
        if following is None:
            self.running -= 1
            self._finish_if_over()
        return following

    def _note(self, job: Job, numbers: list[int], done: list[Done], told: _Told) -> None:
        """Notes how nodes ended, what is ready after them, and what is skipped."""
        for number, one in zip(numbers, done, strict=True):
            ended = job.ended(number, one)
            job.release(number)
            self.tallies.note(job, one, self.retries.closed(job, number, one) if self.retries.open else ())
            if ended.state == "skipped":
                job.agenda.reasons[number] = ended.reason
            if one.error:
                told.failed.append(one)
                if self.stop_on_failure:
                    self._stop(told)
            if not job.path:
                told.ended.append(one.index)
            elif self.observer is not None and not self.graph.nodes[one.index].hidden:
                turns = len(job.values) if len(job.path) == 1 else None
                told.turned.append((one.index, self.tallies.ended(one.index), turns))
            self._advance(job, job.agenda.ended(number, ended), told)

    def _start(self, job: Job, block: Block | None, told: _Told) -> None:
        """Starts the turns of a loop; there may be none."""
        if block is not None or not job.values:
            self._close(job, block, told)
            return
        self._advance(job, job.agenda.start(), told)

    def _advance(self, job: Job, change: tuple[list[list[int]], list[int]], told: _Told) -> None:
        """Goes on after something of a job ended: with what is ready, and with the loop's end if nothing is left."""
        units, skipped = change
        for number in skipped:
            job.release(number)
            told.ended += self._skip(job, number)
        told.ready += [((*job.rank, unit[0]), job, unit) for unit in job.admitted(units, self.ahead)]
        if job.opened is not None and not job.agenda.left:
            self._close(job, None, told)

    def _skip(self, job: Job, number: int) -> list[int]:
        """Notes that a member was skipped, and gives the nodes that have thereby ended for good."""
        key, reason = job.key(number), job.agenda.reasons[number]
        self.tallies.skip(key, reason)
        return [] if job.path else [key]

    def _close(self, job: Job, block: Block | None, told: _Told) -> None:
        """Ends a loop: its variables are known, and what waits for it may start."""
        opened = cast("Opened", job.opened)
        around, loop = opened.job, cast("Loop", job.scope.loop)
        reason = f"the loop over `{job.path[-1][0]}` has no turn" if block is None else block.reason
        left = job.left(self.performer)
        if block is not None:
            left = Left(left.outcomes, dict.fromkeys(loop.outcomes, reason))
        around.values_of(opened.number)[len(self.graph.nodes) + loop.index] = left
        around.release(opened.number)
        inside = self._inside[loop]
        if block is not None or not job.values:
            for index in inside:
                self.tallies.skip(index, reason)
        if not around.path:
            told.ended += inside
        if block is None:
            change = around.agenda.loop_ended(opened.number, "succeeded", job.endings())
        else:
            around.agenda.reasons[opened.number] = reason
            change = around.agenda.ended(opened.number, block.ended)
        self._advance(around, change, told)

    @cached_property
    def _inside(self) -> dict[Loop, list[int]]:
        """The nodes that lie in each loop, at any depth."""
        inside: dict[Loop, list[int]] = {loop: [] for loop in self.graph.loops}
        for index, innermost in self.graph.loop_of.items():
            for loop in innermost.around():
                inside[loop].append(index)
        return inside

    def _finish_if_over(self) -> None:
        if self.running <= 0 and not self.queue and not self.later:
            self.lookout.end()
            self.lock.notify_all()

    def _cancel_rest(self) -> None:
        with self.lock:
            told = _Told()
            for index, attempts in self.retries.unfinished():
                self.tallies.tried(index, attempts)
            for number in self.outside.agenda.cancel():
                scope = self.outside.inner(number)
                loop = scope.loop if scope else None
                told.ended += [self.outside.key(number)] if loop is None else self._inside[loop]
        self._tell(told)

    def _look(self, index: int) -> None:
        """Has a signal seen that may be why a node failed, before anybody hears of the failure."""
        if self.threads and not self.interrupted and self.retries.has_hooks(index):
            self.lookout.ask()

    def _tell_hooks(self, done: Done, wait: float | None) -> None:
        assert done.error is not None
        if self.interrupted:
            return
        self.context.copy().run(self.retries.tell, done.index, done.error, done.seconds, wait)

    def _tell(self, told: _Told) -> None:
        for done in told.failed:
            self._tell_hooks(done, None)
        if self.observer is not None:
            for turned in told.turned:
                self.observer.turn_ended(*turned)
            for index in told.ended:
                self.observer.node_ended(index, self._node_record(index))

    def _node_record(self, index: int) -> NodeRecord:
        loop = self.graph.loop_of.get(index)
        if loop is not None:
            return self.tallies.of_turns(index, self.begun)
        number = self.outside.scope.place[index]
        state, reason = self.outside.agenda.states[number], self.outside.agenda.reasons.get(number)
        return self.tallies.of_node(index, state, reason, self.begun)

    def record(self, state: RunState, reason: str | None) -> RunRecord:
        """Gives how every node went so far."""
        run = self.graph.nodes if self.part is None else [self.graph.nodes[index] for index in sorted(self.part.nodes)]
        nodes = tuple(self._node_record(node.index) for node in run if not node.hidden)
        seconds = perf_counter() - self.begun
        return RunRecord(self.start.run_id, self.graph.name, state, self.start.started, seconds, nodes, reason)

    def measured(self) -> dict[str, Measures]:
        """Gives what was measured, by the names of the nodes, in body order."""
        return {self.graph.names[index]: measures for index, measures in sorted(self.tallies.measures.items())}

    def raise_failures(self) -> None:
        """Raises what failed: the first task alone, or all of them where the run went on."""
        failures = [error for _, error in sorted(self.tallies.failures, key=lambda one: (one[0], one[1].items))]
        if not failures:
            return
        if self.stop_on_failure:
            raise self.tallies.failures[0][1]
        nodes = {index for index, _ in self.tallies.failures}
        tasks = sum(not node.hidden for node in self.graph.nodes)
        turns = f", {len(failures)} times in all" if len(failures) > len(nodes) else ""
        raise RunErrors(f"{len(nodes)} of {tasks} tasks of pipeline `{self.graph.name}` failed{turns}", failures)


@dataclass
class _Told:
    """What a step has brought: the units now ready, what failed, the turns and the nodes that have ended for good."""

    ready: list[Unit] = field(default_factory=list[Unit])
    turned: list[tuple[int, int, int | None]] = field(default_factory=list[tuple[int, int, int | None]])
    ended: list[int] = field(default_factory=list[int])
    failed: list[Done] = field(default_factory=list[Done])
