"""Buckets in an object store: what S3, Google Cloud Storage and Azure Blob have in common, over one client library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import repeat
from typing import Any

from glacier.errors import AccessDenied, MissingExtra
from glacier.providers import leftovers
from glacier.providers.container import Container
from glacier.providers.journal import staged_folder
from glacier.providers.service import Service
from glacier.providers.staged import AT_ONCE, StagedObject, StagedTree
from glacier.resources.store import Before, End, Entry, Small

_KEY_BYTES = 1024
"""Of an object's name: the documented limit of S3 and Cloud Storage, in UTF-8; Azure's is 1,024 characters."""


@dataclass(frozen=True)
class ObjectStore:
    """The buckets of one cloud, as `Bucket` uses them.

    Attributes:
        service: which cloud.
        config: how it is to keep the bucket.
        existing: whether the bucket is there already, under just the declared name.
    """

    service: Service
    config: Any = field(default=None, compare=False)
    existing: bool = False

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.service.provider

    @property
    def declarer(self) -> object:
        """The provider itself."""
        return self.service.declarer

    def physical(self, bucket: str) -> str:
        """Gives the name with prefix and environment; of an existing bucket the name as it was declared."""
        return bucket if self.existing else self.service.physical(bucket)

    def uri(self, bucket: str, path: str) -> str:
        """Gives what Polars calls the path; the top ends in "/"."""
        return self.service.uri(self.physical(bucket), "" if path == "./" else path)

    def reach(self) -> Mapping[str, Any]:
        """Gives region, endpoint and time limits; credentials come from the environment or a provider of them."""
        return self.service.reach()

    def refusal(self, bucket: str, path: str) -> tuple[str, str] | None:
        """Refuses names that the cloud does not allow."""
        size = len(path.encode())
        if size > _KEY_BYTES:
            return (
                f"path `{path[:40]}...` of bucket `{bucket}` has {size:,} bytes, and {self.service.title} holds "
                f"{_KEY_BYTES:,} in a name",
                "shorten it",
            )
        return self.service.refusal(self.physical(bucket), bucket)

    def entries(self, bucket: str, path: str) -> Iterator[Entry]:
        """Gives the object, else all below it as the last published writes left them."""
        container = self._container(bucket)
        if not path.endswith("/"):
            found = container.found(path)
            if found is not None:
                yield found
                return
        yield from container.visible("" if path == "./" else path.rstrip("/") + "/")

    def neighbours(self, bucket: str, path: str) -> tuple[str, str, list[str]]:
        """Gives the first missing component, the prefix before it, and the names below that."""
        container = self._container(bucket)
        top = ""
        for part in path.rstrip("/").split("/"):
            names = container.names(top)
            if part not in names or part == ".":
                return ("" if part == "." else part), container.uri(top).rstrip("/"), names
            top += part + "/"
        return "", container.uri(top).rstrip("/"), container.names(top)

    def ends(self, bucket: str, entries: Sequence[Entry], end: End) -> list[bytes]:
        """Reads the first 64 or the last 8 bytes, of many objects at a time."""
        container = self._container(bucket)
        if len(entries) == 1:
            return [container.end(entries[0], end)]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(container.end, entries, repeat(end)))

    def blocks(self, bucket: str, entry: Entry) -> Iterator[memoryview]:
        """Reads ranges of 8 MiB, some ahead, all of one version."""
        return self._container(bucket).blocks(entry)

    def small(self, bucket: str, path: str) -> Small | None:
        """Reads it in one request, which tells its version too."""
        return self._container(bucket).small(path)

    def put(self, bucket: str, path: str, content: bytes, before: Before = "anything") -> bool:
        """Puts it in one request, with the store's own condition."""
        return self._container(bucket).put_after(path, content, before)

    def prepare(self, bucket: str, path: str) -> None:
        """Does nothing: there are no folders to make."""

    @property
    def copies_beside(self) -> bool:
        """Tells it: what a store does not compare while it takes it is compared before it is published."""
        return self.service.sums is not None

    @property
    def copies_later(self) -> bool:
        """Tells what the service says."""
        return self.service.copies_later

    def stage(self, bucket: str, path: str, *, for_copy: bool = False) -> StagedObject | StagedTree:
        """Gives a place for an object, or for a tree; what is compared before it is published needs one too."""
        container = self._container(bucket)
        if path.endswith("/") or (for_copy and self.copies_beside):
            return StagedTree(container, path, for_copy=for_copy)
        return StagedObject(container, path)

    def delete(self, bucket: str, paths: Sequence[str], *, below: bool = True) -> None:
        """Removes objects, and all below them if that is meant, a thousand a request where the store can."""
        container = self._container(bucket)
        container.delete_objects([key for path in paths for key in container.keys_of(path)] if below else [*paths])

    def sweep(self, bucket: str, path: str) -> None:
        """Ends or undoes what writers that are gone left half done, and removes what they staged.

        An identity that writes single objects may not list their folder, and leaves it to one that writes all of it.
        """
        container = self._container(bucket)
        folder = path if path.endswith("/") else path[: path.rfind("/") + 1]
        staged: dict[str, float] = {}
        with suppress(AccessDenied):
            for entry, when in container.raw("" if folder == "./" else folder):
                if (place := staged_folder(entry.path)) is not None:
                    staged[place] = max(staged.get(place, 0.0), when)
        for place, newest in staged.items():
            if leftovers.is_stale(place.rstrip("/").rsplit("/", 1)[-1], newest):
                container.settle(place)

    def _container(self, bucket: str) -> Container:
        """Gives what does the work.

        Raises:
            MissingExtra: if the client library is not installed.
        """
        try:
            import_module("obstore")
        except ImportError:
            raise MissingExtra(
                f"buckets of {self.provider} need obstore, which is not installed",
                fix="pip install 'glacier-pipelines[cloud]'",
            ) from None
        return Container(self.service, self.physical(bucket), self.config)
