"""A rehearsal: while a check calls tasks on empty frames, buckets ask it instead of their stores."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from glacier.graph import Resource


class Rehearsal(Protocol):
    """What stands in for storage: it reads no data, and what is written goes nowhere."""

    def call(self, resource: Resource, verb: str, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
        """Gives what a method of a resource gives in the rehearsal."""
        ...

    def uri(self, resource: Resource) -> str:
        """Gives a place that may be written to, in place of the real one; the same for the same resource."""
        ...

    def prepare(self, resource: Resource) -> None:
        """Makes the place ready, as `get_uri` does with the real one."""
        ...


class Unknowable(BaseException):
    """Ends a task of a rehearsal that asks what only a run can tell. No `Exception`: a task must not catch it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_current: ContextVar[Rehearsal | None] = ContextVar("glacier_rehearsal", default=None)
rehearsed = _current.get


@contextmanager
def rehearsing(rehearsal: Rehearsal | None) -> Generator[None]:
    """Makes buckets ask `rehearsal` until the block ends; with None they ask their stores, whatever is around it."""
    token = _current.set(rehearsal)
    try:
        yield
    finally:
        _current.reset(token)
