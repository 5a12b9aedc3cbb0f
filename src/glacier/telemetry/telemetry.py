"""A run as spans and metrics: a span for the run, one for each try of a task, linked along the graph's edges."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from glacier.errors import TaskError
from glacier.execution.record import RunRecord, RunStart
from glacier.execution.turns import Done
from glacier.graph import EdgeKind, Graph
from glacier.nesting import Loop
from glacier.task import Task
from glacier.telemetry.instruments import Instruments, metric_name

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, SpanContext, Tracer
    from opentelemetry.util.types import AttributeValue

_MOST_LINKS = 128
"""As many as OpenTelemetry's SDK keeps of a span by default."""

Items = tuple[int, ...]
"""The numbers of the items of the loops around a node, outermost first."""


def telemetry() -> Telemetry | None:
    """Gives what tells OpenTelemetry of a run; None if the program has set up neither a tracer nor a meter provider.

    OpenTelemetry is not imported for this: a program that has set it up has done that.
    """
    tracer, instruments = _tracer(), _instruments()
    return Telemetry(tracer, instruments) if tracer or instruments else None


def _tracer() -> Tracer | None:
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    return provider.get_tracer("glacier", version("glacier-pipelines"))


def _instruments() -> Instruments | None:
    if "opentelemetry.metrics" not in sys.modules:
        return None
    from opentelemetry import metrics

    provider = metrics.get_meter_provider()
    is_proxy = type(provider).__module__.startswith("opentelemetry.metrics.")  # the API's own, which measure nothing
    return None if is_proxy else Instruments(provider.get_meter("glacier", version("glacier-pipelines")))


@dataclass(slots=True, eq=False)
class Try:
    """A try of a task that is under way."""

    index: int
    span: Span | None


@dataclass(slots=True)
class Telemetry:
    """Tells OpenTelemetry of one run."""

    tracer: Tracer | None
    instruments: Instruments | None
    _graph: Graph = field(init=False)
    _run: Span | None = None
    _around: Context | None = None
    _failed: str | None = None
    _open: set[Try] = field(default_factory=set[Try])
    _contexts: dict[tuple[int, Items], SpanContext] = field(default_factory=lambda: {})

    def run_started(self, run: RunStart) -> None:
        """Starts the run's span, in that of the caller."""
        self._graph = run.graph
        if self.tracer is not None:
            from opentelemetry import trace

            attributes = {"glacier.run.id": run.run_id, "glacier.pipeline.name": run.graph.name}
            self._run = self.tracer.start_span(run.graph.name, attributes=attributes)
            self._around = trace.set_span_in_context(self._run)

    def try_started(self, index: int, items: Items, attempt: int) -> Try | None:
        """Starts the span of a try of a node, and makes it that of the code which runs in this context."""
        node = self._graph.nodes[index]
        if node.work.kind not in ("task", "storage"):
            return None
        if self.tracer is None:
            return self._begun(Try(index, None))
        from opentelemetry import context, trace

        attributes: dict[str, AttributeValue] = {
            "glacier.pipeline.name": self._graph.name,
            "glacier.task.name": self._graph.names[index],
            "glacier.task.attempt": attempt,
        }
        if items:
            attributes["glacier.loop.items"] = items
        if isinstance(node.work, Task):
            attributes |= _code_attributes(node.work.origin)
        links = list(self._links(index, items))
        span = self.tracer.start_span(self._graph.names[index], self._around, links=links, attributes=attributes)
        context.attach(trace.set_span_in_context(span))
        for depth in range(len(items) + 1):  # what waits for the loop is linked to its last turn
            self._contexts[index, items[:depth]] = span.get_span_context()
        return self._begun(Try(index, span))

    def try_ended(self, begun: object, done: Done) -> None:
        """Ends a try: its span has what it came to."""
        if not isinstance(begun, Try) or begun not in self._open:
            return  # it is no task, or the run is over: an interrupt has cut it off
        self._open.discard(begun)
        failed = None
        if done.error is not None:
            failed = self._failed = error_type(done.error)
        if self.instruments is not None:
            attributes = self._dimensions(failed) | {"glacier.task.name": self._graph.names[begun.index]}
            self.instruments.task(done.seconds, done.measures, attributes)
        if begun.span is not None:
            begun.span.set_attributes(dict(_outcome(done)))
            if done.error is not None:
                _add_error(begun.span, done.error)
            begun.span.end()

    def run_ended(self, record: RunRecord) -> None:
        """Ends the run's span, and those of tries that an interrupt has cut off."""
        if self.instruments is not None:
            failed = self._failed if record.state == "failed" else None
            self.instruments.run(record.seconds, self._dimensions(failed) | {"glacier.run.state": record.state})
        if self._run is None:
            return
        open_, self._open = self._open, set()
        for begun in open_:
            if begun.span is not None:
                begun.span.set_attribute("glacier.task.state", "cancelled")
                begun.span.end()
        self._run.set_attribute("glacier.run.state", record.state)
        for state, count in record.counts().items():
            self._run.set_attribute(f"glacier.run.tasks.{state}", count)
        if record.state == "failed":
            _set_failed(self._run, record.reason or "")
            if self._failed is not None:
                self._run.set_attribute("error.type", self._failed)
        self._run.end()

    def _begun(self, begun: Try) -> Try:
        self._open.add(begun)
        return begun

    def _dimensions(self, failed: str | None) -> dict[str, str]:
        return {"glacier.pipeline.name": self._graph.name} | ({"error.type": failed} if failed else {})

    def _links(self, index: int, items: Items) -> Iterator[Link]:
        from opentelemetry.trace import Link

        linked = 0
        for source, kind in upstream_tasks(self._graph, index):
            found = self._contexts.get((source, items[: self._common(source, index)]))
            if found is not None and linked < _MOST_LINKS:
                linked += 1
                yield Link(found, {"glacier.edge.kind": kind})

    def _common(self, *indexes: int) -> int:
        """Gives how many loops are around all of some nodes."""
        loops = [self._graph.loop_of.get(index) for index in indexes]
        around = [set(loop.around()) if loop is not None else set[Loop]() for loop in loops]
        return len(set[Loop].intersection(*around))


