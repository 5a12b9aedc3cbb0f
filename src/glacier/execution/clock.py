"""What a run does at a certain time: on a thread of its own that only starts when there is something."""

from __future__ import annotations

import threading
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from time import perf_counter, sleep


class Clock:
    """Calls functions when their time has come, one after another; they must be short, and raise nothing."""

    def __init__(self) -> None:
        self._times: list[tuple[float, int]] = []
        self._calls: dict[int, Callable[[], None]] = {}
        self._numbers = count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def after(self, seconds: float, call: Callable[[], None]) -> int:
        """Has `call` called on the clock's thread, in so many seconds; gives what cancels that."""
        with self._changed:
            number = self._add(seconds, call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, name="glacier-clock", daemon=True)
                self._thread.start()
            elif self._times[0][1] == number:
                self._changed.notify()
            return number

    def cancel(self, number: int) -> None:
        """Forgets a call that has not been made yet."""
        with self._changed:
            self._calls.pop(number, None)
            if len(self._times) > 2 * len(self._calls) + 64:
                self._times = [time for time in self._times if time[1] in self._calls]
                heapify(self._times)

    def close(self) -> None:
        """Forgets all that has not been called yet."""
        with self._changed:
            self._closed = True
            self._calls.clear()
            self._changed.notify()

    def _add(self, seconds: float, call: Callable[[], None]) -> int:
        number = next(self._numbers)
        self._calls[number] = call
        heappush(self._times, (perf_counter() + seconds, number))
        return number

    def _tick(self) -> None:
        while (call := self._next()) is not None:
            call()
            del call  # it may hold values, and the next time may be far

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._closed:
                if not self._times:
                    self._changed.wait()
                elif (early := self._times[0][0] - perf_counter()) > 0:
                    self._changed.wait(early)
                elif (call := self._calls.pop(heappop(self._times)[1], None)) is not None:
                    return call
        return None


class Patience(Clock):
    """A clock without a thread: who has nothing else to do waits for what comes next."""

    def after(self, seconds: float, call: Callable[[], None]) -> int:
        """Keeps `call` until somebody waits for it."""
        return self._add(seconds, call)

    def wait(self) -> bool:
        """Waits for what comes next and calls it; says whether there was anything."""
        if not self._calls:
            return False
        when, number = heappop(self._times)
        sleep(max(0.0, when - perf_counter()))
        call = self._calls.pop(number, None)
        if call is not None:
            call()
        return True
