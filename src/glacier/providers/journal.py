"""How many objects become visible as one: a note that says which are new and which are old, until all is done.

Readers that list a tree see the note. While it says `publishing`, they pass over the new objects; once it says
`published`, over the old ones. So the tree changes in the moment in which one small object is overwritten, and whoever
finds a note that its writer left behind can tell how to end the work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from glacier.providers import leftovers

NAME = "journal"


@dataclass(frozen=True)
class Journal:
    """What a writer is about to do to a tree.

    Attributes:
        state: which of the two sets counts.
        new: paths that were not there before; names are never used again, so nobody else writes them.
        old: paths that are to go.

    >>> note = Journal("publishing", ("a-2.csv",), ("a-1.csv",))
    >>> Journal.loads(note.dumps()) == note
    True
    """

    state: Literal["publishing", "published"]
    new: tuple[str, ...]
    old: tuple[str, ...]

    @property
    def hidden(self) -> tuple[str, ...]:
        """The paths that readers pass over, and that are deleted if the writer is gone."""
        return self.new if self.state == "publishing" else self.old

    def dumps(self) -> bytes:
        """Gives it as an object's content."""
        return json.dumps({"state": self.state, "new": self.new, "old": self.old}).encode()

    @classmethod
    def loads(cls, content: bytes) -> Journal:
        """Reads what `dumps` gave."""
        fields = json.loads(content)
        return cls(fields["state"], tuple(fields["new"]), tuple(fields["old"]))


def staged_folder(path: str) -> str | None:
    """Gives the staged folder that a path lies in, with "/" at its end; None for data.

    >>> staged_folder("day/.glacier-1-2-3.tmp/k=1/0.csv"), staged_folder("day/a.csv")
    ('day/.glacier-1-2-3.tmp/', None)
    """
    if leftovers.PREFIX not in path:  # as most are
        return None
    found = re.match(rf"(.*?/)?{leftovers.FORM}(/|$)", path)
    return found[0] if found else None


def journals_in(paths: Iterable[str]) -> list[str]:
    """Gives the paths that are notes of writers."""
    return [path for path in paths if (folder := staged_folder(path)) and path == folder + NAME]
