"""What is written to an object store before it is published: one object, or a tree of them."""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import IO, TYPE_CHECKING, cast

from glacier.errors import GlacierError, StorageError
from glacier.providers import leftovers
from glacier.providers.journal import NAME, Journal
from glacier.providers.uploads import Upload
from glacier.resources.store import Entry

if TYPE_CHECKING:
    from glacier.providers.objectstore import Container

AT_ONCE = 16
"""Requests that a tree, or a look at many objects, has under way at a time."""


class StagedObject:
    """One object: sent while it is written, there once it is published."""

    takes_bytes = True

    def __init__(self, container: Container, path: str) -> None:
        self._path = path
        self._upload = container.upload(path)

    @property
    def failure(self) -> GlacierError | None:
        """What the store refused."""
        return self._upload.failure

    def file(self, path: str) -> IO[bytes]:
        """Gives what takes the object's bytes."""
        del path  # there is one file
        return cast("IO[bytes]", self._upload)

    def entries(self) -> list[Entry]:
        """Gives the object as it will be."""
        return [Entry(self._path, self._upload.size)]

    def publish(self) -> None:
        """Completes the upload."""
        self._upload.finish()

    def discard(self) -> None:
        """Drops it; what the store cannot drop now is not visible, and goes by the store's own rules."""
        with suppress(StorageError):
            self._upload.abort()


class StagedTree:
    """Many objects that take the place of all that lies below a path, at once for whoever lists through Glacier.

    Each is written to a hidden folder in the tree and copied from there by the store itself. Its final name holds a
    token, so that no new object has an old one's name; with `keep_names` it does not, and objects of the same name are
    replaced one by one.
    """

    takes_bytes = True

    def __init__(self, container: Container, path: str, *, keep_names: bool = False) -> None:
        self._container = container
        self._top = "" if path == "./" else path
        self._hidden = self._top + leftovers.new_name() + "/"
        self._token = "" if keep_names else "-" + secrets.token_hex(6)
        self._uploads: dict[str, Upload] = {}
        self._finishing: list[Future[None]] = []
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="glacier-upload")
        self._discarded = False

    @property
    def failure(self) -> GlacierError | None:
        """What the store refused first."""
        return next((upload.failure for upload in self._uploads.values() if upload.failure), None)

    def file(self, path: str) -> IO[bytes]:
        """Gives what takes the bytes of a new object; it is sent to the end as soon as nobody holds that any more."""
        if self._discarded:
            raise ValueError("this write has ended")
        stem, ending = _split(path)
        name = f"{self._top}{stem}{self._token}{ending}"
        upload = self._container.upload(self._hidden + name.removeprefix(self._top))
        self._uploads[name] = upload
        return cast("IO[bytes]", _Handed(upload, self._finish))

    def entries(self) -> list[Entry]:
        """Gives the objects by the paths they will have."""
        return [Entry(path, upload.size) for path, upload in self._uploads.items()]

    def staged(self, path: str) -> Entry:
        """Finishes the staged object that is to be at `path`, and gives where it is now.

        Raises:
            StorageError: if the store refuses.
        """
        upload = self._uploads[path]
        upload.finish()
        return Entry(upload.key, upload.size)

    def publish(self) -> None:
        """Puts the tree in place of the old one, all of it or nothing; the old objects are deleted afterwards."""
        for future in self._finishing:
            future.result()
        for upload in self._uploads.values():
            upload.finish()
        before = [entry.path for entry in self._container.visible(self._top)]
        old = tuple(sorted(set(before) - set(self._uploads)))
        new = tuple(sorted(set(self._uploads) - set(before)))
        is_one = len(self._uploads) == 1 and not old  # a single request, which is whole by itself
        try:
            if not is_one:
                self._note(Journal("publishing", new, old))
            self._each(lambda path: self._container.copy(self._uploads[path].key, path), list(self._uploads))
            if not is_one:
                self._note(Journal("published", new, old))
        except BaseException:
            with suppress(StorageError):
                self._container.delete_objects(list(new))
            raise
        self._container.delete_objects(list(old))
        self._clear()

    def discard(self) -> None:
        """Drops what was staged; what cannot be dropped now is hidden, and left to a sweep."""
        if self._discarded:
            return
        self._discarded = True
        for upload in list(self._uploads.values()):
            with suppress(StorageError):
                upload.abort()
        with suppress(GlacierError):
            self._clear()

    def _finish(self, upload: Upload) -> None:
        if not self._discarded:
            self._finishing.append(self._pool.submit(upload.finish))

    def _note(self, journal: Journal) -> None:
        self._container.put(self._hidden + NAME, journal.dumps())

    def _each(self, step: Callable[[str], None], paths: list[str]) -> None:
        for future in [self._pool.submit(step, path) for path in paths]:
            future.result()

    def _clear(self) -> None:
        self._discarded = True
        self._pool.shutdown(wait=True)
        hidden = [entry.path for entry, _ in self._container.raw(self._hidden)]
        last = self._hidden + NAME  # the note stays until nothing is left that it tells of
        self._container.delete_objects([path for path in hidden if path != last])
        self._container.delete_objects([path for path in hidden if path == last])


class _Handed:
    """What Polars holds while it writes one file of many; when it lets go, the file is complete."""

    def __init__(self, upload: Upload, on_end: Callable[[Upload], None]) -> None:
        self._upload = upload
        self._on_end = on_end

    def write(self, data: bytes, /) -> int:
        return self._upload.write(data)

    def __del__(self) -> None:
        with suppress(RuntimeError):  # the interpreter ends
            self._on_end(self._upload)


def _split(path: str) -> tuple[str, str]:
    folder, name = posixpath.split(path)
    stem, dot, ending = name.partition(".")
    return posixpath.join(folder, stem), dot + ending
