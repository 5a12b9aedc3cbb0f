"""Threads that a run has given up: they go on until they end by themselves, or the interpreter does."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Iterable
from time import perf_counter
from weakref import WeakSet

from glacier.lease import GivenUp

_PATIENCE = 0.5  # seconds that the interpreter's exit waits for them
_PATIENCE_WITH_POLARS = 1.5  # where its threads are in Python code, and would abort the process
_LOOK = 0.02

_threads: WeakSet[threading.Thread] = WeakSet()


def abandon(threads: Iterable[threading.Thread]) -> None:
    """Takes threads that nobody waits for any more.

    At the interpreter's exit their Python code is ended by an exception, which only native code can keep waiting.
    Otherwise, until Python 3.14, one that calls Python from native code while the interpreter is taken down (a Python
    function in a Polars query) would abort the process.
    """
    if not _threads:
        atexit.unregister(_end_all)
        atexit.register(_end_all)
    _threads.update(threads)


def _end_all() -> None:
    began = perf_counter()
    while alive := [thread for thread in _threads if thread.is_alive()]:
        known = {thread.ident for thread in threading.enumerate()}
        foreign = [ident for ident in sys._current_frames() if ident not in known]  # threads of Polars in Python code
        if perf_counter() - began > (_PATIENCE_WITH_POLARS if foreign else _PATIENCE):
            return
        for ident in (*foreign, *(thread.ident for thread in alive)):
            _raise_in(ident)
        alive[0].join(_LOOK)


def _raise_in(ident: int | None) -> None:
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident or 0), ctypes.py_object(GivenUp))
