"""What a run does at a certain time: on a thread of its own that only starts when there is something."""

from __future__ import annotations

import threading
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from time import perf_counter, sleep


class Clock:
    """Calls functions when their time has come, one after another; they must be short."""

    def __init__(self) -> None:
        self._alarms: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Has `call` called on the clock's thread, in so many seconds."""
        with self._changed:
            heappush(self._alarms, (perf_counter() + seconds, next(self._numbers), call))
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, name="glacier-clock", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Forgets what has not been called yet."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _tick(self) -> None:
        while (call := self._next()) is not None:
            call()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._closed:
                if not self._alarms:
                    self._changed.wait()
                elif (early := self._alarms[0][0] - perf_counter()) > 0:
                    self._changed.wait(early)
                else:
                    return heappop(self._alarms)[2]
        return None


class Patience(Clock):
    """A clock without a thread: who has nothing else to do waits for what comes next."""

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Keeps `call` until somebody waits for it."""
        heappush(self._alarms, (perf_counter() + seconds, next(self._numbers), call))

    def wait(self) -> bool:
        """Waits for what comes next and calls it; says whether there was anything."""
        if not self._alarms:
            return False
        when, _, call = heappop(self._alarms)
        sleep(max(0.0, when - perf_counter()))
        call()
        return True
