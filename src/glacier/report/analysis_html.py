"""An analysis as HTML for a notebook: it takes the page's own colours, so that it reads on light and dark."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from glacier.report.fitting import counted

if TYPE_CHECKING:
    from glacier.report.findings import AnalysisDict, TaskName

_MOST = 50
_STYLE = (
    ".glacier-analysis table{border-collapse:collapse;color:inherit;font:inherit;margin:.4em 0 .8em}"
    ".glacier-analysis td,.glacier-analysis th{text-align:left;vertical-align:top;padding:.15em .9em .15em 0;"
    "border-bottom:1px solid rgba(128,128,128,.35);background:none;color:inherit}"
    ".glacier-analysis th{font-weight:600}"
    ".glacier-analysis .quiet{opacity:.65}"
)


def html(content: AnalysisDict) -> str:
    """Gives a fragment with a table of levels, of waits that are not data, of resources, and the warnings.

    >>> content: AnalysisDict = {
    ...     "name": "a<b", "tasks": [], "execution_levels": [], "edges": [],
    ...     "resources": [], "calls": [], "groups": [], "inputs": [], "warnings": [],
    ... }
    >>> "<strong>a&lt;b</strong>" in html(content)
    True
    """
    tasks, levels = len(content["tasks"]), len(content["execution_levels"])
    of = f"{counted(tasks, 'task')} in {counted(levels, 'level')}"
    inputs = [(i["name"], i["type"] or "") for i in content["inputs"]]
    reasons = [(edge["kind"], edge["reason"]) for edge in content["edges"] if edge["kind"] != "data"]
    groups = [(g["name"], ", ".join(g["groups"]), _names(g["tasks"])) for g in content["groups"][: _MOST + 1]]
    resources = [
        (
            r["name"],
            r["group"] or "",
            r["provider"],
            r["uri"],
            _names(r["read_by"], r["uncertain"]),
            _names(r["written_by"] or r["invoked_by"], r["uncertain"]),
        )
        for r in content["resources"][: _MOST + 1]
    ]
    numbered = [
        (str(number), _names(level)) for number, level in enumerate(content["execution_levels"][: _MOST + 1], 1)
    ]
    return (
        f'<div class="glacier-analysis"><style>{_STYLE}</style>'
        f'<div><strong>{escape(content["name"])}</strong> <span class="quiet">{of}</span></div>'
        + _table(("input", "type"), inputs, len(inputs))
        + _table(("level", "tasks"), numbered, levels)
        + _table(("group", "groups in it", "tasks"), groups, len(content["groups"]))
        + _table(("order", "why"), reasons, len(reasons))
        + _table(
            ("resource", "group", "provider", "uri", "read by", "written or invoked by"),
            resources,
            len(content["resources"]),
        )
        + _table(("warnings",), [(warning,) for warning in content["warnings"]], len(content["warnings"]))
        + "</div>"
    )


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]], count: int) -> str:
    if not count:
        return ""
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in list(rows)[:_MOST])
    more = f'<tr><td class="quiet" colspan="{len(titles)}">... and {count - _MOST:,} more</td></tr>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}{more if count > _MOST else ''}</tbody></table>"


def _names(names: list[TaskName], uncertain: Iterable[TaskName] = ()) -> str:
    unsure = set(uncertain)
    beyond = len(names) - _MOST
    shown = ", ".join(f"{name} (perhaps)" if name in unsure else name for name in names[:_MOST])
    return shown + (f" and {beyond:,} more" if beyond > 0 else "")
