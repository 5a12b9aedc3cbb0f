"""Who traces a run: told of it and of each try of a node, in the context that the try's code runs in."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from glacier.execution.record import RunRecord, RunStart
from glacier.execution.turns import Done

T = TypeVar("T")


class Tracer(Protocol):
    """Who traces a run. Tries of several nodes are told at once, from the threads they run on."""

    def run_started(self, run: RunStart) -> None:
        """The run begins, on the thread and in the context of its caller."""

    def try_started(self, index: int, items: tuple[int, ...], attempt: int) -> object:
        """A try of a node starts, in the context that its code runs in; what is given comes back when it ends.

        Args:
            index: the node.
            items: for each loop over a result around it, outermost first, the number of the item.
            attempt: which try, from 1.
        """

    def try_ended(self, begun: object, done: Done) -> None:
        """The try ended. Of one that is cut off by an interrupt nothing is told."""

    def run_ended(self, record: RunRecord) -> None:
        """The run is over, well or not."""


class Guarded:
    """Keeps what a tracer raises from stopping the run; the first of it is logged."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._told = False

    def run_started(self, run: RunStart) -> None:
        """Passes it on."""
        self._safely(lambda: self._tracer.run_started(run))

    def try_started(self, index: int, items: tuple[int, ...], attempt: int) -> object:
        """Passes it on."""
        return self._safely(lambda: self._tracer.try_started(index, items, attempt))

    def try_ended(self, begun: object, done: Done) -> None:
        """Passes it on."""
        self._safely(lambda: self._tracer.try_ended(begun, done))

    def run_ended(self, record: RunRecord) -> None:
        """Passes it on."""
        self._safely(lambda: self._tracer.run_ended(record))

    def _safely(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except Exception as error:  # exporters are others' code, and the run is more than its trace
            if not self._told:
                self._told = True
                logging.getLogger("glacier").warning("tracing a run failed: %s", error, exc_info=True)
            return None


def carried() -> dict[str, str]:
    """Gives the trace that this context is in, for another process; nothing where OpenTelemetry is not in use."""
    found: dict[str, str] = {}
    if "opentelemetry.trace" in sys.modules:
        from opentelemetry import propagate

        propagate.inject(found)
    return found


def carry_on(carried: Mapping[str, str]) -> None:
    """Takes up the trace of another process in this context."""
    if carried:
        from opentelemetry import context, propagate

        context.attach(propagate.extract(carried))
