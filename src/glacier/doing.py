"""What the code that runs is doing: which try of which task in which run, and the metrics it tells of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, NamedTuple

from glacier.observe import MOVED, Metric, Way
from glacier.origins import Origins, Published
from glacier.secret import Mask

Combine = Literal["sum", "last", "max", "min"]
Move = tuple[Way, int | None, int]
Portable = tuple[str, str, str, int, tuple[Metric, ...], dict[str, Origins | None] | None]


_JOINED: Mapping[Combine, Callable[[float, float], float]] = {
    "sum": lambda before, later: before + later,
    "last": lambda _, later: later,
    "max": max,
    "min": min,
}


class Told(NamedTuple):
    """A metric of a task's own, and what several values of it come to."""

    value: float
    combine: Combine

    def joined(self, later: float) -> Told:
        """Gives this with one value more.

        >>> Told(3, "sum").joined(4).value, Told(3, "min").joined(4).value
        (7, 3)
        """
        return Told(_JOINED[self.combine](self.value, later), self.combine)


@dataclass(slots=True)
class Doing:
    """One try of one task of a run.

    Attributes:
        run_id: the run's.
        pipeline: the pipeline's name.
        name: gives the node's name, which costs something where nobody has asked for it yet.
        attempt: 1 for the first try.
        observed: what is to be measured of it.
        tells_origins: whether it is to tell what it publishes, and where that comes from.
        given: its arguments, in this process.
        told: the metrics it told of itself.
        moves: what it read from buckets ("in") and wrote to them ("out"): rows where they are known, and bytes.
        handed: for files that frames are handed on in, by path, where what they hold comes from.
        published: what it wrote to buckets, where that is to be told.
        measured: what was measured.
        lock: held while `told`, `moves` and `published` change: a task may start threads of its own.
    """

    run_id: str
    pipeline: str
    name: Callable[[], str]
    attempt: int = 1
    observed: tuple[Metric, ...] = ()
    tells_origins: bool = False
    given: object = ()
    told: dict[str, Told] = field(default_factory=lambda: {})
    moves: list[Move] = field(default_factory=lambda: [])
    handed: dict[str, Origins | None] = field(default_factory=lambda: {})
    published: list[Published] = field(default_factory=lambda: [])
    measured: dict[Metric, float | None] = field(default_factory=lambda: {})
    lock: Lock = field(default_factory=Lock)
    _mask: Mask | None = None

    @property
    def task(self) -> str:
        """The node's unique name in the graph."""
        return self.name()

    @property
    def mask(self) -> Mask:
        """What hides the secrets among its arguments; they are looked for once."""
        if self._mask is None:
            self._mask = Mask.of(self.given)
        return self._mask

    def portable(self) -> Portable:
        """Gives it as plain data for another process."""
        return (
            self.run_id,
            self.pipeline,
            self.task,
            self.attempt,
            self.observed,
            self.handed if self.tells_origins else None,
        )

    @classmethod
    def of(cls, portable: Portable) -> Doing:
        """Gives it as another process sent it."""
        run_id, pipeline, task, attempt, observed, handed = portable
        return cls(run_id, pipeline, lambda: task, attempt, observed, handed is not None, handed=handed or {})

    @property
    def fields(self) -> dict[str, str | int]:
        """The run's id, the pipeline, the task and the attempt by these names, as records of logs have them."""
        return {"run_id": self.run_id, "pipeline": self.pipeline, "task": self.task, "attempt": self.attempt}


_doing: ContextVar[Doing | None] = ContextVar("glacier_doing", default=None)


def moving(way: Way) -> bool:
    """Says whether the rows that the running task reads, or writes, are to be told by `moved`."""
    doing = _doing.get()
    return doing is not None and not MOVED[way].isdisjoint(doing.observed)


def moved(way: Way, rows: int | None, size: int) -> None:
    """Tells what the running task has read from a bucket, or written to it, for those who observe it."""
    doing = _doing.get()
    if doing is not None and doing.observed:
        with doing.lock:
            doing.moves.append((way, rows, size))


def tells_origins() -> Mapping[str, Origins | None] | None:
    """Gives `handed` of the running task, if it is to tell where what it publishes comes from; else None."""
    doing = _doing.get()
    return doing.handed if doing is not None and doing.tells_origins else None


def publish(published: Published) -> None:
    """Tells what the running task has published, if it is to."""
    doing = _doing.get()
    if doing is not None and doing.tells_origins:
        with doing.lock:
            doing.published.append(published)


enter = _doing.set
"""Says what the code of this context does from now on; None where that is no task of a run."""

current = _doing.get
"""Gives what the code of this context does."""
