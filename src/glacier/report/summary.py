"""How the tasks of a run went, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.bar import Bar
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from glacier.execution.record import NodeRecord, RunRecord
from glacier.report.fitting import counted
from glacier.report.progress.tally import MARKS, NAME, summed_up

_MOST_ROWS = 60


def summary_table(record: RunRecord) -> Table:
    """Gives a rich table of how each task went: state, start, seconds, rows, and a bar for its part of the run's time.

    Tasks of pipelines called in the body stand below those pipelines' names.

    Rows are shown where they are known; a task that returns a LazyFrame only builds a plan, and has a dash. Of more
    than 60 tasks the failed and the slowest are shown.

    >>> from datetime import datetime, timezone
    >>> loaded = NodeRecord("load", "succeeded", 0.0, 1.5, 1000)
    >>> began = datetime(2024, 5, 17, tzinfo=timezone.utc)
    >>> table = summary_table(RunRecord("20240517-...", "sales", "succeeded", began, 2.0, (loaded,)))
    >>> table.row_count
    1
    """
    return nodes_table(record.nodes, record.seconds, f"{record.pipeline}: {summed_up(record)}")


def nodes_table(nodes: Sequence[NodeRecord], seconds: float, title: str | None = None) -> Table:
    """Gives a table as `summary_table` does.

    Args:
        nodes: what it has a line for.
        seconds: how long the run took.
        title: what stands above it.
    """
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("task", overflow="ellipsis", no_wrap=True, max_width=NAME)
    table.add_column("state", no_wrap=True)
    for name in ("start", "seconds", "rows"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("when")
    shown = _worth_showing(nodes)
    open_groups: tuple[str, ...] = ()
    for node in shown:
        for depth, group in enumerate(node.groups):
            if node.groups[: depth + 1] != open_groups[: depth + 1]:
                table.add_row(Text("  " * depth + _within(group, node.groups[:depth]), style="dim"))
        open_groups = node.groups
        table.add_row(*_cells(node, seconds))
    if len(shown) < len(nodes):
        table.caption = f"... and {counted(len(nodes) - len(shown), 'quicker task')}"
        table.caption_justify = "left"
    return table


def _worth_showing(nodes: Sequence[NodeRecord]) -> Sequence[NodeRecord]:
    if len(nodes) <= _MOST_ROWS:
        return nodes
    ranked = sorted(range(len(nodes)), key=lambda i: (nodes[i].state != "failed", -(nodes[i].seconds or 0.0)))
    return [nodes[index] for index in sorted(ranked[:_MOST_ROWS])]


def _within(name: str, groups: tuple[str, ...]) -> str:
    """Gives a name without that of the group it stands below."""
    return name.removeprefix(f"{groups[-1]}/") if groups else name


def _cells(node: NodeRecord, whole: float) -> tuple[RenderableType, ...]:
    started, seconds = node.started, node.seconds
    bar: RenderableType = ""
    if started is not None and seconds is not None and whole > 0:
        ended = max(node.ended if node.ended is not None else started + seconds, started + whole / 80)
        bar = Bar(size=whole, begin=started, end=min(ended, whole), width=20, color="cyan")
    times = f" × {node.turns:,}" if node.turns else ""
    return (
        Text("  " * len(node.groups) + _within(node.name, node.groups) + times),
        Text(node.state, style=MARKS[node.state][1]),
        "–" if started is None else f"{started:.2f}",  # noqa: RUF001  # a dash: not known
        "–" if seconds is None else f"{seconds:.2f}",  # noqa: RUF001  # a dash: not known
        "–" if node.rows is None else f"{node.rows:,}",  # noqa: RUF001  # a dash: not known
        bar,
    )
