"""Which columns of which files the columns of a frame come from; what was written to buckets, with that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    pass

Direct = Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION"]
Indirect = Literal["JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW", "CONDITIONAL"]
How = Direct | Indirect
_RANKS: Mapping[How, int] = {"IDENTITY": 0, "TRANSFORMATION": 1, "AGGREGATION": 2}


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A column of a source that decides what another one holds.

    Attributes:
        source: its index among the sources.
        column: its name there.
        how: how it does: its values are in the other's, or they only choose which are.
        guessed: whether it is only possible: between the two is what a plan does not show, a Python function say.
    """

    source: int
    column: str
    how: How
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Files that a plan scans.

    Attributes:
        paths: as Polars has them.
    """

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the columns of a frame come from.

    Attributes:
        sources: what is scanned.
        columns: for each column those that its values are made of, or chosen by.
        rows: the columns that choose, join, group or order the rows as a whole.
    """

    sources: tuple[Source, ...]
    columns: Mapping[str, tuple[Origin, ...]]
    rows: tuple[Origin, ...]

    def through(self, handed: Mapping[str, Origins | None]) -> Origins:
        """Gives these with those of files that were only written to hand a frame on in place of the files.

        Args:
            handed: for such files, by path, where what they hold comes from, if that is known.
        """
        if not any(source.paths[0] in handed for source in self.sources):
            return self
        sources: list[Source] = []
        before: list[Origins | None] = []
        for source in self.sources:
            known = handed.get(source.paths[0]) if source.paths[0] in handed else _as_is(source, self)
            before.append(known and known._shifted(len(sources)))
            sources += known.sources if known else ()

        def replaced(origins: Iterable[Origin]) -> set[Origin]:
            found: set[Origin] = set()
            for one in origins:
                known = before[one.source]
                for origin in known.columns.get(one.column, ()) if known else ():
                    guessed = origin.guessed or one.guessed
                    found.add(Origin(origin.source, origin.column, later(origin.how, one.how), guessed))
            return found

        columns = {name: tuple(sorted(replaced(origins))) for name, origins in self.columns.items()}
        rows = replaced(self.rows) | {one for known in before if known for one in known.rows}
        return Origins(tuple(sources), columns, tuple(sorted(rows)))

    def _shifted(self, by: int) -> Origins:
        def moved(origins: tuple[Origin, ...]) -> tuple[Origin, ...]:
            return tuple(Origin(one.source + by, one.column, one.how, one.guessed) for one in origins)

        return Origins(self.sources, {name: moved(found) for name, found in self.columns.items()}, moved(self.rows))


def _as_is(source: Source, origins: Origins) -> Origins:
    """Gives a source's own columns, as far as others come from them."""
    at = origins.sources.index(source)
    every = (one for found in (*origins.columns.values(), origins.rows) for one in found if one.source == at)
    return Origins((source,), {one.column: (Origin(0, one.column, "IDENTITY"),) for one in every}, ())


@dataclass(frozen=True, slots=True)
class Published:
    """What a task has written to a bucket.

    Attributes:
        uri: the bucket's.
        format: of its files.
        schema: the columns, and their dtypes as text.
        rows: None where that is not known.
        bytes: of all files on the store.
        files: how many there are.
        origins: where the columns come from; None where Polars does not tell.
    """

    uri: str
    format: str
    schema: Mapping[str, str]
    rows: int | None
    bytes: int
    files: int
    origins: Origins | None


def later(how: How, then: How) -> How:
    """Gives what two steps come to: the stronger of two that make values, or the one that only chooses."""
    if how not in _RANKS:
        return how
    if then not in _RANKS:
        return then
    return max(how, then, key=lambda one: _RANKS[one])
