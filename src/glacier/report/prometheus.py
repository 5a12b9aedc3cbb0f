"""The history as Prometheus reads it: the text format, version 0.0.4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isinf, isnan

from glacier.execution.record import NodeRecord
from glacier.history.runs import RecordedRun, RecordedState
from glacier.observe import Metric

_STATES: tuple[RecordedState, ...] = ("succeeded", "failed", "cancelled", "killed", "running")
_MEASURES: Mapping[Metric, tuple[str, str]] = {
    "cpu": ("cpu_seconds", "Processor time of the task."),
    "memory": ("memory_bytes", "Largest rise of the process' memory while the task ran."),
    "rows_processed": ("rows_processed", "Rows that the task took, or gave if it takes no frame."),
    "rows_in": ("rows_in", "Rows of the frames that the task took."),
    "rows_out": ("rows_out", "Rows of the frames that the task gave or wrote."),
    "bytes_in": ("bytes_in", "Bytes of the frames that the task took."),
    "bytes_out": ("bytes_out", "Bytes of the frames that the task gave or wrote."),
}
"""What `@observe` measures besides the duration, which every task has: the end of its name here, and its help."""


def exposition(runs: Sequence[RecordedRun], last_tasks: Mapping[str, Iterable[NodeRecord]]) -> str:
    """Gives runs as Prometheus' text: gauges, all of the runs that the history holds and of each pipeline's last one.

    Times are seconds, moments seconds since 1970, sizes bytes. Metrics that a task told of itself are
    `glacier_task_metric`, with the name they were told by as a label.

    Args:
        runs: the runs, newest first.
        last_tasks: by pipeline, the tasks of its last run that has ended.

    >>> print(exposition([], {}), end="")
    """
    families: dict[str, list[tuple[_Labels, float]]] = {}  # the format wants all samples of a metric together
    for name, labels, value in _samples(runs, last_tasks):
        families.setdefault(name, []).append((labels, value))
    return "".join(line for name, samples in families.items() for line in _lines(name, samples))


def last_ended(runs: Iterable[RecordedRun]) -> dict[str, RecordedRun]:
    """Gives the newest run of each pipeline that has ended.

    Args:
        runs: the runs, newest first.
    """
    found: dict[str, RecordedRun] = {}
    for run in runs:
        if run.state != "running":
            found.setdefault(run.pipeline, run)
    return found


_Labels = tuple[tuple[str, str], ...]
_Sample = tuple[str, _Labels, float]

_HELP: Mapping[str, str] = {
    "glacier_runs": "Runs in the history, by how they ended.",
    "glacier_last_run_state": "1 for how the last run that has ended did so, 0 for the other ways.",
    "glacier_last_run_start_timestamp_seconds": "When the last run that has ended began.",
    "glacier_last_run_duration_seconds": "How long the last run that has ended took.",
    "glacier_last_success_timestamp_seconds": "When the last run that succeeded ended.",
    "glacier_task_state": "1 for how the task ended in the last run.",
    "glacier_task_duration_seconds": "How long the task took in the last run.",
    "glacier_task_tries": "How often the task was tried in the last run.",
    "glacier_task_rows": "Rows of the frame that the task returned or wrote, where they are known.",
    "glacier_task_metric": "What the task told of itself in the last run, by name.",
    **{f"glacier_task_{name}": text for name, text in _MEASURES.values()},
}


def _samples(runs: Sequence[RecordedRun], last_tasks: Mapping[str, Iterable[NodeRecord]]) -> Iterator[_Sample]:
    counts = Counter((run.pipeline, run.state) for run in runs)
    for pipeline in sorted({run.pipeline for run in runs}):
        for state in _STATES:
            yield "glacier_runs", (("pipeline", pipeline), ("state", state)), counts[pipeline, state]
    for pipeline, run in sorted(last_ended(runs).items()):
        of = (("pipeline", pipeline),)
        for state in _STATES[:-1]:
            yield "glacier_last_run_state", (*of, ("state", state)), float(run.state == state)
        yield "glacier_last_run_start_timestamp_seconds", of, run.started.timestamp()
        yield "glacier_last_run_duration_seconds", of, run.seconds
    succeeded = last_ended(run for run in runs if run.state == "succeeded")
    for pipeline, run in sorted(succeeded.items()):
        yield "glacier_last_success_timestamp_seconds", (("pipeline", pipeline),), run.started.timestamp() + run.seconds
    for pipeline, nodes in sorted(last_tasks.items()):
        for node in nodes:
            yield from _of_task(node, (("pipeline", pipeline), ("task", node.name)))


def _of_task(node: NodeRecord, of: _Labels) -> Iterator[_Sample]:
    yield "glacier_task_state", (*of, ("state", node.state)), 1.0
    if node.seconds is not None:
        yield "glacier_task_duration_seconds", of, node.seconds
        yield "glacier_task_tries", of, _tries(node)
    if node.rows is not None:
        yield "glacier_task_rows", of, node.rows
    if node.measures is None:
        return
    for metric, (name, _) in _MEASURES.items():
        value = node.measures.measured.get(metric)
        if value is not None:
            yield f"glacier_task_{name}", of, value
    for told, metric_told in node.measures.told.items():
        yield "glacier_task_metric", (*of, ("metric", told)), metric_told.value


def _tries(node: NodeRecord) -> int:
    again = len(node.attempts) - len({attempt.items for attempt in node.attempts})
    return (node.turns or 1) + again


def _lines(name: str, samples: Iterable[tuple[_Labels, float]]) -> Iterator[str]:
    yield f"# HELP {name} {_HELP[name]}\n"
    yield f"# TYPE {name} gauge\n"
    for labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        yield f"{name}{{{shown}}} {_number(value)}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    """Gives a number as the format has it, also one that is none, or infinite."""
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value == int(value) else repr(value)
