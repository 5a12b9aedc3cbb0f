"""A run as one page that needs nothing else: no network, no other file."""

from __future__ import annotations

import json
import re
from html import escape
from importlib.resources import files

from glacier.report.page.content import PageData


def page(data: PageData) -> str:
    """Gives a document that shows a run: its graph, time line, memory, tasks, resources, and the run before it.

    Names, code, values and errors are data of the page, not markup: whatever they hold is shown as text.
    """
    here = files("glacier.report.page")
    document, style, script = ((here / f"page.{kind}").read_text("utf-8") for kind in ("html", "css", "js"))
    title = f"{data['run']['pipeline']}: {data['run']['state']}"
    filled = {"title": escape(title), "style": style.strip(), "script": script.strip(), "data": _inert(data)}
    return re.sub(r"{{(\w+)}}", lambda found: filled[found[1]], document)


def _inert(data: PageData) -> str:
    """Gives JSON that no parser of HTML takes for the end of its element, or for anything else."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
