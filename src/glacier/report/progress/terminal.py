"""A run on a terminal, drawn anew as it goes on; what tasks print and log stands above it."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from time import perf_counter
from typing import TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from glacier.execution.record import NodeRecord, RunRecord, RunStart
from glacier.report.fitting import counted
from glacier.report.progress.tally import (
    MARKS,
    MOST_FAILURES,
    MOST_LINES,
    Tally,
    name_columns,
    padded_name,
    reused,
    summed_up,
)

_REFRESHES = 8  # per second
_MOST_ROWS = 60
_BAR = 30  # columns
_GONE = suppress(OSError, ValueError)
"""What the terminal's end is told by, which is no failure of the run."""


class TerminalView:
    """The view on a terminal. The run's threads only note what happens; a thread of its own draws, and is joined."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = Spinner("dots", style="cyan")
        self._drawing = threading.Lock()

    def run_started(self, run: RunStart) -> None:
        """Begins to show a run."""
        graph = run.graph
        self._tally = Tally.of(graph)
        self._names = graph.names
        self._wide = name_columns(self._tally)
        self._running: dict[int, float] = {}
        self._turns: dict[int, str] = {}
        self._ended: deque[NodeRecord] = deque()
        self._recent: deque[NodeRecord] = deque(maxlen=MOST_LINES)
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
        streams = sys.stdout, sys.stderr
        with _GONE:
            self._live.start(refresh=True)
        self._logs = LogsAbove(dict(zip(streams, (sys.stdout, sys.stderr), strict=True)))
        self._drawer.start()

    def node_started(self, index: int) -> None:
        """Notes a node that starts."""
        if self._tally.visible[index]:
            self._running[index] = perf_counter()

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        """Notes a turn of a node in a loop."""
        self._turns[index] = f"{ended:,}/{turns:,}" if turns is not None else f"{ended:,}"

    def node_ended(self, index: int, record: NodeRecord) -> None:
        """Notes a node that ended."""
        if self._tally.visible[index]:
            self._running.pop(index, None)
            self._ended.append(record)

    def run_ended(self, record: RunRecord) -> None:
        """Shows how the run ended."""
        self._stop.set()
        self._drawer.join()
        self._running.clear()
        self._over = record
        self._logs.put_back()
        with _GONE:
            self._live.stop()

    def _draw(self) -> None:
        with _GONE:
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
            self._tally.take(record)
            if record.state == "failed":
                self._failed.append(record)
            self._recent.append(record)

    def _running_line(self, index: int, seconds: float) -> RenderableType:
        name, turns = self._names[index], self._turns.get(index, "")
        spin = self._spinner.render(self._console.get_time())
        mark = spin if isinstance(spin, Text) else Text("*")
        line = Text.assemble(
            "  ", mark, " ", padded_name(name, self._wide), f"{seconds:>9.1f} s", ("   " + turns, "dim")
        )
        return _one_line(line)

    def _bar(self, now: float) -> RenderableType:
        tally = self._tally
        row = Table.grid(padding=(0, 1))
        bar = min(_BAR, self._console.width // 3)
        for width in (1, bar, None, None):
            row.add_column(width=width, no_wrap=True)
        row.add_column()  # what is cut off first where there is no room
        details = "  ".join([f"{now - self._begun:.0f} s", *tally.doing(self._running.copy())])
        failed = tally.states["failed"]
        row.add_row(
            " ",
            ProgressBar(tally.total or 1, tally.done, bar, complete_style="red" if failed else "cyan"),
            Text(f"{tally.done:,}/{tally.total:,}"),
            Text(f"{failed:,} failed" if failed else "", style="bold red"),
            _one_line(Text(details, style="dim")),
        )
        return row

    def _final(self, record: RunRecord) -> RenderableType:
        every = self._tally.total <= _MOST_ROWS
        kept = list(self._recent) if every else self._failed[:MOST_FAILURES]
        style = "bold red" if self._tally.states["failed"] else "bold"
        return Group(*(_ended_line(node, self._wide) for node in kept), Text(summed_up(record), style=style))


class LogsAbove:
    """Handlers of logs that write to the terminal, made to write above the view as long as it is there.

    They were given their stream when logging was set up, so that a stream put in the place of `sys.stderr` misses them.
    """

    def __init__(self, instead: Mapping[TextIO, TextIO]) -> None:
        loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
        handlers = {handler: None for one in loggers if isinstance(one, logging.Logger) for handler in one.handlers}
        self._moved: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []
        for handler in handlers:
            if isinstance(handler, logging.StreamHandler):
                handler = cast("logging.StreamHandler[TextIO]", handler)
                stream = handler.stream
                other = instead.get(stream, stream)
                if other is not stream:
                    handler.setStream(other)
                    self._moved.append((handler, stream))

    def put_back(self) -> None:
        """Gives the handlers their streams again."""
        for handler, stream in self._moved:
            handler.setStream(stream)


def _ended_line(record: NodeRecord, width: int) -> RenderableType:
    mark, style = MARKS[record.state]
    seconds = f"{record.seconds:>9.2f} s" if record.seconds is not None else " " * 11
    line = Text.assemble("  ", (mark, style), " ", padded_name(record.name, width), seconds)
    if record.turns:
        line.append(f"   {counted(record.turns, 'turn')}", style="dim")
    if how := reused(record):
        line.append(f"   {how}", style="dim")
    if record.rows is not None:
        line.append(f"   {counted(record.rows, 'row')}", style="dim")
    if record.state != "succeeded":
        line.append(f"   {record.state}" + (f": {record.reason}" if record.reason else ""), style=style)
    return _one_line(line)


def _one_line(text: Text) -> Text:
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text
