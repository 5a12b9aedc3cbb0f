"""One bucket in the cloud and what is asked of it: few verbs, which do the same on every cloud."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any, TypeVar

from glacier.errors import GlacierError, ObjectNotFound, StorageError
from glacier.providers.faults import Asked, Verb, is_silent, overwritten, told
from glacier.providers.journal import Journal, journals_in, staged_folder
from glacier.providers.plain_http import send
from glacier.providers.retries import persistently
from glacier.providers.service import Service, Sums
from glacier.providers.uploads import Upload
from glacier.resources.store import Before, End, Entry, Small, summed

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
_PART_RETRIES = 10
"""Of a part of a large object: these are made by the client library, which alone knows the parts."""
_PROBE_SECONDS = 5

T = TypeVar("T")


@dataclass(frozen=True)
class Container:
    """The bucket: of which cloud, under which name there, kept how."""

    service: Service
    name: str
    config: Any

    @property
    def client(self) -> Client:
        """The connection, made when it is first needed. Its requests are made again by `ask`."""
        return _client(self.service, self.name, self.config, 0, _surroundings(self.service.variables))

    @property
    def sender(self) -> Client:
        """The connection for what is sent in parts, which the client library itself sends again."""
        return _client(self.service, self.name, self.config, _PART_RETRIES, _surroundings(self.service.variables))

    def uri(self, key: str) -> str:
        """What Polars and people call an object."""
        return self.service.uri(self.name, key)

    def ask(self, verb: Verb, key: str, step: Callable[[], T]) -> T:
        """Gives what a request gives; it is made again where that may help.

        Raises:
            StorageError: in Glacier's words, what the store refuses or could not do.
            ObjectNotFound: if an object is not there.
        """
        return persistently(step, self._asked(verb, key), lambda: self._headers(key))

    def guard(self, verb: Verb, key: str) -> AbstractContextManager[None]:
        """Tells in Glacier's words what the store refuses."""
        return told(self._asked(verb, key))

    def found(self, key: str) -> Entry | None:
        """Gives an object, None if it is not there."""
        meta = self.ask("read", key, lambda: self._meta(key))
        return _entry(meta) if meta else None

    def attribute(self, key: str, name: str) -> str | None:
        """Gives what was said of an object when it was written; None if that, or the object, is not there."""
        import obstore

        try:
            told = self.ask("read", key, lambda: obstore.get(self.client, key, options={"head": True}).attributes)
        except ObjectNotFound:
            return None
        return told.get(name)

    def raw(self, prefix: str) -> Iterator[tuple[Entry, float]]:
        """Gives all objects below a prefix, staged ones too, with when each was written (seconds since 1970)."""
        for page in self._pages(prefix):
            for found in page:
                yield _entry(found), found["last_modified"].timestamp()

    def visible(self, prefix: str) -> list[Entry]:
        """Gives the data below a prefix, as the notes of writers say."""
        for _ in range(_RELISTED):
            entries = [_entry(meta) for page in self._pages(prefix) for meta in page]
            found = {entry.path: entry for entry in entries}
            if len(found) < len(entries):  # a folder's marker is told by the name of an object
                found = {entry.path: entry for entry in sorted(entries, key=lambda entry: entry.size)}
            staged = [path for path in found if staged_folder(path) is not None]
            try:
                notes = [Journal.loads(self.content(path)) for path in journals_in(staged)]
            except ObjectNotFound:
                continue  # a writer ended between the list and the look: the list may be of before and of after
            for hidden in (*staged, *(path for note in notes for path in note.hidden)):
                found.pop(hidden, None)
            return self._without_markers(found)
        raise StorageError(
            f"`{self.uri(prefix)}` is written again and again while it is listed",
            fix="let one task write it, and others wait for that",
        )

    def names(self, prefix: str) -> list[str]:
        """Gives what lies right below a prefix: objects and folders, by their last component."""
        import obstore

        found = self.ask("list", prefix, lambda: obstore.list_with_delimiter(self.client, prefix or None))
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        names = {path.rstrip("/").rsplit("/", 1)[-1] for path in paths}
        return sorted(name for name in names if not name.startswith("."))

    def end(self, entry: Entry, end: End) -> bytes:
        """Reads the first 64 or the last 8 bytes; those of a version that was read before are known."""
        if entry.version:
            return _end(self, entry.path, entry.size, entry.version, end)
        return self._end(entry.path, entry.size, end)

    def content(self, key: str) -> bytes:
        """Reads a small object whole."""
        import obstore

        return self.ask("read", key, lambda: bytes(obstore.get(self.client, key).bytes()))

    def blocks(self, entry: Entry) -> Iterator[memoryview]:
        """Reads an object in ranges, some ahead of what is taken."""
        from concurrent.futures import ThreadPoolExecutor

        import obstore

        if not entry.size:
            return
        meta = self.ask("read", entry.path, lambda: self._meta(entry.path))
        tag = meta["e_tag"] if meta else None
        if meta is not None and meta["size"] != entry.size:
            raise overwritten(self._asked("read", entry.path))

        def read(start: int) -> memoryview:
            span = (start, min(start + _BLOCK_BYTES, entry.size))
            options: Any = {"range": span, **({"if_match": tag} if tag else {})}
            return self.ask(
                "read", entry.path, lambda: memoryview(obstore.get(self.client, entry.path, options=options).bytes())
            )

        with ThreadPoolExecutor(_BLOCKS_AHEAD) as pool:
            starts = iter(range(0, entry.size, _BLOCK_BYTES))
            ahead = [pool.submit(read, start) for start in islice(starts, _BLOCKS_AHEAD)]
            while ahead:
                block = ahead.pop(0).result()
                ahead += [pool.submit(read, start) for start in islice(starts, 1)]
                yield block

    def content_sum(self, entry: Entry, sums: Sums) -> tuple[int, int]:
        """Gives size and checksum of an object as the store tells them; else reads it."""
        return sums.stored(self.name, entry.path) or summed(self.blocks(entry), sums.added)

    def upload(self, key: str) -> Upload:
        """Begins to write an object, kept as the config says."""
        return Upload(self, key, self.service.attributes(self.config))

    def stage(self, key: str) -> Upload:
        """Begins to write an object that is soon copied and removed: some storage classes could not be read for that.

        Most others would be charged for weeks. (Amazon S3 pricing: minimum storage duration)
        """
        return Upload(self, key, {})

    def put(self, key: str, content: bytes, attributes: dict[str, str] | None = None) -> None:
        """Writes a small object, in one request."""
        import obstore

        self.ask(
            "write",
            key,
            lambda: obstore.put(self.client, key, content, attributes=attributes or None, use_multipart=False),
        )

    def small(self, key: str) -> Small | None:
        """Reads a small object whole, with its version; None if it is not there.

        S3 does not say so to who may list only some keys, and refuses instead; those may at least list below this one.
        """
        import obstore
        from obstore.exceptions import PermissionDeniedError

        def read() -> Small | None:
            try:
                found = obstore.get(self.client, key)
            except PermissionDeniedError:
                if self._may_list(key):
                    return None
                raise
            known = {"e_tag": found.meta["e_tag"], "version": found.meta["version"]}
            version = {name: value for name, value in known.items() if value is not None}
            return Small(bytes(found.bytes()), version)

        try:
            return self.ask("read", key, read)
        except ObjectNotFound:
            return None

    def put_after(self, key: str, content: bytes, before: Before) -> bool:
        """Writes a small object; False if the store holds something else than what was read before."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = "create" if before == "nothing" else "overwrite"
        if isinstance(before, Small):
            mode = before.version
        tries = count()

        def put() -> bool:
            is_first = next(tries) == 0
            try:
                obstore.put(self.client, key, content, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                # an earlier try may have succeeded, and its answer been lost
                return not is_first and (found := self.small(key)) is not None and found.content == content
            return True

        return self.ask("write", key, put)

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
        self.ask("copy", source, lambda: obstore.copy(self.client, source, target))
        if found is not None and self.service.copies_later:
            self._await(target, found.size)

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
            self.ask("delete", keys[0], lambda: obstore.delete(self.client, keys))
        except ObjectNotFound:
            for key in keys:
                with suppress(ObjectNotFound):
                    self.ask("delete", key, partial(obstore.delete, self.client, [key]))

    def settle(self, place: str, note: Journal | None = None) -> None:
        """Ends what a writer was about, and removes what it staged; the note goes last, when it hides nothing any more.

        Args:
            place: its staged folder.
            note: what its note says, where that is known.
        """
        staged = [entry.path for entry, _ in self.raw(place)]
        for path in journals_in(staged):
            self.delete_objects(list((note or Journal.loads(self.content(path))).hidden))
        self.delete_objects([path for path in staged if path not in journals_in(staged)])
        self.delete_objects(journals_in(staged))

    def _without_markers(self, found: Mapping[str, Entry]) -> list[Entry]:
        """Leaves out empty objects by which consoles show folders: the client library tells `day/` as `day`."""
        empty = [path for path, entry in found.items() if not entry.size]
        if not empty:
            return [*found.values()]
        folders = {path[:end] for path in found for end in range(len(path)) if path[end] == "/"}
        leaves = [path for path in empty if path not in folders and re.fullmatch(r"[^._][^.]*", path.split("/")[-1])]
        markers = folders.union(path for path in leaves if self.found(path) is None)
        return [entry for path, entry in found.items() if entry.size or path not in markers]

    def _end(self, key: str, size: int, end: End) -> bytes:
        import obstore

        span = (0, min(_HEAD_BYTES, size)) if end == "first" else (max(0, size - _TAIL_BYTES), size)
        return self.ask("read", key, lambda: bytes(obstore.get_range(self.client, key, start=span[0], end=span[1])))

    def _await(self, key: str, size: int) -> None:
        """Waits until an object that the store copies by itself is there."""
        end = time.monotonic() + self.service.timeout
        pause = 0.05
        while (found := self.found(key)) is None or found.size != size:
            if time.monotonic() > end:
                raise StorageError(
                    f"{self.service.title} has not copied `{self.uri(key)}` within {self.service.timeout:g} seconds",
                    fix="write it again; if it stays, pass timeout=... (seconds) to the provider",
                )
            time.sleep(pause)
            pause = min(2 * pause, 1)

    def _may_list(self, key: str) -> bool:
        import obstore
        from obstore.exceptions import PermissionDeniedError

        try:
            obstore.list_with_delimiter(self.client, key)
        except PermissionDeniedError:
            return False
        return True

    def _asked(self, verb: Verb, key: str) -> Asked:
        return Asked(self.service.title, self.name, self.uri(key), verb, self.service.timeout, self.service.credentials)

    def _pages(self, prefix: str) -> Iterator[Sequence[ObjectMeta]]:
        """Lists by pages; after a failure it goes on behind the last key or, where there is no order, past all seen."""
        import obstore

        pages: Iterator[Sequence[ObjectMeta]] | None = None
        last: str | None = None
        seen: set[str] = set()

        def next_page() -> Sequence[ObjectMeta] | None:
            nonlocal pages
            pages = pages or iter(obstore.list(self.client, prefix or None, offset=last, chunk_size=_PAGE))
            try:
                return next(pages, None)
            except BaseException:
                pages = None
                raise

        marker = prefix.rstrip("/")  # as the client library tells `prefix/`, an object by which consoles show a folder
        while (page := self.ask("list", prefix, next_page)) is not None:
            if self.service.lists_in_order:
                last = page[-1]["path"]
                yield page[1:] if page[0]["path"] == marker else page  # it comes before all else
            else:
                yield [found for found in page if found["path"] not in seen and found["path"] != marker]
                seen.update(found["path"] for found in page)

    def _meta(self, key: str) -> ObjectMeta | None:
        import obstore
        from obstore.exceptions import BaseError

        try:
            return obstore.head(self.client, key)
        except FileNotFoundError:
            return None
        except BaseError as error:
            if not is_silent(error):
                raise
            return obstore.get(self.client, key).meta  # raises with the reason; should it not, this tells as much

    def _headers(self, key: str) -> Mapping[str, str]:
        """Asks the service itself for what the client library does not tell; gives nothing where that is in vain."""
        from urllib.request import Request

        from obstore.exceptions import BaseError

        try:
            address = self.service.probe(self.client, self.name, key)
            request = Request(address, method="HEAD")  # noqa: S310  # checked to be http, or the service's own
            return send(request, time.monotonic() + min(self.service.timeout, _PROBE_SECONDS)).headers
        except (BaseError, GlacierError, OSError):
            return {}


@lru_cache(maxsize=10_000)
def _end(container: Container, key: str, size: int, version: str, end: End) -> bytes:
    del version  # another one is asked for anew
    return container._end(key, size, end)


def _entry(meta: ObjectMeta) -> Entry:
    """Gives an object with what its store tells its content by."""
    return Entry(meta["path"], meta["size"], meta["version"] or meta["e_tag"] or meta["last_modified"].isoformat())


@lru_cache(maxsize=128)
def _client(service: Service, container: str, config: Any, retries: int, surroundings: int) -> Client:
    del surroundings  # in others, another client is made
    return service.client(container, config, retries=retries)


def _surroundings(variables: tuple[str, ...]) -> int:
    """Gives what changes with the credentials and the endpoint in the environment: a hash, which holds no secret."""
    return hash(frozenset(item for item in os.environ.items() if item[0].startswith(variables)))
