"""What a run does when the process is told to end: SIGTERM interrupts it as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

GLANCE = 0.2
"""Seconds that the main thread waits at a time.

Only between waits does it see a signal that came to another thread, or whose handler lets a wait go on, as that of
Polars for SIGINT does.
"""


class Lookout:
    """Where the thread that called a run waits for its end, and where the run's threads ask it about signals.

    Attributes:
        over: whether the run has ended.
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        self._wanted = threading.Event()
        self._looking = threading.Condition()
        self._looks = 0

    def end(self) -> None:
        """Notes that the run has ended."""
        self.over.set()
        self._wanted.set()

    def wait(self) -> None:
        """Waits for the end of the run.

        Raises:
            KeyboardInterrupt: a signal has come.
        """
        while not self.over.is_set():
            self._wanted.wait(GLANCE)
            self._wanted.clear()  # where Python raises what has come by now
            with self._looking:
                self._looks += 1
                self._looking.notify_all()

    def ask(self) -> None:
        """Has the thread that waits see the signals that have come by now. It is not waited for longer than `GLANCE`.

        A Ctrl-C ends the processes that a task has started, too, and their end may be known here before it is there.
        """
        with self._looking:
            looks = self._looks
            self._wanted.set()
            self._looking.wait_for(lambda: self._looks > looks, GLANCE)


@contextmanager
def interruptible() -> Generator[None]:
    """Makes SIGTERM interrupt the block, with a `KeyboardInterrupt` in it and a `SystemExit(143)` out of it.

    SIGINT does that by itself, and its handler must not be touched: Polars has put one of its own before Python's,
    which ends running queries. A handler of the user's stays, and so does everything outside of the main thread.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)  # which Polars knows

    try:
        signal.signal(signal.SIGTERM, interrupt)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGTERM) is interrupt:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except KeyboardInterrupt:
        if not came:
            raise
    if came:
        raise SystemExit(128 + came[0])
