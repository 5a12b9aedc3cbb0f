"""What was measured of a node, and of all its turns in a loop together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from glacier.doing import Told
from glacier.observe import KEYS, Metric

Number = int | float


@dataclass(frozen=True, slots=True)
class Measures:
    """The numbers of a node.

    Attributes:
        measured: what `@observe` asks for, in seconds, bytes and rows; None where it cannot be known.
        told: the task's own metrics.
    """

    measured: Mapping[Metric, Number | None] = field(default_factory=dict[Metric, Number | None])
    told: Mapping[str, Told] = field(default_factory=dict[str, Told])

    def joined(self, other: Measures) -> Measures:
        """Gives both together, as turns of a loop are: sums, but the higher of the two in memory."""
        measured = dict(self.measured)
        for metric, value in other.measured.items():
            before = measured.get(metric)
            if before is None or value is None:
                measured[metric] = value if before is None else before
            else:
                measured[metric] = max(before, value) if metric == "memory" else before + value
        told = dict(self.told)
        for name, metric_told in other.told.items():
            told[name] = told[name].joined(metric_told.value) if name in told else metric_told
        return Measures(measured, told)

    def shown(self) -> dict[str, Number | None]:
        """Gives the numbers as `get_metrics` does: time in whole milliseconds and memory in whole MiB, rounded up.

        >>> Measures({"duration": 1.2336, "memory": 1}, {"nulls": Told(3, "sum")}).shown()
        {'duration_ms': 1234, 'memory_mb': 1, 'nulls': 3}
        """
        found: dict[str, Number | None] = {}
        for key, metric in KEYS.items():
            if metric in self.measured:
                value = self.measured[metric]
                found[key] = None if value is None else math.ceil(value * _FACTORS.get(metric, 1))
        return {**found, **{name: metric.value for name, metric in self.told.items()}}


_FACTORS: Mapping[Metric, float] = {"duration": 1e3, "cpu": 1e3, "memory": 2**-20}
