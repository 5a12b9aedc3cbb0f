"""A run as one page that needs nothing else: no network, no other file."""

from __future__ import annotations

from glacier.report.page.content import PageData
from glacier.report.page.filling import filled


def page(data: PageData) -> str:
    """Gives a document that shows a run: its graph, time line, memory, tasks, resources, and the run before it.

    Names, code, values and errors are data of the page, not markup: whatever they hold is shown as text.
    """
    return filled("page.html", "page.js", f"{data['run']['pipeline']}: {data['run']['state']}", {**data})
