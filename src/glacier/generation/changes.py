"""What a new generation would change of the one before, as a person who reviews it wants to see it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from glacier.generation.folder import Manifest

_BLOCK = re.compile(r'^((?:resource|data) "([^"]+)" "([^"]+)") \{.*?^\}', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Right:
    """What an identity may do: one action in one place."""

    holder: str
    action: str
    scope: str


@dataclass(frozen=True)
class Changes:
    """What would change.

    Attributes:
        added: addresses of declarations that are new.
        removed: addresses of those that go.
        changed: for each declaration that is another one, its lines that go ("-") and come ("+").
        gained: rights that an identity would have and had not.
        lost: rights that it would have no more.
        schedule: before and after, where they differ.
        stages: for each stage that comes, goes or runs on another machine, before and after; None where there is none.
        files: other files whose content changes: code, images, variables.
        edited: files that a person changed, which generating would refuse to overwrite.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] | None = None
    gained: tuple[Right, ...] = ()
    lost: tuple[Right, ...] = ()
    schedule: tuple[str | None, str | None] | None = None
    stages: Mapping[str, tuple[str | None, str | None]] | None = None
    files: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Says whether anything would change."""
        rights = self.gained or self.lost
        return bool(self.added or self.removed or self.changed or rights or self.schedule or self.stages or self.files)

    def __str__(self) -> str:
        """Tells them, what is gained and lost first."""
        if not self:
            return "no changes" + ("" if not self.edited else "\n" + "\n".join(self._edited()))
        lines: list[str] = []
        for sign, title, rights in (("+", "rights gained", self.gained), ("-", "rights lost", self.lost)):
            if rights:
                lines.append(f"{title}:")
                lines += [f"  {sign} {right.holder}: {right.action} on {right.scope}" for right in rights]
        if self.schedule:
            lines.append(f"schedule: {self.schedule[0] or 'none'} -> {self.schedule[1] or 'none'}")
        for name, (before, after) in (self.stages or {}).items():
            lines.append(f"stage {name}: {before or 'none'} -> {after or 'none'}")
        lines += [f"+ {address}" for address in self.added]
        lines += [f"- {address}" for address in self.removed]
        for address, diff in (self.changed or {}).items():
            lines.append(f"~ {address}")
            lines += [f"    {line}" for line in diff]
        lines += [f"~ file {name}" for name in self.files]
        return "\n".join([*lines, *self._edited()])

    def _edited(self) -> Iterator[str]:
        for name in self.edited:
            yield f"! {name} was changed by hand: generating would refuse to overwrite it"

    def to_dict(self) -> dict[str, Any]:
        """Gives them for a machine to read."""
        return {
            "changes": bool(self),
            "added": list(self.added),
            "removed": list(self.removed),
            "changed": {address: list(lines) for address, lines in (self.changed or {}).items()},
            "rights": {
                "gained": [vars(right) for right in self.gained],
                "lost": [vars(right) for right in self.lost],
            },
            "schedule": self.schedule and {"before": self.schedule[0], "after": self.schedule[1]},
            "stages": {
                name: {"before": before, "after": after} for name, (before, after) in (self.stages or {}).items()
            },
            "files": list(self.files),
            "edited": list(self.edited),
        }


def changes(folder: Path, before: Manifest, files: Mapping[str, bytes], summary: Mapping[str, Any]) -> Changes:
    """Compares what a folder holds with what would be generated into it. Writes nothing.

    Args:
        folder: of the generation before.
        before: what was noted then.
        files: what would be written.
        summary: what would be noted.
    """
    contents = {name: _content(folder / name) for name in before.digests}
    old = {name: content for name, content in contents.items() if content is not None}
    old_blocks, new_blocks = _blocks(old), _blocks(files)
    both = [address for address in new_blocks if address in old_blocks]
    had, has = _rights(before.summary), _rights(summary)
    return Changes(
        added=tuple(sorted(new_blocks.keys() - old_blocks.keys())),
        removed=tuple(sorted(old_blocks.keys() - new_blocks.keys())),
        changed={
            address: _difference(old_blocks[address], new_blocks[address])
            for address in sorted(both)
            if old_blocks[address] != new_blocks[address]
        },
        gained=tuple(right for right in has if right not in set(had)),
        lost=tuple(right for right in had if right not in set(has)),
        schedule=_pair(before.summary.get("schedule"), summary.get("schedule")),
        stages=_stages(before.summary.get("stages") or {}, summary.get("stages") or {}),
        files=tuple(sorted(_other_files(old, files))),
        edited=tuple(sorted(_edited(before, old))),
    )


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _blocks(files: Mapping[str, bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, content in files.items():
        if name.endswith(".tf"):
            for match in _BLOCK.finditer(content.decode(errors="replace")):
                prefix = "data." if match[1].startswith("data") else ""
                found[f"{prefix}{match[2]}.{match[3]}"] = match[0]
    return found


def _difference(old: str, new: str) -> tuple[str, ...]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
    return tuple(f"{line[0]} {line[1:].strip()}" for line in lines if not line.startswith(("---", "+++", "@@")))


def _rights(summary: Mapping[str, Any]) -> list[Right]:
    return [Right(*entry) for entry in cast("Sequence[Sequence[str]]", summary.get("permissions") or ())]


def _pair(before: str | None, after: str | None) -> tuple[str | None, str | None] | None:
    return None if before == after else (before, after)


def _stages(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    names = sorted({*before, *after})
    pairs = {name: _pair(before.get(name), after.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair is not None}


def _other_files(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterable[str]:
    """Gives the files without declarations that come, go or change; the README only tells of what is told here."""
    for name in {*old, *new}:
        told = name.endswith(".tf") and name not in ("variables.tf", "versions.tf", "outputs.tf")
        if not told and name != "README.md" and old.get(name) != new.get(name):
            yield name


def _edited(before: Manifest, old: Mapping[str, bytes]) -> Iterable[str]:
    import hashlib

    for name, content in old.items():
        if hashlib.sha256(content).hexdigest() not in before.digests[name]:
            yield name
