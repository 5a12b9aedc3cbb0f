"""Where `async def` tasks are awaited: one event loop for a run, on a thread of its own, made when first needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import wait

from glacier.execution.abandoned import abandon
from glacier.execution.failures import too_late
from glacier.execution.forking import Forks, leave_fork
from glacier.execution.signals import GLANCE

_PATIENCE = 0.2  # seconds for cancelled coroutines to end; with a run's GRACE, under a second in all


class Coroutines:
    """One event loop for all async tasks of a run, which can so share clients and locks; not the caller's loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def result(self, coroutine: Coroutine[object, object, object], timeout: float | None = None) -> object:
        """Awaits the coroutine on the loop; the calling worker waits.

        Raises:
            TaskTimeout: it took longer than `timeout` seconds, and was cancelled.
        """
        awaited = asyncio.run_coroutine_threadsafe(_within(coroutine, timeout), self._running())
        while threading.current_thread() is threading.main_thread() and not wait([awaited], GLANCE).done:
            pass
        return awaited.result()

    def close(self) -> None:
        """Cancels what is still awaited and ends the loop's thread; leaves a loop that a task blocks to the exit."""
        if self._loop is None or self._thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(timeout=_PATIENCE)
        except TimeoutError:
            abandon([self._thread])
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="glacier-async", daemon=True)
                self._thread.start()
            return self._loop


async def _within(coroutine: Coroutine[object, object, object], seconds: float | None) -> object:
    """Awaits a coroutine, and cancels it when the time is up.

    Raises:
        TaskTimeout: it was cancelled for that.
    """
    limit, forks = asyncio.timeout(seconds), Forks.depth
    try:
        async with limit:
            return await coroutine
    except TimeoutError:
        if seconds is None or not limit.expired():
            raise  # the task's own
        raise too_late(seconds) from None
    finally:
        if Forks.depth != forks:
            leave_fork()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
