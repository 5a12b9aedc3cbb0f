"""The runs of a project as a page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from glacier.history.runs import RecordedRun
from glacier.report.page.filling import filled


def listing(data: dict[str, object]) -> str:
    """Gives a document that lists runs, and asks its server for what is new."""
    return filled("list.html", "list.js", "Runs", data)


def listing_data(runs: Iterable[RecordedRun], home: Path) -> dict[str, object]:
    """Gives what the list shows.

    Args:
        runs: newest first.
        home: the folder they are recorded in.
    """
    return {"home": str(home), "runs": [run.to_dict() for run in runs]}
