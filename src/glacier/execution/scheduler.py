"""Runs a graph, each node as soon as all it waits for has ended: on threads, in processes, or where it is called."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from glacier.errors import GateClosed, InputError, did_you_mean, listed
from glacier.execution.agenda import Agenda
from glacier.execution.cache.run import Caching, caches
from glacier.execution.coroutines import Coroutines
from glacier.execution.failures import run_reason
from glacier.execution.frames import Frames
from glacier.execution.jobs import Job
from glacier.execution.keeping import Keeping
from glacier.execution.options import RunOptions
from glacier.execution.part import Part
from glacier.execution.performer import Performer
from glacier.execution.record import RunStart, RunState, run_id_at
from glacier.execution.run import Run
from glacier.execution.scopes import Scope, scopes_of
from glacier.execution.signals import interruptible
from glacier.execution.sinks import shared_sinks
from glacier.execution.workplace import Here, Workplace
from glacier.graph import Graph
from glacier.task import Task
from glacier.trace import handles_in


def execute(graph: Graph, options: RunOptions) -> object:
    """Runs every node of `graph`, or of a part of it, and gives what its body returned.

    Raises:
        TaskError: a task failed (with `on_failure="stop"`).
        RunErrors: tasks failed (with `on_failure="continue"`).
        GateClosed: the body's own result was skipped because a check returned False.
        KeyboardInterrupt: the run was interrupted; running tasks had `GRACE` seconds to end.
        SystemExit: it was interrupted by SIGTERM.
    """
    replace = {task.origin: function for task, function in options.replace.items()}
    _check_replaced(graph, replace)
    started = datetime.now(UTC)
    start = RunStart(options.run_id or run_id_at(started), started, graph)
    with interruptible(), ExitStack() as stack:
        coroutines = Coroutines()
        stack.callback(coroutines.close)
        workplace: Workplace = Here(coroutines)
        if options.executor == "processes":
            from glacier.execution.processes import Processes

            workplace = stack.enter_context(Processes(options.max_workers))
        part = options.part
        sinks = shared_sinks(graph) if part is None else part.groups(shared_sinks(graph))
        frames = Frames(graph, sinks, tells_origins=options.tells_origins)
        stack.callback(frames.close)
        keeping = None if options.checkpoint is None else Keeping(graph, replace, options.checkpoint)
        caching = None
        if options.cache is not None and caches(graph):
            caching = Caching(graph, replace, options.cache.home, options.cache.use)
            stack.callback(caching.close)
        performer = Performer(start, workplace, replace, frames, keeping, caching, tells_origins=options.tells_origins)
        stack.callback(performer.close)
        for resource in graph.prepared:
            resource.prepare()
        scope = scopes_of(graph)
        together = [[scope.place[index] for index in group] for group in sinks]
        outside = Job(graph, _agenda(graph, scope, together, part), [performer.values()])
        if part is not None:
            part.hand_in(outside)
        run = Run(start, performer, outside, options)
        with _told(run, options):
            run.on_this_thread() if options.executor == "sync" else run.on_threads()
            run.raise_failures()
            leaving = part is not None and part.leave is not None
            result = None if leaving else _result(graph, performer, outside)
        if part is not None and part.leave is not None:
            return part.leave(part.left(outside, performer))
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


def _agenda(graph: Graph, scope: Scope, together: Sequence[Sequence[int]], part: Part | None) -> Agenda:
    if part is None:
        return Agenda(graph, scope, together=together)
    runs = {scope.place[key] for key in part.keys(graph)}
    before = {scope.place[key]: (earlier.ended, earlier.inner) for key, earlier in part.ended.items()}
    left_out = set(range(len(scope.keys))) - runs - before.keys()
    return Agenda(graph, scope, together=together, before=before, left_out=left_out)


@contextmanager
def _told(run: Run, options: RunOptions) -> Generator[None]:
    """Tells who observes a run and who traces it how it begins and ends."""
    if run.tracer:
        run.tracer.run_started(run.start)
    if options.observer:
        options.observer.run_started(run.start)
    state: RunState = "failed"
    reason: str | None = None
    try:
        yield
        state = "succeeded"
    except Exception as error:
        reason = run_reason(error)
        raise
    except BaseException:  # from outside: an interrupt, an exit that a handler of signals asks for
        state = "cancelled"
        raise
    finally:
        if options.measured is not None:
            options.measured(run.measured())
        if options.observer or run.tracer:
            record = run.record(state, reason)
            if run.tracer:
                run.tracer.run_ended(record)
            if options.observer:
                options.observer.run_ended(record)


def _result(graph: Graph, performer: Performer, outside: Job) -> object:
    for index in handles_in(graph.result):
        number = outside.scope.place[index]
        if outside.agenda.states[number] != "succeeded":
            raise no_result(graph, index, outside.agenda.reasons[number])
    return performer.filled(graph.result, outside.values[0], loaded=True)


def no_result(graph: Graph, index: int, reason: str) -> GateClosed:
    """Gives the error of a run whose body returns the value of a node that was skipped."""
    named = "what it returns" if graph.nodes[index].hidden else f"`{graph.names[index]}`"
    fix = "mend what the check found, or let the pipeline return something that does not depend on it"
    if reason.endswith("returned False"):
        fix = f"{fix}; a task that is no check, though it gives a bool, takes @task(gate=False)"
    return GateClosed(
        f"pipeline `{graph.name}` has no result: {named} was skipped because {reason}",
        site=graph.nodes[index].site,
        fix=fix,
    )
