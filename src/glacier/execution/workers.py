"""Worker processes: each does one task at a time, can be ended in the middle of it, and ends when nobody needs it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from time import perf_counter
from typing import cast

from glacier.errors import WorkerDied
from glacier.execution.forking import Forks, leave_fork
from glacier.lease import GivenUp, Lease, take_lease

_LOOK = 0.5  # seconds after which a process is looked at whose end may not show: one that it forked holds its pipes
_PATIENCE = 0.5  # seconds for a process to discard what it has staged before it is killed
_LEAVING = 2.0  # seconds for a process without work to leave

Serve = Callable[[bytes, Callable[[], None]], bytes]
"""What a worker does with what it is sent; gives what it sends back.

The second argument is called once what it was sent is unpacked: a time limit counts from there, so that the import of a
user's module does not.
"""
_BEGUN = b""


class OutOfTime(Exception):
    """What a worker was asked for took too long; the process has been ended."""


class Workers:
    """A pool of worker processes, started as they are needed. Any thread may ask for work to be done."""

    def __init__(self, most: int, serve: Serve) -> None:
        """Takes how many there may be, and what they do: a function at the top of a module, or `partial` of one."""
        self._serve = serve
        self._free = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._ended = False

    def answer(self, payload: bytes, timeout: float | None) -> bytes:
        """Gives what a worker makes of `payload`; waits for a free one first.

        Args:
            payload: what it is sent.
            timeout: most seconds the work may take, from when `payload` is unpacked; None for no bound.

        Raises:
            OutOfTime: it took longer; the process and those that it started have been ended.
            WorkerDied: the process ended by itself before it had an answer.
            GivenUp: the pool has been ended.
        """
        with self._free:
            worker = self._take()
            try:
                answer = worker.answer(payload, timeout)
            except BaseException as error:
                self._forget(worker)
                _end([worker])
                worker.pipe.close()
                if self._ended and isinstance(error, WorkerDied):
                    raise GivenUp from None
                raise
            with self._lock:
                late = self._ended
                if not late:
                    self._idle.append(worker)
            if late:
                worker.pipe.close()
            return answer

    def close(self) -> None:
        """Lets all leave that have nothing to do; ends those that do not."""
        idle, asked = self._all_of_them()
        for worker in idle:
            worker.pipe.close()
        _await([*idle, *asked], _LEAVING)
        _end([worker for worker in (*idle, *asked) if worker.process.is_alive()])

    def end(self) -> None:
        """Ends all processes now, whatever they do; they have a moment to discard what they have staged."""
        idle, asked = self._all_of_them()
        _end([*idle, *asked])
        for worker in idle:
            worker.pipe.close()

    def _take(self) -> _Worker:
        with self._lock:
            if self._ended:
                raise GivenUp
            if self._idle:
                return self._idle.pop()
        worker = _Worker(self._serve)  # takes a while: no lock is held
        with self._lock:
            self._all.add(worker)
            late = self._ended
        if late:
            _end([worker])
            worker.pipe.close()
            raise GivenUp
        return worker

    def _forget(self, worker: _Worker) -> None:
        with self._lock:
            self._all.discard(worker)

    def _all_of_them(self) -> tuple[list[_Worker], list[_Worker]]:
        """Gives those that nobody has asked for something, and the others, whose pipes whoever asked will close."""
        with self._lock:
            self._ended = True
            idle, self._idle = self._idle, []
            asked, self._all = [*self._all.difference(idle)], set()
            return idle, asked


class _Worker:
    """One process, seen from the one that started it.

    Attributes:
        pipe: what goes to and fro; its end tells the process to leave.
        leash: as long as it is open the process lives; see `_mind`. Any thread may let it go.
        process: itself.
    """

    def __init__(self, serve: Serve) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        held, self.leash = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(theirs, held, serve), name="glacier-worker")
        self.process.start()
        theirs.close()
        held.close()
        self._ready = False
        self._letting_go = threading.Lock()

    def answer(self, payload: bytes, timeout: float | None) -> bytes:
        if not self._ready:
            self._receive(None)
            self._ready = True
        with suppress(BrokenPipeError, ConnectionResetError):  # it has died, and its end is told below
            self.pipe.send_bytes(payload)
        answer = self._receive(None)
        return self._receive(timeout) if answer == _BEGUN else answer

    def let_go(self) -> None:
        """Lets the leash go, once: whoever asked it for something may end it while all are ended."""
        with self._letting_go:
            self.leash.close()

    def kill(self) -> None:
        """Ends the process and all that it started, at once."""
        with suppress(OSError):
            if self._ready and sys.platform != "win32":
                os.killpg(self.process.pid or 0, signal.SIGKILL)
        if self.process.is_alive():
            self.process.kill()

    def _receive(self, timeout: float | None) -> bytes:
        end = None if timeout is None else perf_counter() + timeout
        while True:
            left = _LOOK if end is None else min(_LOOK, end - perf_counter())
            if left <= 0:
                raise OutOfTime
            wait([self.pipe, self.process.sentinel], left)
            alive = self.process.is_alive()  # asked before the pipe is: an answer may have come just before the end
            try:
                if self.pipe.poll():
                    return self.pipe.recv_bytes()
            except (EOFError, OSError):
                alive = False
            if not alive:
                raise self._died()

    def _died(self) -> WorkerDied:
        self.process.join(_PATIENCE)
        code = self.process.exitcode
        if not self._ready:
            what = f"its worker process ended with exit code {code} before it could start"
            fix = 'look at what that printed; a file that starts the run does so under `if __name__ == "__main__":`'
        elif code is not None and code < 0:
            what = f"its worker process was killed by {_signal_name(-code)}"
            fix = "look for a crash of native code" if -code in _CRASHES else "look for too little memory"
        else:
            what = f"its worker process ended with exit code {code} before it had a result"
            fix = "let the task return or raise instead of ending its process"
        return WorkerDied(what, fix=fix)


_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end(workers: Sequence[_Worker]) -> None:
    """Ends processes: lets go of their leashes, and kills after a moment what is left."""
    try:
        for worker in workers:
            worker.let_go()
        _await(workers, _PATIENCE)
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.process.join(_PATIENCE)


def _await(workers: Sequence[_Worker], seconds: float) -> None:
    end = perf_counter() + seconds
    left = {worker.process.sentinel: worker for worker in workers}
    while left and (more := end - perf_counter()) > 0:
        for ended in wait(list(left), more):
            del left[cast("int", ended)]


def _work(pipe: Connection, leash: Connection, serve: Serve) -> None:
    """What the process does: it answers until nobody asks any more."""
    if sys.platform != "win32":
        os.setsid()  # Ctrl-C is for the process that runs the pipeline; and it can be killed with all that it starts
    lease, forks = Lease(), Forks.depth
    take_lease(lease)
    threading.Thread(target=_mind, args=(leash, lease), name="glacier-leash", daemon=True).start()
    pipe.send_bytes(b"ready")
    while True:
        try:
            payload = pipe.recv_bytes()
        except EOFError:
            return
        answer = serve(payload, lambda: pipe.send_bytes(_BEGUN))
        if Forks.depth != forks:
            leave_fork()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # closed by the task, or nobody reads it
                stream.flush()
        pipe.send_bytes(answer)


def _mind(leash: Connection, lease: Lease) -> None:
    """Ends this process and all that it started as soon as the leash is let go, or who held it is gone."""
    with suppress(OSError, EOFError):
        leash.recv_bytes()
    lease.end(_PATIENCE / 2)
    lease.discard()
    if sys.platform != "win32":
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
