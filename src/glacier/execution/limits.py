"""How many calls of a task run at once: `@task(max_concurrency=...)`."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush

from glacier.execution.jobs import Job
from glacier.graph import Graph
from glacier.task import Task

Unit = tuple[tuple[int, ...], Job, list[int]]
"""What is ready: its rank, then the job and the members that start together."""


@dataclass(slots=True)
class _Limit:
    most: int
    running: int = 0
    waiting: list[Unit] = field(default_factory=list[Unit])


class Limits:
    """Which ready calls have to wait for others of their task. Changed under the lock of the run only."""

    def __init__(self, graph: Graph) -> None:
        by_task: dict[object, _Limit] = {}
        self._limits: dict[int, _Limit] = {}
        for node in graph.nodes:
            work = node.work
            if isinstance(work, Task) and work.options.max_concurrency is not None:
                limit = by_task.setdefault(work.origin, _Limit(work.options.max_concurrency))
                self._limits[node.index] = limit

    def may_start(self, unit: Unit) -> bool:
        """Says whether a unit may start now, and counts it; one that may not is kept until another has ended."""
        limit = self._of(unit)
        if limit is None:
            return True
        if limit.running >= limit.most:
            heappush(limit.waiting, unit)
            return False
        limit.running += 1
        return True

    def ended(self, unit: Unit) -> list[Unit]:
        """Notes that a unit has ended, and gives the one that was kept for it, if any."""
        limit = self._of(unit)
        if limit is None:
            return []
        limit.running -= 1
        return [heappop(limit.waiting)] if limit.waiting else []

    def _of(self, unit: Unit) -> _Limit | None:
        return self._limits.get(unit[1].key(unit[2][0])) if self._limits else None
