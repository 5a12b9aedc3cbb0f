"""How far the memory of this process rises while a task runs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

_EVERY = 0.005  # seconds between two looks at the memory
_IDLE = 20  # looks in vain after which the thread waits to be called


_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096  # bytes


@dataclass(slots=True, eq=False)
class Rise:
    """What has been seen of the memory since a task started; all in bytes.

    Attributes:
        start: resident when it started.
        highest: the most that this process had ever held by then.
        low: the least that was resident since.
        most: the largest rise above an earlier low.
    """

    start: int
    highest: int
    low: int
    most: int = 0

    def see(self, resident: int) -> None:
        """Takes what is resident now."""
        self.low = min(self.low, resident)
        self.most = max(self.most, resident - self.low)


class Memory:
    """Looks at the memory of this process while something is measured, on a thread that starts with the first of it.

    A rise is seen in two ways. What is resident is looked at every few milliseconds. The most that the process has ever
    held is kept by the system without gaps; where a task raises that, its peak is known however short it was.
    """

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._rises: set[Rise] = set()
        self._thread: threading.Thread | None = None
        self._waits = False
        self._closed = False
        self._resident = resident_reader()

    def begin(self) -> Rise | None:
        """Starts to look for a task; gives None where this system does not tell."""
        if self._resident is None:
            return None
        now = self._resident()
        rise = Rise(now, _highest(), now)
        with self._lock:
            self._rises.add(rise)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="glacier-memory", daemon=True)
                self._thread.start()
            elif self._waits:
                self._lock.notify()
        return rise

    def end(self, rise: Rise) -> int:
        """Ends it, and gives by how many bytes the memory rose at most meanwhile."""
        with self._lock:
            self._rises.discard(rise)
        if self._resident is not None:
            rise.see(self._resident())
        highest = _highest()
        return max(rise.most, highest - rise.start) if highest > rise.highest else rise.most

    def close(self) -> None:
        """Ends the thread."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        read = self._resident
        assert read is not None, "there is no thread where the system does not tell"
        in_vain = 0
        with self._lock:
            while not self._closed:
                in_vain = 0 if self._rises else in_vain + 1
                resident = read() if self._rises else 0
                for rise in self._rises:
                    rise.see(resident)
                self._waits = in_vain > _IDLE
                self._lock.wait(None if self._waits else _EVERY)


def resident_reader() -> Callable[[], int] | None:
    """Gives a function that tells how many bytes of this process are resident; None where that cannot be known.

    Linux tells by itself; elsewhere psutil does, if it is installed.
    """
    if sys.platform == "linux":
        return _from_proc
    try:
        psutil: Any = import_module("psutil")
    except ImportError:
        return None
    process = psutil.Process()
    return lambda: int(process.memory_info().rss)


def _from_proc() -> int:
    file = os.open("/proc/self/statm", os.O_RDONLY)  # a fifth of the time of Path.read_bytes
    try:
        return int(os.read(file, 100).split()[1]) * _PAGE
    finally:
        os.close(file)


def _highest() -> int:
    """Gives the most bytes that this process has ever held resident; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
