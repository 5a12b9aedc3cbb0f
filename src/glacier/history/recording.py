"""An observer that writes a run into the history while it goes on; no failure of that ends a run."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from time import perf_counter

from glacier.errors import ConfigError, text_of
from glacier.execution.home import home_of
from glacier.execution.memory import resident_reader
from glacier.execution.record import NodeRecord, RunRecord, RunStart
from glacier.history.database import is_busy, trouble
from glacier.history.inputs import shown_inputs
from glacier.history.logs import TaskLogs
from glacier.history.writer import Details, News, Writer

VARIABLE = "GLACIER_HISTORY"
KEPT = 10_000
"""How many runs are kept where nothing else is said."""

_EVERY = 0.1  # seconds between two writes
_PATIENCE = 2.0  # seconds that a run that is over waits for the lock of another process
_HUNG = 10.0  # seconds after which a disk that does not answer is left alone

_log = logging.getLogger("glacier.history")


def runs_kept() -> int:
    """Gives how many runs `GLACIER_HISTORY` asks to keep; 0 where none is to be recorded.

    Raises:
        ConfigError: it is neither a number nor a word for none.
    """
    stated = os.environ.get(VARIABLE, "").strip().lower()
    if not stated:
        return KEPT
    if stated in ("off", "no", "false"):
        return 0
    if not stated.isdecimal():
        raise ConfigError(
            f"{VARIABLE} is {stated!r}; it takes how many runs to keep",
            fix=f"{VARIABLE}=0 to record none, or leave it out to keep {KEPT:,}",
        )
    return int(stated)


def recording(file: str, inputs: Mapping[str, object], about: Mapping[str, str]) -> Recording | None:
    """Gives what records a run; None where the history is turned off.

    Args:
        file: where the pipeline is written.
        inputs: those of the run.
        about: what else a person may want to know: the executor, the run that it resumes.

    Raises:
        ConfigError: `GLACIER_HISTORY` has no meaning.
    """
    kept = runs_kept()
    return Recording(Details(file, shown_inputs(inputs), about), kept) if kept else None


class Recording:
    """Records one run.

    What the run's threads tell is only noted; a thread of its own writes it, a batch at a time. When the run is over,
    that thread is waited for. If the store fails, that is logged once, as a warning of the logger `glacier.history`.
    """

    def __init__(self, details: Details, kept: int = KEPT) -> None:
        self._details = details
        self._kept = kept
        self._news: deque[tuple[int, News]] = deque()
        self._turned: dict[int, int] = {}
        self._over = threading.Event()
        self._record: RunRecord | None = None
        self._failure: str | None = None

    def run_started(self, run: RunStart) -> None:
        """Starts the thread that writes."""
        self._start = run
        self._logs = TaskLogs(run)
        self._logs.begin()
        self._begun = perf_counter()
        self._thread = threading.Thread(target=self._work, name="glacier-history", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # the interpreter is ending, or there are too many
            self._failure = text_of(error)

    def node_started(self, index: int) -> None:
        """Notes it."""
        if self._failure is None:
            self._news.append((index, perf_counter() - self._begun))

    def turn_ended(self, index: int, ended: int, turns: int | None) -> None:
        """Notes it."""
        del turns
        self._turned[index] = ended

    def node_ended(self, index: int, record: NodeRecord) -> None:
        """Notes it."""
        if self._failure is None:
            self._news.append((index, record))

    def run_ended(self, record: RunRecord) -> None:
        """Waits until all is written, or cannot be."""
        self._logs.end()
        self._record = record
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(_HUNG)
            if self._thread.is_alive():
                self._failure = f"its disk has not answered for {_HUNG:.0f} s"
        if self._failure is not None:
            _log.warning("run %s is not, or not to its end, in the history: %s", record.run_id, self._failure)

    def _work(self) -> None:
        home = None
        try:
            home = home_of(self._details.file)
            with closing(Writer(home, self._start, self._details, self._kept, self._logs.of_task)) as writer:
                self._write(writer)
        except Exception as error:  # noqa: BLE001  # whatever it is, the run goes on, and its end tells it
            self._failure = str(trouble(error, home))
            self._news.clear()

    def _write(self, writer: Writer) -> None:
        given_up = None
        held = resident_reader()
        while True:
            over = self._over.wait(_EVERY)
            if held is not None:
                writer.sample(perf_counter() - self._begun, held())
            writer.take([self._news.popleft() for _ in range(len(self._news))], self._turned.copy())
            try:
                writer.write(self._record if over else None)
            except sqlite3.Error as error:
                given_up = given_up or (perf_counter() + _PATIENCE if over else None)
                if not is_busy(error) or (given_up is not None and perf_counter() > given_up):
                    raise
                time.sleep(_EVERY if over else 0.0)  # some refusals come at once
            else:
                if over:
                    return
