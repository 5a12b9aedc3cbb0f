"""How a stage's process is ended from outside: by its cloud with SIGTERM, by its own time limit."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import copy_context
from types import FrameType
from typing import Literal, TypeVar

from glacier.execution.signals import GLANCE

V = TypeVar("V")

_PATIENCE = 20.0
"""For how many seconds after its time limit a process may still write its record."""


class EndedEarly(BaseException):
    """The stage is to end now. No `Exception`, so that no task takes it for a failure of its own.

    Attributes:
        state: what its record is to say.
        message: why, for its record and the log.
    """

    def __init__(self, state: Literal["cancelled", "failed"], message: str) -> None:
        super().__init__(message)
        self.state: Literal["cancelled", "failed"] = state
        self.message = message


@contextmanager
def ends_early(timeout: float | None) -> Generator[None]:
    """Raises `EndedEarly` in the block, once, when the process is told to end or its time is over.

    What comes after the first is not heard: the record is being written. A process that cannot hear its time limit,
    since its main thread is in a call that does not return, is ended without a record.

    Args:
        timeout: in seconds from now; None for no limit.
    """
    heard = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if heard:
            return
        heard = True
        if number == signal.SIGALRM:
            raise EndedEarly("failed", f"it took longer than its time limit of {timeout:g} seconds")
        raise EndedEarly("cancelled", f"it was ended by {signal.Signals(number).name}")

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = [signal.signal(number, end) for number in numbers]
    watchdog: threading.Timer | None = None
    if timeout is not None:
        signal.setitimer(signal.ITIMER_REAL, timeout)
        watchdog = threading.Timer(timeout + _PATIENCE, _give_up, [timeout])
        watchdog.daemon = True
        watchdog.start()
    try:
        yield
    finally:
        if watchdog is not None:
            watchdog.cancel()
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def beside(work: Callable[[], V]) -> V:
    """Does work on a thread while this one waits, so that a call that does not return for long holds no signal up.

    Raises:
        BaseException: what the work raised, or a signal's handler.
    """
    done: list[V] = []
    raised: list[BaseException] = []
    over = threading.Event()
    context = copy_context()

    def run() -> None:
        try:
            done.append(context.run(work))
        except BaseException as error:  # noqa: BLE001  # raised on the thread that waits
            raised.append(error)
        finally:
            over.set()

    threading.Thread(target=run, name="glacier-hands-on", daemon=True).start()
    while not over.wait(GLANCE):
        pass
    if raised:
        raise raised[0]
    return done[0]


def _give_up(timeout: float) -> None:
    sys.stdout.write(f"it took longer than its time limit of {timeout:g} seconds, and could not be ended in order\n")
    sys.stdout.flush()
    os._exit(1)
