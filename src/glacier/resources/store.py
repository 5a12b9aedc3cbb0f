"""What a bucket asks of the place that holds its objects: what each provider does in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Literal, NamedTuple, Protocol

from glacier.errors import GlacierError


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """An object that a store holds.

    Attributes:
        path: in the bucket, with "/".
        size: in bytes.
        version: what its store tells this content from any other by that was or will be there; empty where not asked.

    >>> sorted([Entry("b.csv", 3), Entry("a.csv", 9)])[0].path
    'a.csv'
    """

    path: str
    size: int
    version: str = field(default="", compare=False)


class Small(NamedTuple):
    """A small object that was read whole.

    Attributes:
        content: of it.
        version: by which its store knows this content from any other that was or will be there.
    """

    content: bytes
    version: object


End = Literal["first", "last"]
Before = Small | Literal["anything", "nothing"]
"""What must be there for an object to be put: what was read, nothing, or whatever it is."""


class Staged(Protocol):
    """A place beside a path, where Polars writes what no reader sees before it is published."""

    def file(self, path: str) -> str | IO[bytes]:
        """A new place for one file of a tree, or for the file itself (an empty path): a path or something to write to.

        May be called from Polars' threads. What is given is written from its beginning to its end, and never closed.
        """
        ...

    @property
    def takes_bytes(self) -> bool:
        """Whether `file` gives something to write to; else a path on this machine."""
        ...

    @property
    def failure(self) -> GlacierError | None:
        """What the store refused while it was written to; Polars tells of it in words of its own."""
        ...

    def entries(self) -> list[Entry]:
        """What has been written so far, by the paths that it will have."""
        ...

    def checksum(self, block: memoryview, before: int) -> int:
        """Adds bytes to a checksum, of the kind that `arrived` gives."""
        ...

    def arrived(self, path: str) -> tuple[int, int] | None:
        """Completes what `file(path)` gave, and tells size and checksum of what is there.

        It is read back where the store does not tell. None if the store has compared checksums of what it was sent.
        """
        ...

    def publish(self) -> None:
        """Puts what was written in place of what the path held, whole or not at all."""
        ...

    def discard(self) -> None:
        """Removes what was written. May be called twice, and after `publish`."""
        ...


class Store(Protocol):
    """Where objects lie: what a provider does for its buckets.

    A `bucket` is a declared name. A `path` has been checked: relative, with "/", no "..". One that ends in "/" stands
    for all that lies below it.
    """

    @property
    def provider(self) -> str:
        """The provider's name as the user wrote it, `LocalProvider` say."""
        ...

    @property
    def declarer(self) -> object:
        """The provider itself, which knows its region, project or account."""
        ...

    def physical(self, bucket: str) -> str:
        """What the bucket is called where it lies, with the provider's prefix and environment."""
        ...

    def uri(self, bucket: str, path: str) -> str:
        """What Polars and messages call a path; touches nothing."""
        ...

    def reach(self) -> Mapping[str, Any]:
        """The options with which Polars' scans and sinks reach a URI (`storage_options`); never a secret."""
        ...

    def refusal(self, bucket: str, path: str) -> tuple[str, str] | None:
        """Why the store cannot hold such a name, and the fix; None if it can."""
        ...

    def entries(self, bucket: str, path: str) -> Iterator[Entry]:
        """The object `path`, else all objects below it, in any order; not what is staged."""
        ...

    def neighbours(self, bucket: str, path: str) -> tuple[str, str, list[str]]:
        """For a path that is not there: its first missing component, the folder before it, the names in that."""
        ...

    def ends(self, bucket: str, entries: Sequence[Entry], end: End) -> list[bytes]:
        """The first 64 or the last 8 bytes of each object. Of a version that was looked at before, nothing is read."""
        ...

    def blocks(self, bucket: str, entry: Entry) -> Iterator[memoryview]:
        """The content of an object from its beginning, in pieces that fit into memory; of one version of it."""
        ...

    def small(self, bucket: str, path: str) -> Small | None:
        """A small object, whole; None if it is not there."""
        ...

    def put(self, bucket: str, path: str, content: bytes, before: Before = "anything") -> bool:
        """Makes a small object be there, whole; False, and it is left, if what is there is not what it was `before`.

        Of several that put after having read the same, one succeeds.
        """
        ...

    def prepare(self, bucket: str, path: str) -> None:
        """Makes what must be there before others write to the path's URI: folders, where there are such."""
        ...

    @property
    def copies_beside(self) -> bool:
        """Whether the copy of one object is written beside its place first, to be compared there."""
        ...

    @property
    def copies_later(self) -> bool:
        """Whether what was written beside its place may get there later than asked for, so that it is looked at."""
        ...

    def stage(self, bucket: str, path: str, *, for_copy: bool = False) -> Staged:
        """A new temporary place for what is to become `path`; in a copy, files keep names and can be compared."""
        ...

    @property
    def config(self) -> object:
        """How the cloud is to keep the bucket: a config of `glacier.config`, or None."""
        ...

    @property
    def existing(self) -> bool:
        """Whether the bucket is there already and none of Glacier's to create."""
        ...

    def delete(self, bucket: str, paths: Sequence[str], *, below: bool = True) -> None:
        """Removes objects, and all below them unless only they are meant; what is not there is no error."""
        ...

    def sweep(self, bucket: str, path: str) -> None:
        """Removes what interrupted writes left beside and below a path; not what a running one still writes."""
        ...


def summed(blocks: Iterable[memoryview], added: Callable[[memoryview, int], int]) -> tuple[int, int]:
    """Gives size and checksum of what comes in blocks.

    Args:
        blocks: in their order.
        added: adds a block to a checksum.
    """
    size = checksum = 0
    for block in blocks:
        size += len(block)
        checksum = added(block, checksum)
    return size, checksum
