"""A run as it goes on, on a terminal and elsewhere, and the table of how its tasks went."""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from time import perf_counter
from typing import TYPE_CHECKING, TextIO

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from glacier.execution.record import NodeRecord, NodeState, Observer, RunRecord, RunStart
from glacier.report.fitting import columns, counted, padded, shortened

if TYPE_CHECKING:
    from glacier.graph import Graph

_REFRESHES = 8  # per second
_MOST_LINES = 200
"""A run of more nodes than these is told by sums, not by a line for each."""
_MOST_FAILURES = 20
_MOST_ROWS = 60
_NAME = 40  # columns
_MARKS: dict[NodeState, tuple[str, str]] = {
    "succeeded": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "yellow"),
    "cancelled": ("-", "dim"),
    "waiting": (" ", "dim"),
    "running": (" ", "cyan"),
}


def progress_observer(file: TextIO | None = None) -> Observer:
    """Gives an observer that shows a run: live on a terminal and in a notebook, else a plain line per ended task.

    Args:
        file: where to; standard error by default, so that a run's own output stays clean.

    >>> import sys
    >>> from glacier import pipeline, task
    >>> @task
    ... def load() -> int:
    ...     return 1
    >>> @pipeline
    ... def one() -> int:
    ...     return load()
    >>> one.run(progress=progress_observer(sys.stdout))  # doctest: +ELLIPSIS
      load   0.00 s
    1 task in ... s
    1
    """
    stream = sys.stderr if file is None else file
    console = Console(file=file, stderr=file is None)
    in_notebook = file is None and console.is_jupyter and find_spec("ipywidgets") is not None
    if in_notebook or (stream.isatty() and not console.is_dumb_terminal):
        return _LiveView(console)
    return _PlainLines(stream)


@dataclass(slots=True)
class _Tally:
    """The counts of a run so far, hidden nodes left out. Its owner holds a lock where threads may meet."""

    graph: Graph
    visible: list[bool]
    total: int
    states: Counter[NodeState] = field(default_factory=Counter[NodeState])

    @classmethod
    def of(cls, graph: Graph) -> _Tally:
        visible = [not node.hidden for node in graph.nodes]
        return cls(graph, visible, sum(visible))

    @property
    def done(self) -> int:
        return self.states.total()


