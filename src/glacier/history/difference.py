"""What differs between two runs of a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from glacier.execution.record import NodeRecord
from glacier.history.runs import RecordedRun

_NOTABLE = 0.2
"""A task that takes this much longer or shorter, as a part of the shorter time, differs."""

_LEAST = 0.05  # seconds; less than that says nothing of a task


@dataclass(frozen=True)
class TaskDifference:
    """A task in two runs.

    Attributes:
        name: its name in both.
        before: how it went in the earlier; None if it was not there.
        after: how it went in the later; None if it was not there.
    """

    name: str
    before: NodeRecord | None
    after: NodeRecord | None

    @property
    def seconds(self) -> float | None:
        """How much longer it took in the later, negative for less; None where it did not run in both."""
        if self.before is None or self.after is None or self.before.seconds is None or self.after.seconds is None:
            return None
        return self.after.seconds - self.before.seconds

    @property
    def is_notable(self) -> bool:
        """Whether it was in one of them only, ended otherwise, gave other rows, or took clearly longer or shorter."""
        before, after = self.before, self.after
        if before is None or after is None:
            return True
        if (before.state, before.rows, before.turns) != (after.state, after.rows, after.turns):
            return True
        shorter = min(before.seconds or 0.0, after.seconds or 0.0)
        return abs(self.seconds or 0.0) > max(_LEAST, _NOTABLE * shorter)

    def to_dict(self) -> dict[str, object]:
        """Gives it as JSON can hold it."""
        return {
            "name": self.name,
            "before": None if self.before is None else self.before.to_dict(),
            "after": None if self.after is None else self.after.to_dict(),
        }


@dataclass(frozen=True)
class Difference:
    """Two runs beside each other.

    Attributes:
        before: the earlier run.
        after: the later.
        stated: inputs, versions and the like that are not the same in both, as (before, after) by name.
        tasks: every task of either, in the order of the later run, then those that only the earlier had.
    """

    before: RecordedRun
    after: RecordedRun
    stated: Mapping[str, tuple[str | None, str | None]]
    tasks: tuple[TaskDifference, ...]

    @property
    def notable(self) -> tuple[TaskDifference, ...]:
        """The tasks that are not as before."""
        return tuple(task for task in self.tasks if task.is_notable)

    def to_dict(self) -> dict[str, object]:
        """Gives it as JSON can hold it."""
        return {
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "stated": {name: list(values) for name, values in self.stated.items()},
            "tasks": [task.to_dict() for task in self.tasks],
        }


def difference(
    before: tuple[RecordedRun, Iterable[NodeRecord]], after: tuple[RecordedRun, Iterable[NodeRecord]]
) -> Difference:
    """Gives what differs between two runs, each with its tasks."""
    earlier = {node.name: node for node in before[1]}
    later = {node.name: node for node in after[1]}
    names = [*later, *(name for name in earlier if name not in later)]
    tasks = tuple(TaskDifference(name, earlier.get(name), later.get(name)) for name in names)
    return Difference(before[0], after[0], dict(_stated(before[0], after[0])), tasks)


def _stated(before: RecordedRun, after: RecordedRun) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    pairs = [("input ", before.inputs, after.inputs), ("", before.about, after.about)]
    if before.pipeline != after.pipeline:
        yield "pipeline", (before.pipeline, after.pipeline)
    if before.file != after.file:
        yield "file", (before.file, after.file)
    for kind, one, other in pairs:
        for name in dict.fromkeys([*one, *other]):
            if one.get(name) != other.get(name):
                yield f"{kind}{name}", (one.get(name), other.get(name))
