"""Threads that a run has given up: they go on until they end by themselves, or the interpreter does."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from time import perf_counter, sleep
from weakref import WeakSet

from glacier.lease import GivenUp

_STUCK = 0.5  # seconds without a step of Python after which the interpreter's exit waits no longer for what goes on
_SETTLED = 0.05  # the same where nothing goes on: a query that was cut off may still call one more function
_LONGEST = 10.0  # seconds that it waits at most
_LOOK = 0.02

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
    before = None
    while True:
        frames = sys._current_frames()
        states = _states()
        ours = _ours()
        others = {ident: (frame, frame.f_lasti) for ident, frame in frames.items() if ident not in ours}
        if (states, others) != before:
            before, moved = (states, others), perf_counter()
        patience = _STUCK if others or len(states) > len(frames) else _SETTLED
        if perf_counter() - moved > patience or perf_counter() - began > _LONGEST:
            return
        for ident in others:
            _raise_in(ident)
        del frames
        sleep(_LOOK)


def _mark_interrupted() -> None:
    """Lets the process end by SIGINT as it was about to: any `eval` or `exec` of text since then has cleared that."""
    with suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")  # noqa: S102  # CPython takes one that leaves a text for unhandled


def _ours() -> set[int | None]:
    """Gives the threads that somebody waits for, or that end with the process as their makers want it."""
    made = (thread for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread))
    return {thread.ident for thread in made if thread not in _threads}


def _states() -> set[int]:
    """Gives the numbers of Python's thread states: those without a frame are of threads that wait to call Python."""
    import ctypes

    api = ctypes.pythonapi
    api.PyInterpreterState_ThreadHead.restype = api.PyThreadState_Next.restype = ctypes.c_void_p
    api.PyInterpreterState_Get.restype, api.PyThreadState_GetID.restype = ctypes.c_void_p, ctypes.c_uint64
    state = api.PyInterpreterState_ThreadHead(ctypes.c_void_p(api.PyInterpreterState_Get()))
    found: set[int] = set()
    while state:
        found.add(api.PyThreadState_GetID(ctypes.c_void_p(state)))
        state = api.PyThreadState_Next(ctypes.c_void_p(state))
    return found


def _raise_in(ident: int) -> None:
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(GivenUp))
