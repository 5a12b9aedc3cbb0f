"""A document, its style, its script and its data made one file. None of the data is markup."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files


def filled(document: str, script: str, title: str, data: Mapping[str, object]) -> str:
    """Gives a document that needs no other file.

    Args:
        document: the file that has a place for each of the parts.
        script: the file of the script.
        title: of the document.
        data: what the script shows; ready for `json.dumps`.
    """
    here = files("glacier.report.page")
    texts = {kind: (here / name).read_text("utf-8") for kind, name in (("style", "page.css"), ("script", script))}
    parts = {**texts, "title": escape(title), "data": _inert(data)}
    return re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], (here / document).read_text("utf-8"))


def _inert(data: Mapping[str, object]) -> str:
    """Gives JSON that no parser of HTML takes for the end of its element, or for anything else."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
