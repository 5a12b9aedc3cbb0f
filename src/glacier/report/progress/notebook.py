"""A run in a notebook: HTML that is replaced as the run goes on. No widgets, so it is kept with the notebook."""

from __future__ import annotations

import threading
from html import escape
from importlib import import_module
from time import perf_counter
from typing import Any

from glacier.execution.record import NodeRecord, RunRecord, RunStart
from glacier.report.progress.tally import MOST_FAILURES, Tally, reused, summed_up

_REFRESHES = 4  # per second
_MOST_RUNNING = 12
_MOST_ENDED = 60
_COLOURS = {"succeeded": "#1e7f4b", "failed": "#c4372b", "skipped": "#b07a10", "cancelled": "#777", "waiting": "#777"}
_STYLE = "font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 13px; line-height: 1.5"


class NotebookView:
    """The view in a notebook. The run's threads only note what happens; a thread of its own shows it."""

    def __init__(self) -> None:
        self._display: Any = import_module("IPython.display")

    def run_started(self, run: RunStart) -> None:
        """Begins to show a run."""
        self._tally = Tally.of(run.graph)
        self._names = run.graph.names
        self._running: dict[int, float] = {}
        self._ended: list[NodeRecord] = []
        self._lock = threading.Lock()
        self._begun = perf_counter()
        self._stop = threading.Event()
        self._handle = self._display.display(self._display.HTML(self._html()), display_id=True)
        self._drawer = threading.Thread(target=self._draw, name="glacier-progress", daemon=True)
        self._drawer.start()

    def node_started(self, index: int) -> None:
        """Notes a node that starts."""
        if self._tally.visible[index]:
            with self._lock:
                self._running[index] = perf_counter()

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        """Notes a turn of a node in a loop."""

    def node_ended(self, index: int, record: NodeRecord) -> None:
        """Notes a node that ended."""
        if self._tally.visible[index]:
            with self._lock:
                self._running.pop(index, None)
                self._tally.take(record)
                self._ended.append(record)

    def run_ended(self, record: RunRecord) -> None:
        """Shows how the run ended."""
        self._stop.set()
        self._drawer.join()
        self._running.clear()
        self._show(self._html(record))

    def _draw(self) -> None:
        while not self._stop.wait(1 / _REFRESHES):
            self._show(self._html())

    def _show(self, html: str) -> None:
        self._handle.update(self._display.HTML(html))

    def _html(self, over: RunRecord | None = None) -> str:
        with self._lock:
            running = sorted(self._running.items(), key=lambda item: item[1])
            ended = [*self._ended]
        tally, now = self._tally, perf_counter()
        failed = tally.states["failed"]
        told = summed_up(over) if over else f"{tally.done:,} of {tally.total:,}, {now - self._begun:.0f} s"
        beside = [] if over else [*tally.doing(index for index, _ in running)]
        lines = [
            f'<progress max="{max(tally.total, 1)}" value="{tally.done}"></progress> '
            f"{' · '.join(escape(one) for one in (told, *beside))}",
            *(_ended_line(record) for record in _worth_showing(ended, whole=over is not None)),
            *(
                f'<span style="color: #2f5fc4">▶ {escape(self._names[index])}</span> {now - since:.1f} s'
                for index, since in running[:_MOST_RUNNING]
            ),
        ]
        if len(running) > _MOST_RUNNING:
            lines.append(f"and {len(running) - _MOST_RUNNING:,} more running")
        edge = "#c4372b" if failed else "#2f5fc4"
        return f'<div style="{_STYLE}; border-left: 3px solid {edge}; padding-left: 10px">{"<br>".join(lines)}</div>'


def _worth_showing(ended: list[NodeRecord], *, whole: bool) -> list[NodeRecord]:
    """Gives the last few of those that ended; at the end all of them, or of many those that failed."""
    if not whole:
        return ended[-6:]
    return ended if len(ended) <= _MOST_ENDED else [one for one in ended if one.state == "failed"][:MOST_FAILURES]


def _ended_line(record: NodeRecord) -> str:
    mark = {"succeeded": "✓", "failed": "✗"}.get(record.state, "–")  # noqa: RUF001  # a dash: it did not run
    parts = [f'<span style="color: {_COLOURS.get(record.state, "#777")}">{mark} {escape(record.name)}</span>']
    if record.seconds is not None:
        parts.append(f"{record.seconds:.2f} s")
    if record.rows is not None:
        parts.append(f"{record.rows:,} rows")
    if how := reused(record):
        parts.append(how)
    if record.state != "succeeded":
        parts.append(escape(f"{record.state}: {record.reason}" if record.reason else record.state))
    return "  ".join(parts)