def upstream_tasks(graph: Graph, index: int) -> Iterator[tuple[int, EdgeKind]]:
    """Gives the tasks, and the reads and writes of the body, that a node waits for, through what is between them."""
    kinds: dict[int, EdgeKind] = {}
    pending: list[tuple[int, EdgeKind]] = [(index, "data")]
    seen = {index}
    while pending:
        at, via = pending.pop()
        ordering: dict[int, EdgeKind] = {edge.source: edge.kind for edge in graph.ordering.get(at, ())}
        for source in graph.upstream(at):
            through: EdgeKind = ordering.get(source, "data") if at == index else via
            if graph.nodes[source].work.kind in ("task", "storage"):
                kinds.setdefault(source, through)
            elif source not in seen:
                seen.add(source)
                pending.append((source, through))
    yield from sorted(kinds.items())


@lru_cache(maxsize=4096)
def _code_attributes(task: Task[..., Any]) -> dict[str, str | int]:
    site, function = task.site, task.function
    name = f"{function.__module__}.{function.__qualname__}"
    return {"code.function.name": name, "code.file.path": site.file, "code.line.number": site.line}


def _outcome(done: Done) -> Iterator[tuple[str, AttributeValue]]:
    if done.rows is not None:
        yield "glacier.task.rows", done.rows
    if done.reuse is not None:
        yield "glacier.task.recalled", done.reuse
    yield "glacier.task.state", "failed" if done.error else "succeeded"
    if done.measures is not None:
        for metric, value in done.measures.measured.items():
            if value is not None:
                yield f"glacier.task.{metric}", value
        for name, told in done.measures.told.items():
            yield metric_name(name), told.value


def error_type(error: TaskError) -> str:
    """Gives the type of what a task raised, as `error.type` has it."""
    kind = type(error.__cause__ or error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _add_error(span: Span, error: TaskError) -> None:
    """Tells what a task failed with, secrets taken out."""
    cause = error.__cause__ or error
    kind = error_type(error)
    span.set_attribute("error.type", kind)
    _set_failed(span, error.reason)
    attributes = {
        "exception.type": kind,
        "exception.message": error.reason,
        "exception.stacktrace": error.mask("".join(traceback.format_exception(cause))),
    }
    span.add_event("exception", attributes)


def _set_failed(span: Span, reason: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, reason))
