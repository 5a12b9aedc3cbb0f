"""Buckets in an object store: what S3, Google Cloud Storage and Azure Blob have in common, over one client library."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from glacier.errors import AccessDenied, MissingExtra, ObjectNotFound, StorageError
from glacier.providers import leftovers
from glacier.providers.faults import Asked, Verb, told
from glacier.providers.journal import Journal, journals_in, staged_folder
from glacier.providers.staged import AT_ONCE, StagedObject, StagedTree
from glacier.providers.uploads import Upload
from glacier.resources.store import Before, Entry, Small

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore as Client

_BLOCK_BYTES = 8 * 1024 * 1024
_BLOCKS_AHEAD = 4
_PAGE = 1000
_RELISTED = 5
_COPIED_AT_ONCE_BYTES = 5 * 1024**3
"""The largest object that S3 copies in one request; larger ones go through this machine, in parts."""
_HEAD_BYTES, _TAIL_BYTES = 64, 8
_KEY_BYTES = 1024
"""Of an object's name: the documented limit of S3 and Cloud Storage, in UTF-8; Azure's is 1,024 characters."""


class Service(Hashable, Protocol):
    """What one cloud's object store has of its own. Frozen, so that clients are made once for each.

    Attributes:
        title: the service's name as people know it.
        credentials: where credentials are looked for, in a sentence.
        checks: whether it compares checksums of what it is sent, as the client asks it to.
    """

    title: ClassVar[str]
    credentials: ClassVar[str]
    checks: ClassVar[bool]

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

    def client(self, container: str, config: Any) -> Client:
        """Makes a client for one bucket; connects to nothing."""
        ...

    def attributes(self, config: Any) -> dict[str, str]:
        """What is said of each object that is written."""
        ...


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

    def ends(self, bucket: str, entries: Sequence[Entry]) -> list[tuple[bytes, bytes]]:
        """Reads the first 64 and the last 8 bytes, of many objects at a time."""
        container = self._container(bucket)
        if len(entries) == 1:
            return [container.ends(entries[0])]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(container.ends, entries))

    def blocks(self, bucket: str, entry: Entry) -> Iterator[bytes]:
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

    def stage(self, bucket: str, path: str, *, for_copy: bool = False) -> StagedObject | StagedTree:
        """Gives a place for an object, or for a tree."""
        container = self._container(bucket)
        if for_copy or path.endswith("/"):
            return StagedTree(container, path, for_copy=for_copy)
        return StagedObject(container, path)

    def delete(self, bucket: str, paths: Sequence[str]) -> None:
        """Removes objects and all below them, a thousand a request where the store can."""
        container = self._container(bucket)
        container.delete_objects([key for path in paths for key in container.keys_of(path)])

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


@dataclass(frozen=True)
class Container:
    """One bucket in the cloud and what is asked of it: few verbs, which do the same on every cloud."""

    service: Service
    name: str
    config: Any

    @property
    def client(self) -> Client:
        """The connection, made when it is first needed."""
        return _client(self.service, self.name, self.config)

    def uri(self, key: str) -> str:
        """What Polars and people call an object."""
        return self.service.uri(self.name, key)

    def guard(self, verb: Verb, key: str) -> AbstractContextManager[None]:
        """Tells in Glacier's words what the store refuses."""
        asked = Asked(
            self.service.title, self.name, self.uri(key), verb, self.service.timeout, self.service.credentials
        )
        return told(asked)

    def found(self, key: str) -> Entry | None:
        """Gives an object, None if it is not there."""
        import obstore

        try:
            with self.guard("read", key):
                return _entry(obstore.head(self.client, key))
        except ObjectNotFound:
            return None

    def raw(self, prefix: str) -> Iterator[tuple[Entry, float]]:
        """Gives all objects below a prefix, staged ones too, with when each was written (seconds since 1970)."""
        import obstore

        with self.guard("list", prefix):
            for page in obstore.list(self.client, prefix or None, chunk_size=_PAGE):
                for found in page:
                    yield _entry(found), found["last_modified"].timestamp()

    def visible(self, prefix: str) -> list[Entry]:
        """Gives the data below a prefix, as the notes of writers say."""
        for _ in range(_RELISTED):
            found = {entry.path: entry for entry, _ in self.raw(prefix)}
            try:
                notes = [Journal.loads(self.content(path)) for path in journals_in(found)]
            except ObjectNotFound:
                continue  # a writer ended between the list and the look: the list may be of before and of after
            hidden = {path for note in notes for path in note.hidden}
            return [entry for path, entry in found.items() if path not in hidden and staged_folder(path) is None]
        raise StorageError(
            f"`{self.uri(prefix)}` is written again and again while it is listed",
            fix="let one task write it, and others wait for that",
        )

    def names(self, prefix: str) -> list[str]:
        """Gives what lies right below a prefix: objects and folders, by their last component."""
        import obstore

        with self.guard("list", prefix):
            found = obstore.list_with_delimiter(self.client, prefix or None)
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        names = {path.rstrip("/").rsplit("/", 1)[-1] for path in paths}
        return sorted(name for name in names if not name.startswith("."))

    def ends(self, entry: Entry) -> tuple[bytes, bytes]:
        """Reads the first 64 and the last 8 bytes."""
        import obstore

        starts = [0, max(0, entry.size - _TAIL_BYTES)]
        stops = [min(_HEAD_BYTES, entry.size), entry.size]
        with self.guard("read", entry.path):
            head, tail = obstore.get_ranges(self.client, entry.path, starts=starts, ends=stops, coalesce=0)
        return bytes(head), bytes(tail)

    def content(self, key: str) -> bytes:
        """Reads a small object whole."""
        import obstore

        with self.guard("read", key):
            return bytes(obstore.get(self.client, key).bytes())

    def blocks(self, entry: Entry) -> Iterator[bytes]:
        """Reads an object in ranges, some ahead of what is taken."""
        from concurrent.futures import ThreadPoolExecutor

        import obstore

        if not entry.size:
            return
        with self.guard("read", entry.path):
            tag = obstore.head(self.client, entry.path)["e_tag"]

        def read(start: int) -> bytes:
            span = (start, min(start + _BLOCK_BYTES, entry.size))
            with self.guard("read", entry.path):
                options: Any = {"range": span, **({"if_match": tag} if tag else {})}
                return bytes(obstore.get(self.client, entry.path, options=options).bytes())

        with ThreadPoolExecutor(_BLOCKS_AHEAD) as pool:
            starts = iter(range(0, entry.size, _BLOCK_BYTES))
            ahead = [pool.submit(read, start) for start in islice(starts, _BLOCKS_AHEAD)]
            while ahead:
                block = ahead.pop(0).result()
                ahead += [pool.submit(read, start) for start in islice(starts, 1)]
                yield block

    def upload(self, key: str) -> Upload:
        """Begins to write an object."""
        return Upload(self.client, key, lambda: self.guard("write", key), self.service.attributes(self.config))

    def put(self, key: str, content: bytes) -> None:
        """Writes a small object."""
        import obstore

        with self.guard("write", key):
            obstore.put(self.client, key, content, use_multipart=False)

    def small(self, key: str) -> Small | None:
        """Reads a small object whole, with its version; None if it is not there.

        S3 does not say so to who may list only some keys, and refuses instead; those may at least list below this one.
        """
        import obstore
        from obstore.exceptions import PermissionDeniedError

        try:
            with self.guard("read", key):
                try:
                    found = obstore.get(self.client, key)
                except PermissionDeniedError:
                    if self._may_list(key):
                        return None
                    raise
                known = {"e_tag": found.meta["e_tag"], "version": found.meta["version"]}
                content = bytes(found.bytes())
        except ObjectNotFound:
            return None
        return Small(content, {name: value for name, value in known.items() if value is not None})

    def _may_list(self, key: str) -> bool:
        import obstore
        from obstore.exceptions import PermissionDeniedError

        try:
            obstore.list_with_delimiter(self.client, key)
        except PermissionDeniedError:
            return False
        return True

    def put_after(self, key: str, content: bytes, before: Before) -> bool:
        """Writes a small object; False if the store holds something else than what was read before."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = "create" if before == "nothing" else "overwrite"
        if isinstance(before, Small):
            mode = before.version
        with self.guard("write", key):
            try:
                obstore.put(self.client, key, content, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def copy(self, source: str, target: str) -> None:
        """Copies within the bucket: by the store, or through this machine where the store would lose or refuse it."""
        import obstore

        found = self.found(source)
        if found is not None and (found.size >= _COPIED_AT_ONCE_BYTES or self.service.attributes(self.config)):
            upload = self.upload(target)
            try:
                for block in self.blocks(found):
                    upload.write(block)
                upload.finish()
            finally:
                upload.abort()
            return
        with self.guard("copy", source):
            obstore.copy(self.client, source, target)

    def keys_of(self, path: str) -> list[str]:
        """Gives the object of a path and all below it, staged ones too: what is there of them."""
        below = "" if path == "./" else path.rstrip("/") + "/"
        own = [path] if not path.endswith("/") and self.found(path) is not None else []
        return own + [entry.path for entry, _ in self.raw(below)]

    def delete_objects(self, keys: list[str]) -> None:
        """Removes objects; what is not there is no error, though some clouds make it one."""
        import obstore

        if not keys:
            return
        try:
            with self.guard("delete", keys[0]):
                obstore.delete(self.client, keys)
        except ObjectNotFound:
            for key in keys:
                with suppress(ObjectNotFound), self.guard("delete", key):
                    obstore.delete(self.client, [key])

    def settle(self, place: str) -> None:
        """Ends what a writer that is gone was about, and removes what it staged.

        Args:
            place: its staged folder.
        """
        staged = [entry.path for entry, _ in self.raw(place)]
        for path in journals_in(staged):
            self.delete_objects(list(Journal.loads(self.content(path)).hidden))
        self.delete_objects([path for path in staged if path not in journals_in(staged)])
        self.delete_objects(journals_in(staged))


def _entry(meta: ObjectMeta) -> Entry:
    """Gives an object with what its store tells its content by."""
    return Entry(meta["path"], meta["size"], meta["version"] or meta["e_tag"] or meta["last_modified"].isoformat())


@lru_cache(maxsize=128)
def _client(service: Service, container: str, config: Any) -> Client:
    return service.client(container, config)
