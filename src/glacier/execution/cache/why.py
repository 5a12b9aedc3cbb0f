"""Why a task was computed anew: what of its key is not as it was for the result before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from glacier.execution.cache.entries import Entry

_MOST_ITEMS = 10


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

    def to_dict(self) -> dict[str, object]:
        """Gives it as JSON can hold it."""
        return {
            "pipeline": self.now.pipeline,
            "node": self.now.node,
            "items": list(self.now.items),
            "created": self.now.created,
            "before": None if self.before is None else self.before.created,
            "changed": list(self.changed),
            "added": list(self.added),
            "gone": list(self.gone),
        }


def differences(entries: Sequence[Entry], name: str) -> list[Difference]:
    """Gives for each call that a name stands for, of a loop over a result each turn, how its two newest results differ.

    Args:
        entries: all there are, newest first.
        name: of a task, or of one call of it in its graph.
    """
    by_call: dict[tuple[str, str, tuple[int, ...]], list[Entry]] = {}
    for entry in entries:
        if name in (entry.task, entry.node):
            by_call.setdefault((entry.pipeline, entry.node, entry.items), []).append(entry)
    return [_difference(found) for found in by_call.values()]


def explained(found: Iterable[Difference]) -> Iterator[str]:
    """Gives differences as text, the turns of a loop of which the same is to be told as one."""
    alike: dict[tuple[object, ...], list[Difference]] = {}
    for one in found:
        same = one.now.pipeline, one.now.node, one.before is None, one.changed, one.added, one.gone
        alike.setdefault(same, []).append(one)
    for several in alike.values():
        yield from _lines(several)


def _lines(several: Sequence[Difference]) -> Iterator[str]:
    newest = several[0]
    items = sorted(one.now.items for one in several if one.now.items)
    turns = f" for {_items(items)}" if items else ""
    head = f"{newest.now.node} of {newest.now.pipeline}{turns}, computed {_when(newest.now)}"
    if newest.before is None:
        yield f"{head}: there is no earlier result to compare with"
    elif newest.changed or newest.added or newest.gone:
        yield f"{head}; since {_when(newest.before)} there changed:"
        yield from (f"  ~ {name}" for name in newest.changed)
        yield from (f"  + {name}" for name in newest.added)
        yield from (f"  - {name}" for name in newest.gone)
    else:
        yield f"{head}: nothing changed since {_when(newest.before)}; that result had gone, or was too old"


def _items(items: Sequence[tuple[int, ...]]) -> str:
    """Gives numbers of items, those of nested loops joined by dots: `items 0, 1, 2 (counted from 0)`."""
    numbers = [".".join(map(str, one)) for one in items[:_MOST_ITEMS]]
    more = f" and {len(items) - _MOST_ITEMS:,} more" if len(items) > _MOST_ITEMS else ""
    return f"{'item' if len(items) == 1 else 'items'} {', '.join(numbers)}{more} (counted from 0)"


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
