"""A run as it goes on: on a terminal, in a notebook, in a log."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console

from glacier.execution.record import Observer
from glacier.report.progress.lines import PlainLines
from glacier.report.progress.terminal import TerminalView


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
    stream: TextIO | None = sys.stderr if file is None else file
    if stream is None:  # as where a program has none, or had it closed before it began
        return PlainLines(None)
    console = Console(file=file, stderr=file is None)
    if file is None and console.is_jupyter:
        from glacier.report.progress.notebook import NotebookView

        return NotebookView()
    if stream.isatty() and not console.is_dumb_terminal:
        return TerminalView(console)
    return PlainLines(stream)
