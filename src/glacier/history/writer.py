"""One run's rows in the history: what is new of it, written in one short transaction at a time."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import cast

from glacier.execution.record import NodeRecord, RunRecord, RunStart
from glacier.history.database import connected, keep_open
from glacier.history.graphs import MOST_NODES, graph_info, graph_key, packed
from glacier.history.processes import this_process
from glacier.history.retention import prune
from glacier.history.text import clean, dumped

News = NodeRecord | float
"""How a node ended, or the seconds after which it started."""

_BUSY = 0.25  # seconds that one write waits for the locks of other processes; the next one tries again
_SIGN = 10.0  # seconds between two signs that a run without news still goes on

_BEGIN_RUN = """
    INSERT INTO runs (id, pipeline, file, state, started, tasks, counts, inputs, about, process, seen, graph)
    VALUES (?, ?, ?, 'running', ?, ?, '{}', ?, ?, ?, ?, ?)
"""
_PUT_TASKS = """
    INSERT OR REPLACE INTO tasks (run, node, name, state, started, ended, seconds, rows, turns, reason, groups, more)
    VALUES """
_TASK = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TASKS = 64
"""Rows that one statement writes. At each, Python lets go of its lock; then it has to wait for the run's threads."""
_SHOW_SIGN = "UPDATE runs SET seen = ? WHERE seq = ?"
_END_RUN = "UPDATE runs SET state = ?, seconds = ?, counts = ?, reason = ?, seen = ?, memory = ? WHERE seq = ?"
_PUT_GRAPH = "INSERT OR IGNORE INTO graphs (key, content) VALUES (?, ?)"
_MOST_SAMPLES = 600
"""Of memory; of more, every other one is kept."""

_Row = tuple[object, ...]


@dataclass(frozen=True)
class Details:
    """What is recorded of a run besides how it goes.

    Attributes:
        file: where the pipeline is written.
        inputs: what may be shown of its inputs.
        about: what else a person may want to know, the executor say; versions are added.
    """

    file: str
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    about: Mapping[str, str] = field(default_factory=dict[str, str])


