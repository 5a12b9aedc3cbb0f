"""Recorded runs as text: the list of them, one of them, two beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from glacier.execution.measures import Number
from glacier.execution.record import NodeRecord
from glacier.history.difference import Difference, TaskDifference
from glacier.history.runs import RecordedRun
from glacier.report.fitting import columns, counted, cut, padded, printable, shortened

_NAME = 40  # columns
_MOST_TASKS = 60


def shown_runs(runs: Sequence[RecordedRun], width: int | None = None) -> str:
    """Gives runs as a table: the short id, pipeline, state, start in local time, duration, tasks, and what is special.

    Args:
        runs: the runs.
        width: columns that a line may have; None for any.
    """
    head = ("run", "pipeline", "state", "started", "seconds", "tasks", "")
    rows = [
        (
            run.short_id,
            shortened(run.pipeline, _NAME),
            run.state,
            _local(run.started),
            _seconds(run.seconds),
            f"{run.tasks:,}",
            _special(run),
        )
        for run in runs
    ]
    return "\n".join(cut(line, width) if width else line for line in _table([head, *rows], right={4, 5}))


def shown_run(run: RecordedRun, nodes: Sequence[NodeRecord], width: int) -> str:
    """Gives one run: what it was, and a table of its tasks.

    Args:
        run: the run.
        nodes: those of its tasks that have started or ended.
        width: columns that a line may have.
    """
    lines = [
        f"{run.pipeline}: {run.state} after {_seconds(run.seconds)} s, {_counted(run)}",
        f"run      {run.run_id}",
        f"started  {_local(run.started)}",
        f"file     {printable(run.file)}",
    ]
    if run.inputs:
        lines.append("inputs   " + ", ".join(f"{name}={value}" for name, value in run.inputs.items()))
    lines.append("with     " + ", ".join(f"{name} {value}" for name, value in run.about.items()))
    if run.process is not None:
        lines.append(f"process  {run.process.pid} on {run.process.host}")
    if run.reason:
        lines.append(f"reason   {printable(run.reason)}")
    return "\n".join([*lines, "", _nodes(run, nodes, width)]).rstrip()


def shown_difference(found: Difference, width: int) -> str:
    """Gives two runs beside each other: what is not the same, and the tasks that are not as before.

    Args:
        found: the difference.
        width: columns that a line may have.
    """
    lines = [
        *_table([_heading(found.before), _heading(found.after, found.before)], right=set()),
        *(f"{name}: {_or_none(before)} -> {_or_none(after)}" for name, (before, after) in found.stated.items()),
    ]
    notable = found.notable
    if notable:
        head = ("task", "state", "seconds", "", "rows")
        rows = [_difference_row(task) for task in notable[:_MOST_TASKS]]
        lines += ["", *_table([head, *rows], right={3})]
    if len(notable) > _MOST_TASKS:
        lines.append(f"... and {counted(len(notable) - _MOST_TASKS, 'task')} more that changed")
    same = len(found.tasks) - len(notable)
    lines += ["", f"{counted(same, 'task')} as before"] if same else []
    return "\n".join(cut(line, width) for line in lines)


def _nodes(run: RecordedRun, nodes: Sequence[NodeRecord], width: int) -> str:
    from io import StringIO

    from rich.console import Console

    from glacier.report.summary import nodes_table

    printed = StringIO()
    Console(file=printed, width=width).print(nodes_table(nodes, run.seconds))
    reasons = [line for node in nodes for line in _reasons(node)]
    tried = [line for node in nodes for line in _tries(node)]
    metrics = [
        f"{node.name}: " + ", ".join(f"{name} {'?' if value is None else value}" for name, value in shown.items())
        for node in nodes
        if (shown := _measured(node))
    ]
    cached = [_times(node, node.cached) for node in nodes if node.cached]
    resumed = [_times(node, node.resumed) for node in nodes if node.resumed]
    reused = [
        *([f"taken from the cache: {', '.join(cached)}"] if cached else []),
        *([f"not done again, since the run that was resumed had: {', '.join(resumed)}"] if resumed else []),
    ]
    parts = [
        [line.rstrip() for line in printed.getvalue().splitlines()],
        *filter(None, (reused, reasons, tried, metrics)),
    ]
    return "\n\n".join("\n".join(cut(line, width) for line in part[:_MOST_TASKS]) for part in parts)


def _measured(node: NodeRecord) -> Mapping[str, Number | None]:
    """Gives what was measured of a node; of one that did nothing what is not known is left out."""
    shown = {} if node.measures is None else node.measures.shown()
    return {name: value for name, value in shown.items() if value is not None or not node.recalled}


def _reasons(node: NodeRecord) -> Iterator[str]:
    if node.reason:
        yield f"{node.name}: {node.reason}"
    for turn in sorted(node.failed_turns, key=lambda turn: turn.items):
        yield f"{node.name}, {_item(turn.items)}: {turn.error}"


def _tries(node: NodeRecord) -> Iterator[str]:
    """Gives the tries of a task, in a loop over a result those of one item after another."""
    numbers = Counter[tuple[int, ...]]()
    for attempt in sorted(node.attempts, key=lambda attempt: attempt.items):
        numbers[attempt.items] += 1
        turn = f", {_item(attempt.items)}" if attempt.items else ""
        told = "succeeded" if attempt.error is None else attempt.error
        yield f"{node.name}{turn}: try {numbers[attempt.items]} {told}"


def _item(items: tuple[int, ...]) -> str:
    return f"item {'.'.join(map(str, items))}"


def _times(node: NodeRecord, count: int) -> str:
    return node.name if count == (node.turns or 1) else f"{node.name} ({count:,} of {node.turns:,} turns)"


def _heading(run: RecordedRun, before: RecordedRun | None = None) -> tuple[str, ...]:
    more = "" if before is None else _change(before.seconds, run.seconds)
    return run.short_id, run.state, _local(run.started), f"{_seconds(run.seconds)} s", more


def _difference_row(task: TaskDifference) -> tuple[str, ...]:
    name, before, after = shortened(task.name, _NAME), task.before, task.after
    if before is None or after is None:
        there = after or before
        assert there is not None
        return name, "only in the later" if before is None else "only in the earlier", _maybe(there.seconds), "", ""
    state = after.state if before.state == after.state else f"{before.state} -> {after.state}"
    rows = "" if before.rows == after.rows else f"{_rows(before.rows)} -> {_rows(after.rows)}"
    if task.seconds is None:
        return name, state, "", "", rows
    return (
        name,
        state,
        f"{_maybe(before.seconds)} -> {_maybe(after.seconds)}",
        _change(before.seconds or 0.0, after.seconds or 0.0),
        rows,
    )


def _table(rows: Sequence[tuple[str, ...]], right: set[int]) -> list[str]:
    """Gives rows as lines; a column that has only a head is left out, and those of `right` are flush right."""
    filled = [any(row[at] for row in rows[1:]) for at in range(len(rows[0]))]
    widths = [max(columns(row[at]) for row in rows) if there else 0 for at, there in enumerate(filled)]
    lines: list[str] = []
    for row in rows:
        cells = [
            " " * (width - columns(cell)) + cell if at in right else padded(cell, width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cell for cell, width in zip(cells, widths, strict=True) if width).rstrip())
    return lines


def _special(run: RecordedRun) -> str:
    if run.reason:
        return printable(run.reason)
    return " ".join(f"{name}={value}" for name, value in run.inputs.items())


def _counted(run: RecordedRun) -> str:
    if set(run.counts) <= {"succeeded"}:
        return counted(run.tasks, "task")
    return ", ".join(f"{count:,} {state}" for state, count in sorted(run.counts.items()))


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"


def _maybe(seconds: float | None) -> str:
    return "?" if seconds is None else _seconds(seconds)


def _rows(rows: int | None) -> str:
    return "?" if rows is None else f"{rows:,}"


def _or_none(text: str | None) -> str:
    return "none" if text is None else text


def _change(before: float, after: float) -> str:
    return f"{(after - before) / before:+.0%}" if before >= 0.01 else ""


def named(runs: Iterable[RecordedRun]) -> str:
    """Gives runs by their short ids.

    >>> named([])
    ''
    """
    return ", ".join(run.short_id for run in runs)
