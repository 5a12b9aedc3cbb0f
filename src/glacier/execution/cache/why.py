"""Why a task was computed anew: what of its key is not as it was for the result before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glacier.execution.cache.entries import Entry


@dataclass(frozen=True)
class Difference:
    """Two results of one call, and what is different of what they come from.

    Attributes:
        now: the newest result.
        before: the one before it; None if there is none.
        changed: names of what is another: code, arguments, objects.
        added: what only the newest comes from.
        gone: what only the one before came from.
    """

    now: Entry
    before: Entry | None
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"{self.now.node} of {self.now.pipeline}, computed {_when(self.now)}"
        if self.before is None:
            return f"{head}: there is no earlier result to compare with"
        told = [
            *(f"  ~ {name}" for name in self.changed),
            *(f"  + {name}" for name in self.added),
            *(f"  - {name}" for name in self.gone),
        ]
        if not told:
            return f"{head}: nothing changed since {_when(self.before)}; that result had gone, or was too old"
        return "\n".join([f"{head}; since {_when(self.before)} there changed:", *told])

    def to_dict(self) -> dict[str, object]:
        """Gives it as JSON can hold it."""
        return {
            "pipeline": self.now.pipeline,
            "node": self.now.node,
            "created": self.now.created,
            "before": None if self.before is None else self.before.created,
            "changed": list(self.changed),
            "added": list(self.added),
            "gone": list(self.gone),
        }


def differences(entries: Sequence[Entry], name: str) -> list[Difference]:
    """Gives for each call that a name stands for how its two newest results differ.

    Args:
        entries: all there are, newest first.
        name: of a task, or of one call of it in its graph.
    """
    by_call: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if name in (entry.task, entry.node):
            by_call.setdefault((entry.pipeline, entry.node), []).append(entry)
    return [_difference(found) for found in by_call.values()]


def _difference(found: Sequence[Entry]) -> Difference:
    now = found[0]
    if len(found) == 1:
        return Difference(now, None)
    before = found[1]
    ours, theirs = now.parts, before.parts
    return Difference(
        now,
        before,
        tuple(sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])),
        tuple(sorted(ours.keys() - theirs.keys())),
        tuple(sorted(theirs.keys() - ours.keys())),
    )


def _when(entry: Entry) -> str:
    return f"{entry.when.astimezone():%Y-%m-%d %H:%M:%S}"
