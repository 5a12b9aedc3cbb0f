"""Places where objects lie, as a tree by path: a node meets only those above its own, itself and those below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(slots=True, eq=False)
class Place:
    """What has happened so far at one URI (a path, a folder or a glob), in running order."""

    uri: str
    parts: list[str]
    glob: list[str] | None
    folder: bool = False
    inner: dict[str, Place] = field(default_factory=dict[str, "Place"])
    writers: list[int] = field(default_factory=list[int])
    readers: list[int] = field(default_factory=list[int])
    checks: list[int] = field(default_factory=list[int])
    pending: list[int] = field(default_factory=list[int])
    globs: dict[str, Place] = field(default_factory=dict[str, "Place"])

    def meets(self, other: Place) -> bool:
        """Whether an object could lie in both, where at least one is a glob; two wildcards count as meeting."""
        if self.glob:
            return _could_match(self.glob, other.glob or other.parts, below=other.folder)
        return not other.glob or _could_match(other.glob, self.parts, below=self.folder)

    def forget(self) -> None:
        """Drops what the writing of a whole path supersedes; a glob, of unknown extent, supersedes only itself."""
        self.writers, self.readers, self.checks, self.pending = [], [], [], []
        if self.glob is None:
            self.inner.clear()
            self.globs.clear()


class Places:
    """All places that the nodes of a graph touch."""

    def __init__(self) -> None:
        self.root = Place("", [], None)

    def at(self, uri: str) -> Place:
        """Gives the place of `uri` in the tree: a glob stands in the folder where its first wildcard is."""
        place, parts = self.root, uri.rstrip("/").split("/")
        for depth, part in enumerate(parts):
            if _is_wild(part):
                return place.globs.setdefault(uri, Place(uri, parts[:depth], parts))
            below = place.inner.get(part)
            if below is None:
                below = place.inner[part] = Place("/".join(parts[: depth + 1]), parts[: depth + 1], None)
            place = below
        place.folder = place.folder or uri.endswith("/")
        return place

    def meeting(self, place: Place) -> Iterator[Place]:
        """Gives the places an object of `place` could also lie in: above it, itself, all below it, globs on the way."""
        at = self.root
        for part in place.parts:
            yield from (glob for glob in at.globs.values() if glob.meets(place))
            yield at
            at = at.inner[part]
        pending = [at]
        while pending:
            below = pending.pop()
            if below is at or place.meets(below):
                yield below
            yield from (glob for glob in below.globs.values() if glob.meets(place))
            pending.extend(below.inner.values())


def _could_match(glob: Sequence[str], path: Sequence[str], *, below: bool) -> bool:
    """Whether a path or glob, or what is below it if that counts, could match; `**` spans components, `*` does not."""
    if not path:
        return below or all(part == "**" for part in glob)
    if not glob:
        return all(part == "**" for part in path)
    if glob[0] == "**" or path[0] == "**":
        return _could_match(glob[1:], path, below=below) or _could_match(glob, path[1:], below=below)
    alike = (_is_wild(glob[0]) and _is_wild(path[0])) or fnmatchcase(path[0], glob[0]) or fnmatchcase(glob[0], path[0])
    return alike and _could_match(glob[1:], path[1:], below=below)


def _is_wild(part: str) -> bool:
    return any(wildcard in part for wildcard in "*?[")
