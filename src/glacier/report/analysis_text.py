"""An analysis as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING

from glacier.report.fitting import columns, counted, cut, padded, printable, shortened

if TYPE_CHECKING:
    from glacier.report.findings import AnalysisDict, CallInfo, GroupInfo, ResourceInfo, TaskName

_MOST_TASKS = 100
"""A text or page of more tasks than these shows calls of one task in a level as one line."""
_MOST_LINES = 20
_NARROWEST = 24
"""A column narrower than this is not wrapped: its text is cut at the end of the line."""


def text(content: AnalysisDict, width: int) -> str:
    """Gives a report at most `width` columns wide; long lists end in "... and N more"."""
    return _Report(content, width).text()


@dataclass
class _Report:
    """The text of an analysis, line by line, at most `width` columns wide."""

    content: AnalysisDict
    width: int
    lines: list[str] = field(default_factory=list[str])

    def text(self) -> str:
        content = self.content
        tasks, levels = len(content["tasks"]), len(content["execution_levels"])
        self._add(f"{content['name']}: {counted(tasks, 'task')} in {counted(levels, 'level')}")
        if content["inputs"]:
            typed = [f"{i['name']}: {i['type']}" if i["type"] else i["name"] for i in content["inputs"]]
            self._add("inputs   " + ", ".join(typed))
        self._add_levels()
        self._add_groups()
        reasons = [edge["reason"] for edge in content["edges"] if edge["kind"] != "data"]
        self._section("order that no value explains", reasons)
        self._add_resources()
        self._section("warnings", content["warnings"])
        return "\n".join(self.lines)

    def _add(self, line: str) -> None:
        self.lines.append(cut(line, self.width))

    def _add_levels(self) -> None:
        waits: dict[str, list[str]] = {}
        for edge in self.content["edges"]:
            sources = waits.setdefault(edge["to"], [])
            if edge["from"] not in sources[-1:]:
                sources.append(edge["from"])
        rows: list[tuple[str, ...]] = []
        levels = _levels(self.content)
        for number, calls in enumerate(levels[:_MOST_LINES]):
            for place, cells in enumerate(_call_lines(calls, len(self.content["tasks"]), waits)):
                rows.append((f"level {number + 1}" if place == 0 else "", *cells))
        if rows:
            self.lines.append("")
        for line in _columns(rows, self.width):
            self._add(line)
        if len(levels) > _MOST_LINES:
            self._add(f"... and {counted(len(levels) - _MOST_LINES, 'more level')}")

    def _add_groups(self) -> None:
        groups = self.content["groups"]
        depths: dict[str | None, int] = {None: -1}
        rows: list[tuple[str, ...]] = []
        for group in groups[:_MOST_LINES]:
            depth = depths[group["name"]] = depths[group["parent"]] + 1
            name = group["name"].removeprefix(f"{group['parent']}/")
            tasks = [task.removeprefix(f"{group['name']}/") for task in group["tasks"]]
            rows.append(("  " * depth + name, _site(group), _some(tasks)))
        if rows:
            self.lines += ["", "groups"]
        for line in _columns(rows, self.width - 2):
            self._add("  " + line)
        if len(groups) > _MOST_LINES:
            self._add(f"  ... and {len(groups) - _MOST_LINES:,} more")

    def _add_resources(self) -> None:
        resources = self.content["resources"]
        rows = list(_resource_lines(resources[:_MOST_LINES]))
        if rows:
            self.lines += ["", "resources"]
        for line in _columns(rows, self.width - 2):
            self._add("  " + line)
        if len(resources) > _MOST_LINES:
            self._add(f"  ... and {len(resources) - _MOST_LINES:,} more")

    def _section(self, title: str, lines: list[str]) -> None:
        if not lines:
            return
        self.lines += ["", title]
        for line in lines[:_MOST_LINES]:
            self.lines += wrap(printable(line), self.width, initial_indent="  ", subsequent_indent="      ")
        beyond = len(lines) - _MOST_LINES
        if beyond > 0:
            self._add(f"  ... and {beyond:,} more")


def _levels(content: AnalysisDict) -> list[list[CallInfo]]:
    levels: list[list[CallInfo]] = [[] for _ in content["execution_levels"]]
    for call in content["calls"]:
        levels[call["level"]].append(call)
    return levels


def _call_lines(calls: list[CallInfo], total: int, waits: Mapping[str, list[str]]) -> Iterator[tuple[str, ...]]:
    """Gives name, site and what is waited for; in a large pipeline, one line for all calls of a task in this level."""
    if total <= _MOST_TASKS:
        for call in calls:
            sources = waits.get(call["name"])
            yield call["name"], _site(call), f"after {_some(sources)}" if sources else ""
        return
    by_task: dict[str, list[CallInfo]] = {}
    for call in calls:
        by_task.setdefault(call["task"], []).append(call)
    for task, same in list(by_task.items())[:_MOST_LINES]:
        yield (
            (same[0]["name"] if len(same) == 1 else f"{task} × {len(same):,}"),
            _site(same[0]),
            "",
        )  # the sign for "times"
    if len(by_task) > _MOST_LINES:
        yield f"... and {len(by_task) - _MOST_LINES:,} more", "", ""


def _resource_lines(resources: list[ResourceInfo]) -> Iterator[tuple[str, ...]]:
    """Gives name, provider, URI and use of each resource; those of a composite together, below its name."""
    by_group: dict[str | None, list[ResourceInfo]] = {}
    for place, info in enumerate(resources):
        by_group.setdefault(info["group"] or f" {place}", []).append(info)
    for group, same in by_group.items():
        grouped = same[0]["group"] is not None
        if grouped:
            yield str(group), "", "", ""
        for info in same:
            yield f"{'  ' if grouped else ''}{info['name']}", info["provider"], info["uri"], _touched(info)


def _site(call: CallInfo | GroupInfo) -> str:
    return f"{call['file']}:{call['line']}"


def _columns(rows: Iterable[tuple[str, ...]], width: int) -> list[str]:
    """Gives lines with each column as wide as its widest cell, at most 40 % of `width`; the last is wrapped."""
    most = max(width * 2 // 5, 12)
    table = [([shortened(cell, most) for cell in row[:-1]], printable(row[-1])) for row in rows]
    widths = [max(map(columns, column)) for column in zip(*(cells for cells, _ in table), strict=True)]
    indent = sum(widths) + 3 * len(widths)
    lines: list[str] = []
    for cells, last in table:
        head = "".join(padded(cell, wide) + "   " for cell, wide in zip(cells, widths, strict=True))
        wrapped = wrap(last, width - indent) if width - indent >= _NARROWEST else [last]
        lines.append((head + (wrapped[0] if wrapped else "")).rstrip())
        lines += [" " * indent + line for line in wrapped[1:]]
    return lines


def _touched(info: ResourceInfo) -> str:
    unsure = set(info["uncertain"])
    parts = [
        ("read by", [name for name in info["read_by"] if name not in unsure]),
        ("written by", [name for name in info["written_by"] if name not in unsure]),
        ("invoked by", [name for name in info["invoked_by"] if name not in unsure]),
        ("perhaps invoked by" if info["invoked_by"] else "perhaps read and written by", info["uncertain"]),
    ]
    return "; ".join(f"{verb} {_some(names)}" for verb, names in parts if names)


def _some(names: list[TaskName] | list[str], most: int = 4) -> str:
    beyond = len(names) - most
    return ", ".join(names[:most]) + (f" and {beyond:,} more" if beyond > 0 else "")