class _LiveView:
    """The view on a terminal. The run's threads only note what happens; a thread of its own draws, and is joined."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = Spinner("dots", style="cyan")
        self._drawing = threading.Lock()

    def run_started(self, run: RunStart) -> None:
        graph = run.graph
        self._tally = _Tally.of(graph)
        self._names = graph.names
        self._wide = _name_columns(self._tally)
        self._running: dict[int, float] = {}
        self._turns: dict[int, str] = {}
        self._ended: deque[NodeRecord] = deque()
        self._recent: deque[NodeRecord] = deque(maxlen=_MOST_LINES)
        self._failed: list[NodeRecord] = []
        self._begun = perf_counter()
        self._over: RunRecord | None = None
        self._live = Live(
            get_renderable=self._view,
            console=self._console,
            auto_refresh=False,  # rich's own thread is not joined when the view ends
            redirect_stdout=sys.stdout.isatty(),  # output to a file or pipe is not for the terminal
        )
        self._stop = threading.Event()
        self._drawer = threading.Thread(target=self._draw, name="glacier-progress", daemon=True)
        self._live.start(refresh=True)
        self._drawer.start()

    def node_started(self, index: int) -> None:
        if self._tally.visible[index]:
            self._running[index] = perf_counter()

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        self._turns[index] = f"{ended:,}/{turns:,}" if turns is not None else f"{ended:,}"

    def node_ended(self, index: int, record: NodeRecord) -> None:
        if self._tally.visible[index]:
            self._running.pop(index, None)
            self._ended.append(record)

    def run_ended(self, record: RunRecord) -> None:
        self._stop.set()
        self._drawer.join()
        self._running.clear()
        self._over = record
        self._live.stop()

    def _draw(self) -> None:
        while not self._stop.wait(1 / _REFRESHES):
            self._live.refresh()

    def _view(self) -> RenderableType:
        with self._drawing:
            self._take_ended()
            if self._over is not None:
                return self._final(self._over)
            running = sorted(self._running.copy().items(), key=lambda item: item[1])
            room = max(self._console.height - 3, 1)
            lines = max(room - len(running), 0)
            shown = list(self._recent)[-min(lines, 8) :] if lines else []
            most = room if len(running) <= room else room - 1
            more = [Text(f"  ... and {len(running) - most:,} more running", style="dim")] if len(running) > most else []
            now = perf_counter()
            return Group(
                *(_ended_line(record, self._wide) for record in shown),
                *(self._running_line(index, now - since) for index, since in running[:most]),
                *more,
                self._bar(now),
            )

    def _take_ended(self) -> None:
        while self._ended:
            record = self._ended.popleft()
            self._tally.states[record.state] += 1
            if record.state == "failed":
                self._failed.append(record)
            self._recent.append(record)

    def _running_line(self, index: int, seconds: float) -> RenderableType:
        name, turns = self._names[index], self._turns.get(index, "")
        spin = self._spinner.render(self._console.get_time())
        mark = spin if isinstance(spin, Text) else Text("*")
        line = Text.assemble("  ", mark, " ", _padded(name, self._wide), f"{seconds:>9.1f} s", ("   " + turns, "dim"))
        return _one_line(line)

    def _bar(self, now: float) -> RenderableType:
        tally = self._tally
        row = Table.grid(padding=(0, 1))
        failed = tally.states["failed"]
        row.add_row(
            " ",
            ProgressBar(
                total=max(tally.total, 1), completed=tally.done, width=30, complete_style="red" if failed else "cyan"
            ),
            Text(f"{tally.done:,}/{tally.total:,}"),
            Text(f"{failed:,} failed" if failed else "", style="bold red"),
            Text(f"{now - self._begun:.0f} s", style="dim"),
        )
        return row

    def _final(self, record: RunRecord) -> RenderableType:
        every = self._tally.total <= _MOST_ROWS
        kept = list(self._recent) if every else self._failed[:_MOST_FAILURES]
        style = "bold red" if self._tally.states["failed"] else "bold"
        return Group(*(_ended_line(node, self._wide) for node in kept), Text(_summed_up(record), style=style))


class _PlainLines:
    """The view elsewhere: lines that a log keeps. Of more than 200 nodes, the failures and now and then a sum."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def run_started(self, run: RunStart) -> None:
        graph = run.graph
        self._tally = _Tally.of(graph)
        self._each = self._tally.total <= _MOST_LINES
        self._wide = _name_columns(self._tally)
        self._begun = self._told = perf_counter()
        self._told_at = 0

    def node_started(self, index: int) -> None:
        pass

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        pass

    def node_ended(self, index: int, record: NodeRecord) -> None:
        tally = self._tally
        if not tally.visible[index]:
            return
        with self._lock:
            tally.states[record.state] += 1
            failed = record.state == "failed" and tally.states["failed"] <= _MOST_FAILURES
            if self._each or failed:
                self._write(_plain_line(record, self._wide))
            elif tally.done < tally.total:
                self._tell_sum(perf_counter())

    def run_ended(self, record: RunRecord) -> None:
        with self._lock:
            self._write(_summed_up(record))

    def _tell_sum(self, now: float) -> None:
        """Writes a sum each tenth of the way, or each second if that is rarer than a tenth; never two within 0.1 s."""
        tally = self._tally
        tenth = (tally.done - self._told_at) * 10 >= tally.total
        if now - self._told < (0.1 if tenth else 1.0):
            return
        self._told, self._told_at = now, tally.done
        failed = f", {tally.states['failed']:,} failed" if tally.states["failed"] else ""
        self._write(f"  {tally.done:,} of {tally.total:,} tasks{failed}, {now - self._begun:.1f} s")

    def _write(self, line: str) -> None:
        """Writes a line; in an encoding that lacks some of its characters, with `?` for them."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()


def _plain_line(record: NodeRecord, width: int) -> str:
    parts = ["  " + _padded(record.name, width)]
    if record.state != "succeeded":
        parts.append(record.state)
    if record.turns:
        parts.append(counted(record.turns, "turn"))
    if record.seconds is not None:
        parts.append(f"{record.seconds:.2f} s")
    if record.rows is not None:
        parts.append(counted(record.rows, "row"))
    if record.reason:
        parts.append(record.reason)
    return "   ".join(parts)


def _ended_line(record: NodeRecord, width: int) -> RenderableType:
    mark, style = _MARKS[record.state]
    seconds = f"{record.seconds:>9.2f} s" if record.seconds is not None else " " * 11
    line = Text.assemble("  ", (mark, style), " ", _padded(record.name, width), seconds)
    if record.turns:
        line.append(f"   {counted(record.turns, 'turn')}", style="dim")
    if record.rows is not None:
        line.append(f"   {counted(record.rows, 'row')}", style="dim")
    if record.state != "succeeded":
        line.append(f"   {record.state}" + (f": {record.reason}" if record.reason else ""), style=style)
    return _one_line(line)


def _padded(name: str, width: int) -> str:
    return padded(shortened(name, width), width)


def _name_columns(tally: _Tally) -> int:
    """Gives how wide the names' column is: as the longest name, within limits."""
    names = [name for name, visible in zip(tally.graph.names, tally.visible, strict=True) if visible]
    return min(_NAME, max(map(columns, names), default=0))


def _one_line(text: Text) -> Text:
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


def _summed_up(record: RunRecord) -> str:
    counts = record.counts()
    seconds = f"{record.seconds:.1f} s" if record.seconds >= 1 else f"{record.seconds:.2f} s"
    if set(counts) <= {"succeeded"}:
        return f"{counted(len(record.nodes), 'task')} in {seconds}"
    told: tuple[NodeState, ...] = ("failed", "skipped", "cancelled", "waiting", "succeeded")
    return ", ".join(f"{counts[state]:,} {state}" for state in told if state in counts) + f" in {seconds}"


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
    return nodes_table(record.nodes, record.seconds, f"{record.pipeline}: {_summed_up(record)}")


def nodes_table(nodes: Sequence[NodeRecord], seconds: float, title: str | None = None) -> Table:
    """Gives a table as `summary_table` does.

    Args:
        nodes: what it has a line for.
        seconds: how long the run took.
        title: what stands above it.
    """
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("task", overflow="ellipsis", no_wrap=True, max_width=_NAME)
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
        Text(node.state, style=_MARKS[node.state][1]),
        "–" if started is None else f"{started:.2f}",  # noqa: RUF001  # a dash: not known
        "–" if seconds is None else f"{seconds:.2f}",  # noqa: RUF001  # a dash: not known
        "–" if node.rows is None else f"{node.rows:,}",  # noqa: RUF001  # a dash: not known
        bar,
    )
