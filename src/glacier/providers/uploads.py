"""Objects on their way into a store: sent in parts while they are written, there only once they are finished."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from glacier.errors import GlacierError, StorageError
from glacier.providers.faults import may_have_succeeded

if TYPE_CHECKING:
    from obstore import WritableFile

    from glacier.providers.container import Container

PART_BYTES = 16 * 1024 * 1024
"""Of each part but the last. S3 and Google take 10,000 parts, so an object of up to 156 GiB."""
_PARTS_AT_ONCE = 4
_MARK = "glacierupload"
"""The name of a large object's metadata by which its writer knows it again, made of what all clouds take."""


class Upload:
    """One object that is being written.

    What fits into one part is sent in one request, which replaces the object at once; more is a multipart upload, which
    does when it is completed. Until `finish`, the key holds what it held.
    """

    def __init__(self, container: Container, key: str, attributes: dict[str, str]) -> None:
        self.key = key
        self.size = 0
        self.failure: GlacierError | None = None
        self._container = container
        self._attributes = attributes
        self._held: list[bytes | memoryview] = []
        self._writer: WritableFile | None = None
        self._mark = secrets.token_hex(8)
        self._ended = False
        self._lock = Lock()

    def write(self, data: bytes | memoryview, /) -> int:
        """Takes the next bytes; sends when a part is full, and waits where the store is slower than the writer."""
        with self._lock:
            if self._ended:
                raise ValueError("this write has ended")  # Polars' threads of a failed query come here late
            self._noted(lambda: self._take(data))
            return len(data)

    def finish(self) -> None:
        """Makes the object be there, whole. The second time it does nothing, or fails as the first time.

        Raises:
            StorageError: if the store refuses; the key holds what it held.
        """
        with self._lock:
            if not self._ended:
                self._ended = True
                self._noted(self._complete)
            elif self.failure is not None:
                raise self.failure

    def abort(self) -> None:
        """Drops what was sent. Does nothing once the upload has ended."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            self._held.clear()
            if self._writer is not None:
                stop = InterruptedError("aborted")
                with self._container.guard("write", self.key):
                    self._writer.__exit__(type(stop), stop, None)

    def _take(self, data: bytes | memoryview) -> None:
        self.size += len(data)
        if self._writer is not None:
            with self._container.guard("write", self.key):
                self._writer.write(data)
            return
        self._held.append(data)
        if self.size > PART_BYTES:
            self._writer = self._container.ask("write", self.key, self._begun)
            self._held.clear()

    def _begun(self) -> WritableFile:
        """Begins to send in parts, with what is held: until that is under way, it can be begun again."""
        import obstore

        writer = obstore.open_writer(
            self._container.sender,
            self.key,
            attributes={**self._attributes, _MARK: self._mark},
            buffer_size=PART_BYTES,
            max_concurrency=_PARTS_AT_ONCE,
        )
        for piece in self._held:
            writer.write(piece)
        return writer

    def _complete(self) -> None:
        if self._writer is not None:
            with self._container.guard("write", self.key):
                self._close(self._writer)
            return
        self._container.put(self.key, b"".join(self._held), self._attributes)
        self._held.clear()

    def _close(self, writer: WritableFile) -> None:
        from obstore.exceptions import BaseError

        try:
            writer.close()
        except (BaseError, OSError) as error:
            if not (may_have_succeeded(error) and self._is_there()):
                raise

    def _is_there(self) -> bool:
        """Tells whether the object is complete all the same: the answer that said so may have been lost."""
        try:
            return self._container.attribute(self.key, _MARK) == self._mark
        except StorageError:
            return False

    def _noted(self, step: Callable[[], None]) -> None:
        try:
            step()
        except GlacierError as error:
            self.failure = self.failure or error
            raise
