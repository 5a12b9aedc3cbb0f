"""A run as lines that a log keeps."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import TextIO

from glacier.execution.record import NodeRecord, RunRecord, RunStart
from glacier.report.fitting import counted
from glacier.report.progress.tally import MOST_FAILURES, MOST_LINES, Tally, name_columns, padded_name, reused, summed_up


class PlainLines:
    """The view elsewhere: lines that a log keeps. Of more than 200 nodes, the failures and now and then a sum.

    Args:
        stream: where they are written; None for nowhere.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def run_started(self, run: RunStart) -> None:
        """Begins to show a run."""
        graph = run.graph
        self._tally = Tally.of(graph)
        self._each = self._tally.total <= MOST_LINES
        self._wide = name_columns(self._tally)
        self._begun = self._told = perf_counter()
        self._told_at = 0

    def node_started(self, index: int) -> None:
        """Notes a node that starts."""

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        """Notes a turn of a node in a loop."""

    def node_ended(self, index: int, record: NodeRecord) -> None:
        """Notes a node that ended."""
        tally = self._tally
        if not tally.visible[index]:
            return
        with self._lock:
            tally.take(record)
            failed = record.state == "failed" and tally.states["failed"] <= MOST_FAILURES
            if self._each or failed:
                self._write(_plain_line(record, self._wide))
            elif tally.done < tally.total:
                self._tell_sum(perf_counter())

    def run_ended(self, record: RunRecord) -> None:
        """Shows how the run ended."""
        with self._lock:
            self._write(summed_up(record))

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
        """Writes a line; in an encoding that lacks some of its characters, with `?` for them.

        Once a line cannot be written, none is any more: the disk is full, or who read the pipe has gone.
        """
        if self._stream is None:
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # the latter where it was closed
            self._stream = None


def _plain_line(record: NodeRecord, width: int) -> str:
    parts = ["  " + padded_name(record.name, width)]
    if record.state != "succeeded":
        parts.append(record.state)
    if record.turns:
        parts.append(counted(record.turns, "turn"))
    if how := reused(record):
        parts.append(how)
    if record.seconds is not None:
        parts.append(f"{record.seconds:.2f} s")
    if record.rows is not None:
        parts.append(counted(record.rows, "row"))
    if record.reason:
        parts.append(record.reason)
    return "   ".join(parts)
