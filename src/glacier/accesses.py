"""What is done to a resource: by a method of its own, or by a function that is given its URI, as their names tell."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

READS = frozenset({"scan", "read", "exists", "list"})
WRITES = frozenset({"write", "sink", "delete", "copy_from", "invoke"})

LISTS = frozenset({"iterdir", "glob", "iglob", "rglob", "walk", "scandir", "listdir"})
"""What gives the files below a path."""

_ASKS = frozenset({"exists", "stat", "lstat", "is_file", "is_dir", "isfile", "isdir", "getsize"})

Besides = Literal["delete", "copy"]
"""To remove objects; to put others' in place, which are staged beside until all are there."""


@dataclass(frozen=True, slots=True)
class Access:
    """What is done to a resource.

    Attributes:
        certain: False where the code does not tell, so that both reading and writing are assumed.
        besides: what it is written by, beyond making and replacing objects: a cloud permits that apart.
        removes: whether it is written by nothing but deleting.
    """

    reads: bool = False
    writes: bool = False
    certain: bool = True
    besides: frozenset[Besides] = frozenset()
    removes: bool = False

    def __or__(self, other: Access) -> Access:
        writers = [one for one in (self, other) if one.writes]
        return Access(
            self.reads or other.reads,
            self.writes or other.writes,
            self.certain and other.certain,
            self.besides | other.besides,
            bool(writers) and all(one.removes for one in writers),
        )


NONE, READ, WRITE = Access(), Access(reads=True), Access(writes=True)
UNKNOWN = Access(reads=True, writes=True, certain=False, besides=frozenset(("delete", "copy")))


def access_by_verb(verb: str) -> Access:
    """Gives what a resource's own method of this name does to it, one of `READS` or `WRITES`."""
    match verb:
        case "delete":
            return Access(writes=True, besides=frozenset(("delete",)), removes=True)
        case "copy_from":
            return Access(writes=True, besides=frozenset(("copy",)))
        case _:
            return READ if verb in READS else WRITE


def access_by_name(name: str, mode: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> Access | None:
    """Gives what a function of this name does to the file it is given, or a method to its path; None if unknown.

    Args:
        name: the function's or method's.
        mode: where `open` has its mode: the second argument of the function, the first of the method.
        keywords: of the call.
    """
    if name in ("unlink", "rename"):
        return access_by_verb("delete")
    if name.startswith(("write", "sink", "to_")) or name == "touch":
        return WRITE
    if name.startswith(("scan", "read")) or name in LISTS | _ASKS:
        return READ
    if name != "open":
        return None
    given = next((keyword.value for keyword in keywords if keyword.arg == "mode"), mode[0] if mode else None)
    text = str(given.value) if isinstance(given, ast.Constant) else "r" if given is None else "r+"
    return Access(reads="r" in text or "+" in text, writes=any(letter in text for letter in "wax+"))
