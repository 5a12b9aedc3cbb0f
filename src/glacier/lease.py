"""Whether what a task does still counts: what it would write after its run has given it up is not published."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from time import monotonic
from typing import Protocol


class GivenUp(BaseException):
    """Ends code whose run has given it up, where it would touch a resource. Nobody waits for that code any more.

    No `Exception`, so that a task that tries again whatever fails does not go on for ever.
    """

    def __init__(self) -> None:
        super().__init__("the run has given this task up: what it does no longer counts")


class Discardable(Protocol):
    """What is written beside its place, and not yet published."""

    def discard(self) -> None:
        """Removes what was written. May be called twice."""
        ...


class Lease:
    """Lets code write as long as it has not ended; a lease within another one ends with that, too."""

    def __init__(self, around: Lease | None = None) -> None:
        self._around = around
        self._changed = threading.Condition()
        self._ended = False
        self._publishing = 0
        self._staged: dict[int, Discardable] = {}

    @property
    def has_ended(self) -> bool:
        """Whether it has ended itself; not what it lies within."""
        return self._ended

    def check(self) -> None:
        """Does nothing while the lease holds.

        Raises:
            GivenUp: it has ended.
        """
        if self._ended:
            raise GivenUp
        if self._around is not None:
            self._around.check()

    def keep(self, staged: Discardable) -> None:
        """Notes what is staged, so that it can be discarded at the lease's end.

        Raises:
            GivenUp: it has ended.
        """
        with self._changed:
            self.check()
            self._staged[id(staged)] = staged
        if self._around is not None:
            self._around.keep(staged)

    def drop(self, staged: Discardable) -> None:
        """Forgets what was staged: it is published or discarded."""
        self._staged.pop(id(staged), None)
        if self._around is not None:
            self._around.drop(staged)

    @contextmanager
    def publishing(self) -> Generator[None]:
        """Holds the lease for as long as something is published.

        Raises:
            GivenUp: it has ended.
        """
        with ExitStack() as stack:
            lease: Lease | None = self
            while lease is not None:
                lease._begin()
                stack.callback(lease._end_one)
                lease = lease._around
            yield

    def end(self, patience: float = 0.0) -> bool:
        """Ends the lease: from now on nothing is published under it.

        Args:
            patience: seconds to wait for what is being published at this moment.

        Returns:
            Whether nothing is being published any more.
        """
        with self._changed:
            self._ended = True
            return self._changed.wait_for(lambda: not self._publishing, patience)

    def discard(self, patience: float | None = None) -> None:
        """Removes what was staged under the lease, once it has ended.

        Args:
            patience: most seconds that takes, as far as one waits for it; None for no bound.
        """
        staged = list(self._staged.values())
        self._staged.clear()
        if patience is None:
            for one in staged:
                one.discard()
            return
        end = monotonic() + patience
        threads = [threading.Thread(target=one.discard, name="glacier-discard", daemon=True) for one in staged]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - monotonic()))

    def _begin(self) -> None:
        with self._changed:
            self.check()
            self._publishing += 1

    def _end_one(self) -> None:
        with self._changed:
            self._publishing -= 1
            self._changed.notify_all()


_current: ContextVar[Lease | None] = ContextVar("glacier_lease", default=None)

current_lease = _current.get
"""Gives the lease under which the code of this context runs; None outside of runs."""

take_lease = _current.set
"""Says under which lease the code of this context runs from now on."""


def check_lease() -> None:
    """Does nothing while what runs here counts.

    Raises:
        GivenUp: its run has given it up.
    """
    lease = _current.get()
    if lease is not None:
        lease.check()


@contextmanager
def counting() -> Generator[None]:
    """Holds the lease of this context, if there is one, while something is done that counts from then on.

    Raises:
        GivenUp: the lease has ended.
    """
    lease = _current.get()
    with nullcontext() if lease is None else lease.publishing():
        yield


@contextmanager
def keeping(staged: Discardable) -> Generator[None]:
    """Notes what is staged under the lease of this context, and discards it whatever goes wrong in the block.

    Raises:
        GivenUp: the lease has ended.
    """
    lease = _current.get()
    try:
        if lease is not None:
            lease.keep(staged)
        yield
    except BaseException:
        discard(staged, lease)
        raise


@contextmanager
def publishing(staged: Discardable, lease: Lease | None) -> Generator[None]:
    """Holds a lease, if there is one, while what was staged under it is published.

    Raises:
        GivenUp: the lease has ended.
    """
    if lease is None:
        yield
        return
    with lease.publishing():
        yield
    lease.drop(staged)


def discard(staged: Discardable, lease: Lease | None) -> None:
    """Removes what was staged under a lease, if there is one."""
    staged.discard()
    if lease is not None:
        lease.drop(staged)
