"""The page of a run in the history."""

from __future__ import annotations

from glacier.history.runs import RecordedRun
from glacier.history.store import History
from glacier.report.page.content import PageData, page_data


def recorded_data(history: History, run: RecordedRun, *, live: str | None = None) -> PageData:
    """Gives what the page of a recorded run shows, beside the run of its pipeline before it.

    Args:
        history: that the run is in.
        run: the run, which may still go on.
        live: where the page asks how the run goes on.

    Raises:
        StorageError: the history cannot be read.
    """
    before = history.before(run)
    return page_data(
        history.graph(run),
        run,
        history.tasks(run),
        previous=None if before is None else (before, history.tasks(before)),
        memory=history.memory(run),
        live=live if run.state == "running" else None,
    )
