"""One run of a pipeline at a time: who runs writes so into an object, in which a store lets one of several succeed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from glacier.errors import StorageError
from glacier.runtime.records import Records

NAME = "lease"
GAP = 900
"""For how many seconds after a stage has ended the next one is waited for."""
_SKEW = 60
"""How many seconds the clocks of two machines may be apart."""
_LONGEST = 86_400
_TRIES = 20

Way = Literal["running", "ended", "failed", "waiting"]
"""How a stage goes; one that is waiting has failed, and its cloud will start it again."""


@dataclass(frozen=True)
class Lease:
    """Who runs.

    Attributes:
        run: the id of the run; None if nobody does.
        until: the clock (seconds since 1970) from which on it holds no more, for a run that ended without a word.
        stages: how each stage of the run that was started goes.
    """

    run: str | None = None
    until: float = 0
    stages: Mapping[str, Way] = field(default_factory=dict[str, Way])

    def holds(self, now: float) -> bool:
        """Says whether it keeps other runs from starting."""
        return self.run is not None and now < self.until


def take(
    records: Records, run: str, stage: str, timeout: float | None, clock: Callable[[], float] = time.time
) -> Lease | None:
    """Notes that a stage of a run goes on. Gives the lease of another run where that keeps this one from starting.

    Args:
        records: of the pipeline.
        run: the id of the run.
        stage: that starts, maybe again.
        timeout: for how many seconds it may run; a day if None.
        clock: seconds since 1970.

    Raises:
        StorageError: the store cannot be asked.
    """
    until = clock() + (timeout or _LONGEST) + _SKEW

    def taken(held: Lease) -> Lease | None:
        if held.run == run:
            return Lease(run, max(held.until, until), {**held.stages, stage: "running"})
        return None if held.holds(clock()) else Lease(run, until, {stage: "running"})

    return _change(records, taken)


def leave(
    records: Records,
    run: str,
    stage: str,
    way: Way,
    stages: Sequence[str],
    clock: Callable[[], float] = time.time,
) -> None:
    """Notes how a stage has ended. The last of a run lets others start; so does one that failed, if no other goes on.

    Args:
        records: of the pipeline.
        run: the id of the run.
        stage: that ended.
        way: how.
        stages: all that the pipeline has.
        clock: seconds since 1970.

    Raises:
        StorageError: the store cannot be asked.
    """

    def left(held: Lease) -> Lease | None:
        if held.run != run:
            return None  # it held no more, and another run has taken it
        ways: dict[str, Way] = {**held.stages, stage: way}
        over = all(ways.get(one) == "ended" for one in stages)
        given_up = "failed" in ways.values() and not {"running", "waiting"}.intersection(ways.values())
        return Lease() if over or given_up else Lease(run, max(held.until, clock() + GAP), ways)

    _change(records, left)


def _change(records: Records, change: Callable[[Lease], Lease | None]) -> Lease | None:
    """Replaces what is there; gives it where `change` wants nothing else to be there."""
    for attempt in range(_TRIES):
        found = records.small(NAME)
        held = Lease() if found is None else _read(found.content)
        wanted = change(held)
        if wanted is None:
            return held
        if records.put(NAME, json.dumps(asdict(wanted)).encode(), "nothing" if found is None else found):
            return None
        time.sleep(min(0.05 * 2**attempt, 1.0))
    raise StorageError(
        f"`{records.uri}/{NAME}` is changed by others again and again", fix="start fewer runs at once, or delete it"
    )


def _read(content: bytes) -> Lease:
    """Reads a lease; what is none holds nobody off."""
    try:
        held: dict[str, Any] = json.loads(content)
        return Lease(held["run"], float(held["until"]), dict(held["stages"]))
    except (ValueError, TypeError, KeyError):
        return Lease()
