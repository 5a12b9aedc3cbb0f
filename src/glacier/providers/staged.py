"""What is written to an object store before it is published: one object, or a tree of them."""

from __future__ import annotations

import posixpath
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, cast

from glacier.errors import GlacierError, StorageError
from glacier.providers import leftovers
from glacier.providers.journal import NAME, Journal
from glacier.providers.uploads import Upload
from glacier.resources.store import Entry

if TYPE_CHECKING:
    from concurrent.futures import Future

    from glacier.providers.container import Container

AT_ONCE = 16
"""Requests that a tree, or a look at many objects, has under way at a time."""


class StagedObject:
    """One object: sent while it is written, there once it is published."""

    takes_bytes = True

    def __init__(self, container: Container, path: str) -> None:
        self._container = container
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

    def checksum(self, block: memoryview, before: int) -> int:
        """Gives what was given: nothing is compared here."""
        del block
        return before

    def arrived(self, path: str) -> None:
        """Tells nothing: the store compares checksums, and an object that is not published cannot be read."""

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
    token, so that no new object has an old one's name; in a copy it does not, and objects of the same name are replaced
    one by one. A copy may be of one object: then that alone is replaced.
    """

    takes_bytes = True

    def __init__(self, container: Container, path: str, *, for_copy: bool = False) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._container = container
        self._path = path
        self._top = "" if path == "./" else path[: path.rfind("/") + 1]
        self._hidden = self._top + leftovers.new_name() + "/"
        self._token = "" if for_copy else "-" + secrets.token_hex(6)
        self._uploads: dict[str, Upload] = {}
        self._complete: deque[Upload] = deque()
        self._finishing: list[Future[None]] = []
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="glacier-upload")
        self._discarded = False

    @property
    def failure(self) -> GlacierError | None:
        """What the store refused first."""
        return next((upload.failure for upload in self._uploads.values() if upload.failure), None)

    def file(self, path: str) -> IO[bytes]:
        """Gives what takes the bytes of a new object; those that nobody holds any more are sent to the end."""
        if self._discarded:
            raise ValueError("this write has ended")
        with suppress(IndexError):
            while True:
                self._finishing.append(self._pool.submit(self._complete.popleft().finish))
        name = self._final(path)
        upload = self._container.stage(self._hidden + name.removeprefix(self._top))
        self._uploads[name] = upload
        return cast("IO[bytes]", _Handed(upload, self._complete))

    def entries(self) -> list[Entry]:
        """Gives the objects by the paths they will have."""
        return [Entry(path, upload.size) for path, upload in self._uploads.items()]

    def checksum(self, block: memoryview, before: int) -> int:
        """Adds to the store's kind of checksum, unless the store compares checksums itself."""
        sums = self._container.service.sums
        return sums.added(block, before) if sums else before

    def arrived(self, path: str) -> tuple[int, int] | None:
        """Completes the staged object, and tells what is there, unless the store compares checksums."""
        upload = self._uploads[self._final(path)]
        upload.finish()
        sums = self._container.service.sums
        return self._container.content_sum(Entry(upload.key, upload.size), sums) if sums else None

    def publish(self) -> None:
        """Puts the tree in place of the old one, all of it or nothing; the old objects are deleted afterwards.

        What cannot be deleted then stays hidden behind the note, until a sweep ends the work.
        """
        for future in self._finishing:
            future.result()
        for upload in self._uploads.values():
            upload.finish()
        before = [entry.path for entry in self._container.visible(self._top)] if self._path.endswith("/") else []
        old = tuple(sorted(set(before) - set(self._uploads)))
        new = tuple(sorted(set(self._uploads) - set(before)))
        is_one = len(self._uploads) == 1 and not old  # a single request, which is whole by itself
        if not is_one:
            self._note(Journal("publishing", new, old))
        self._each(lambda path: self._container.copy(self._uploads[path].key, path), list(self._uploads))
        published = Journal("published", new, old)
        if not is_one:
            try:
                self._note(published)
            except StorageError:
                if not self._is_published():
                    raise
        with suppress(StorageError):
            self._end(published)

    def discard(self) -> None:
        """Drops what was staged; what cannot be dropped now is hidden, and left to a sweep."""
        if self._discarded:
            return
        self._discarded = True
        for upload in list(self._uploads.values()):
            with suppress(StorageError):
                upload.abort()
        with suppress(GlacierError):
            self._end()

    def _final(self, path: str) -> str:
        """Gives where the object of a path will be; of the one object, the path is empty."""
        if not path:
            return self._path
        stem, ending = _split(path)
        return f"{self._top}{stem}{self._token}{ending}"

    def _note(self, journal: Journal) -> None:
        self._container.put(self._hidden + NAME, journal.dumps())

    def _is_published(self) -> bool:
        """Tells what the note says: the answer that it was written may have been lost."""
        with suppress(StorageError):
            return Journal.loads(self._container.content(self._hidden + NAME)).state == "published"
        return False

    def _each(self, step: Callable[[str], None], paths: list[str]) -> None:
        """Does all of them, whatever fails: what is undone afterwards must not be under way still."""
        futures = [self._pool.submit(step, path) for path in paths]
        failures = [failure for future in futures if (failure := future.exception())]
        if failures:
            raise failures[0]

    def _end(self, note: Journal | None = None) -> None:
        self._discarded = True
        self._pool.shutdown(wait=True)
        self._container.settle(self._hidden, note)


class _Handed:
    """What Polars holds while it writes one file of many; when it lets go, the file is complete.

    That may be in the middle of anything, so it is noted here and acted on later.
    """

    def __init__(self, upload: Upload, complete: deque[Upload]) -> None:
        self._upload = upload
        self._complete = complete

    def write(self, data: bytes, /) -> int:
        return self._upload.write(data)

    def __del__(self) -> None:
        self._complete.append(self._upload)


def _split(path: str) -> tuple[str, str]:
    folder, name = posixpath.split(path)
    stem, dot, ending = name.partition(".")
    return posixpath.join(folder, stem), dot + ending