class Writer:
    """Writes a run's rows, all from one thread.

    Args:
        home: the folder of the history.
        start: the run.
        details: what else is recorded of it.
        kept: how many runs the history keeps.
        log_of: gives what a task has logged.
    """

    def __init__(
        self, home: Path, start: RunStart, details: Details, kept: int, log_of: Callable[[str], tuple[str, ...]]
    ) -> None:
        self._home = home
        self._start = start
        self._details = details
        self._kept = kept
        self._log_of = log_of
        self._connection: sqlite3.Connection | None = None
        self._seq: int | None = None
        self._ended: dict[int, NodeRecord] = {}
        self._running: dict[int, float] = {}
        self._turned: Mapping[int, int] = {}
        self._unwritten: set[int] = set()
        self._signed = 0.0
        self._samples: list[tuple[float, int]] = []
        self._graph: tuple[str, bytes | None] | None = None

    def take(self, news: Iterable[tuple[int, News]], turned: Mapping[int, int]) -> None:
        """Takes what is new of nodes; it is kept until it is written.

        Args:
            news: which node ended or started.
            turned: how many turns have ended of each node in a loop over a result.
        """
        for index, new in news:
            if type(new) is NodeRecord:
                self._ended[index] = new
                self._running.pop(index, None)
            else:
                self._running[index] = cast("float", new)
                self._unwritten.add(index)
        self._unwritten.update(index for index, ended in turned.items() if self._turned.get(index) != ended)
        self._turned = turned

    def sample(self, seconds: float, held: int) -> None:
        """Takes how many bytes the process holds, so many seconds after the run began."""
        self._samples.append((round(seconds, 3), held))
        if len(self._samples) > _MOST_SAMPLES:
            del self._samples[1::2]

    def write(self, record: RunRecord | None) -> None:
        """Writes what was taken; nothing is lost if it fails.

        Args:
            record: of the run, once it is over.

        Raises:
            OSError: the folder cannot be made.
            sqlite3.Error: the store cannot be written.
            NewerHistoryError: a newer Glacier has written it.
        """
        now = time.monotonic()
        rows = self._rows()
        if record is None and not rows and self._seq is not None and now - self._signed < _SIGN:
            return
        if self._connection is None:
            self._connection = connected(self._home, timeout=_BUSY)
            keep_open(self._home)
        connection = self._connection
        if self._seq is None and self._graph is None:
            self._graph = self._kept_graph(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            seq = self._seq if self._seq is not None else self._begin(connection)
            _put(connection, seq, rows)
            if record is None:
                connection.execute(_SHOW_SIGN, (_microseconds(), seq))
            else:
                self._end(connection, seq, record)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._seq, self._signed = seq, now
        self._ended.clear()
        self._unwritten.clear()
        if record is not None:
            prune(connection, self._kept)

    def close(self) -> None:
        """Closes the store."""
        if self._connection is not None:
            self._connection.close()

    def _rows(self) -> list[_Row]:
        graph = self._start.graph
        ended = [self._ended_row(i, record) for i, record in self._ended.items() if not graph.nodes[i].hidden]
        running = (i for i in self._unwritten if i in self._running and not graph.nodes[i].hidden)
        return ended + [_running_row(i, graph.names[i], self._running[i], self._turned.get(i)) for i in running]

    def _ended_row(self, index: int, record: NodeRecord) -> _Row:
        return _ended_row(index, record, self._log_of(record.name))

    def _begin(self, connection: sqlite3.Connection) -> int:
        start, graph = self._start, self._start.graph
        row = (
            _clean(start.run_id),
            _clean(graph.name),
            _clean(self._details.file),
            round(start.started.timestamp() * 1e6),
            sum(not node.hidden for node in graph.nodes),
            dumped(self._details.inputs),
            dumped({**self._details.about, **_versions()}),
            dumped(this_process().as_dict()),
            _microseconds(),
            self._graph and self._graph[0],
        )
        if self._graph is not None and self._graph[1] is not None:
            connection.execute(_PUT_GRAPH, self._graph)
        seq = connection.execute(_BEGIN_RUN, row).lastrowid
        assert seq is not None
        return seq

    def _kept_graph(self, connection: sqlite3.Connection) -> tuple[str, bytes | None] | None:
        """Gives the graph's key, and what is kept of it unless that is there already; None where it is too large.

        It takes its time, so no lock is held meanwhile.
        """
        graph = self._start.graph
        if len(graph.nodes) > MOST_NODES:
            return None
        key = graph_key(graph)
        known = connection.execute("SELECT 1 FROM graphs WHERE key = ?", (key,)).fetchone() is not None
        return key, None if known else packed(graph_info(graph))

    def _end(self, connection: sqlite3.Connection, seq: int, record: RunRecord) -> None:
        if self._running:  # what an interrupt left running is told by the record alone
            places = {self._start.graph.names[index]: index for index in self._running}
            left = [self._ended_row(places[node.name], node) for node in record.nodes if node.name in places]
            _put(connection, seq, left)
        counts, reason = dumped(record.counts()), _clean(record.reason)
        memory = dumped(self._samples) if self._samples else None
        connection.execute(_END_RUN, (record.state, record.seconds, counts, reason, _microseconds(), memory, seq))


def _put(connection: sqlite3.Connection, seq: int, rows: Sequence[_Row]) -> None:
    for first in range(0, len(rows), _TASKS):
        several = rows[first : first + _TASKS]
        statement = _PUT_TASKS + ", ".join([_TASK] * len(several))
        connection.execute(statement, [value for row in several for value in (seq, *row)])


def _running_row(index: int, name: str, started: float, turns: int | None) -> _Row:
    return index, _clean(name), "running", started, None, None, None, turns, None, None, None


def _ended_row(index: int, record: NodeRecord, log: tuple[str, ...]) -> _Row:
    return (
        index,
        _clean(record.name),
        record.state,
        record.started,
        record.ended,
        record.seconds,
        record.rows,
        record.turns,
        _clean(record.reason),
        dumped(record.groups) if record.groups else None,
        _more(record, log),
    )


def _more(record: NodeRecord, log: tuple[str, ...]) -> str | None:
    """Gives what few nodes have: several tries, numbers, columns, nothing to do, something to say."""
    more: dict[str, object] = {}
    if record.attempts:
        more["attempts"] = [asdict(attempt) for attempt in record.attempts]
    if record.measures is not None:
        more["measures"] = {"measured": dict(record.measures.measured), "told": dict(record.measures.told)}
    if record.failed_turns:
        more["failed_turns"] = [(turn.items, turn.error) for turn in record.failed_turns]
    if record.cached:
        more["cached"] = record.cached
    if record.resumed:
        more["resumed"] = record.resumed
    if record.columns:
        more["columns"] = record.columns
    if log:
        more["log"] = log
    return dumped(more) if more else None


def _clean(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _microseconds() -> int:
    return time.time_ns() // 1_000


@cache
def _versions() -> dict[str, str]:
    told = {name: version(package) for name, package in (("glacier", "glacier-pipelines"), ("polars", "polars"))}
    return {**told, "python": platform.python_version()}
