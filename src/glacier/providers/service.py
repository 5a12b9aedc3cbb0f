"""What each cloud's object store has of its own; all else they have in common."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from zlib import crc32

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client


class Sums(Protocol):
    """How what a service holds is compared with what it was sent."""

    def added(self, block: memoryview, before: int) -> int:
        """Adds bytes to a checksum: of the kind that `stored` tells, where it tells any."""
        ...

    def stored(self, container: str, key: str) -> tuple[int, int] | None:
        """What the service itself says of an object: size and checksum; None if it does not, and it is to be read."""
        ...


class ReadBack:
    """By reading all of it again: the service keeps no checksum."""

    def added(self, block: memoryview, before: int) -> int:
        """Adds to a CRC-32."""
        return crc32(block, before)

    def stored(self, container: str, key: str) -> None:
        """Tells nothing."""


class Service(Hashable, Protocol):
    """What one cloud's object store has of its own. Frozen, so that clients are made once for each.

    Attributes:
        title: the service's name as people know it.
        credentials: where credentials are looked for, in a sentence.
        variables: what the names of the environment's variables begin with that clients heed.
        copies_later: whether it may answer that it copies before it has; until then what is copied looks empty.
        lists_in_order: whether lists are in the order of keys for certain, so that one can begin behind a key.
    """

    title: ClassVar[str]
    credentials: ClassVar[str]
    variables: ClassVar[tuple[str, ...]]
    copies_later: ClassVar[bool]
    lists_in_order: ClassVar[bool]

    @property
    def provider(self) -> str:
        """The provider's name as the user wrote it."""
        ...

    @property
    def timeout(self) -> float:
        """For how many seconds a silent server is waited for, each time."""
        ...

    @property
    def declarer(self) -> object:
        """The provider itself."""
        ...

    def physical(self, name: str) -> str:
        """What a declared bucket is called in the cloud."""
        ...

    def refusal(self, name: str, declared: str) -> tuple[str, str] | None:
        """Why the cloud cannot have a bucket of this name, and the fix in what the user declared; None if it can."""
        ...

    def uri(self, container: str, key: str) -> str:
        """What Polars calls an object."""
        ...

    def reach(self) -> Mapping[str, Any]:
        """What Polars' scans need besides: never a secret."""
        ...

    def client(self, container: str, config: Any, *, retries: int) -> Client:
        """Makes a client for one bucket, which makes failed requests so many times again; connects to nothing."""
        ...

    def probe(self, client: Client, container: str, key: str) -> str:
        """The address of an object, for a HEAD request that tells how the service is; signed where that is for free."""
        ...

    @property
    def sums(self) -> Sums | None:
        """How what arrived is compared; None if it compares checksums of what it is sent, as the client asks it to."""
        ...

    def attributes(self, config: Any) -> dict[str, str]:
        """What is said of each object that is written."""
        ...
