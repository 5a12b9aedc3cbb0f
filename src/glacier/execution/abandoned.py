"""Threads that a run has given up: they go on until they end by themselves, or the interpreter does."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from time import perf_counter, sleep
from types import FrameType
from weakref import WeakSet

from glacier.lease import GivenUp

_STUCK = 0.5  # seconds without a step of Python after which the interpreter's exit waits no longer for what goes on
_SETTLED = 0.05  # the same where nothing goes on: a query that was cut off may still call one more function
_LONGEST = 3.0  # seconds that it waits at most
_LOOK = 0.02
_OF_POLARS = (b"polars", b"tokio")  # what the names of its threads begin with

_threads: WeakSet[threading.Thread] = WeakSet()


def abandon(threads: Iterable[threading.Thread]) -> None:
    """Takes threads that nobody waits for any more, and those of Polars that still call Python functions for them.

    At the interpreter's exit their Python code is ended by an exception, which only native code can keep waiting.
    Otherwise, until Python 3.14, one that calls Python from native code while the interpreter is taken down (a Python
    function in a Polars query) would abort the process.
    """
    atexit.unregister(_end_all)
    atexit.register(_end_all)
    _threads.update(threads)


def _end_all() -> None:
    try:
        _wait_for_all()
    finally:
        prompting = hasattr(sys, "ps1")  # where the last interrupt ended no more than a line
        if issubclass(getattr(sys, "last_type", object), KeyboardInterrupt) and not prompting:
            _mark_interrupted()


def _wait_for_all() -> None:
    sys.setswitchinterval(1e-5)  # a look then finds others in their Python code, and not between two calls of it
    began = moved = perf_counter()
    before: dict[int, tuple[FrameType, int] | None] = {}
    while True:
        now = _going_on()
        if now != before or None in now.values():
            before, moved = now, perf_counter()
        if perf_counter() - moved > (_STUCK if now else _SETTLED) or perf_counter() - began > _LONGEST:
            return
        for ident in now:
            _raise_in(ident)
        sleep(_LOOK)


def _going_on() -> dict[int, tuple[FrameType, int] | None]:
    """Gives where those given up and those of Polars are in Python code; None for one that waits to call some."""
    given_up = {thread.ident for thread in _threads}
    every, frames = sys._current_exceptions(), sys._current_frames()  # only the first has those that wait
    found = {ident: frames.get(ident) for ident in every if ident in given_up or _is_of_polars(ident)}
    return {ident: frame and (frame, frame.f_lasti) for ident, frame in found.items()}


def _is_of_polars(ident: int) -> bool:
    """Tells it of a thread that Python knows now, by the name that the system has for it."""
    import ctypes

    if sys.platform == "win32" or sys.version_info >= (3, 14):
        return False  # such a thread neither aborts the process there, nor needs to be ended
    name = ctypes.create_string_buffer(64)
    ctypes.PyDLL(None).pthread_getname_np(ctypes.c_void_p(ident), name, ctypes.c_size_t(len(name)))
    return name.value.startswith(_OF_POLARS)


def _mark_interrupted() -> None:
    """Lets the process end by SIGINT as it was about to: any `eval` or `exec` of text since then has cleared that."""
    with suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")  # noqa: S102  # CPython takes one that leaves a text for unhandled


def _raise_in(ident: int) -> None:
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(GivenUp))
