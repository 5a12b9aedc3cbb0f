"""The metrics of runs and tasks that OpenTelemetry is told: names and units as its conventions have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, Meter

    from glacier.execution.measures import Measures

Attributes = Mapping[str, str]

_SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600]
_BYTES = [2.0**power for power in range(20, 38, 2)]


class Instruments:
    """The instruments of a meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._runs = _histogram(meter, "glacier.run.duration", "s", "How long runs took.")
        self._tasks = _histogram(meter, "glacier.task.duration", "s", "How long tries of tasks took.")
        self._cpu = meter.create_counter("glacier.task.cpu.time", "s", "Processor time of observed tasks.")
        self._memory = _histogram(meter, "glacier.task.memory.rise", "By", "How far memory rose in observed tasks.")
        self._rows = meter.create_counter("glacier.task.rows", "{row}", "Rows that observed tasks took and gave.")
        self._io = meter.create_counter("glacier.task.io", "By", "Bytes that observed tasks took and gave.")

    def run(self, seconds: float, attributes: Attributes) -> None:
        """Tells of a run."""
        self._runs.record(seconds, attributes)

    def task(self, seconds: float, measures: Measures | None, attributes: Attributes) -> None:
        """Tells of a try of a task."""
        self._tasks.record(seconds, attributes)
        if measures is None:
            return
        measured = measures.measured
        if (cpu := measured.get("cpu")) is not None:
            self._cpu.add(cpu, attributes)
        if (memory := measured.get("memory")) is not None:
            self._memory.record(memory, attributes)
        for counter, numbers in (
            (self._rows, {"in": measured.get("rows_in"), "out": measured.get("rows_out")}),
            (self._io, {"in": measured.get("bytes_in"), "out": measured.get("bytes_out")}),
        ):
            for direction, number in numbers.items():
                if number is not None:
                    counter.add(number, {**attributes, "glacier.direction": direction})
        for name, told in measures.told.items():
            self._meter.create_gauge(metric_name(name), description="As a task tells it.").set(told.value, attributes)


def metric_name(name: str) -> str:
    """Gives the name that a task's own metric has in OpenTelemetry, which takes few characters.

    >>> metric_name("null values (%)")
    'glacier.metric.null_values_'
    """
    return "glacier.metric." + re.sub(r"[^A-Za-z0-9_.\-/]+", "_", name)[:200]


def _histogram(meter: Meter, name: str, unit: str, description: str) -> Histogram:
    bounds = _SECONDS if unit == "s" else _BYTES
    return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=bounds)
