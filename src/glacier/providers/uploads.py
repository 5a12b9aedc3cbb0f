"""Objects on their way into a store: sent in parts while they are written, there only once they are finished."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore import WritableFile
    from obstore.store import ObjectStore as Client

    from glacier.errors import GlacierError

PART_BYTES = 16 * 1024 * 1024
"""Of each part but the last. S3 and Google take 10,000 parts, so an object of up to 156 GiB."""
_PARTS_AT_ONCE = 4

Guard = Callable[[], AbstractContextManager[None]]


class Upload:
    """One object that is being written.

    What fits into one part is sent in one request, which replaces the object at once; more is a multipart upload, which
    does when it is completed. Until `finish`, the key holds what it held.
    """

    def __init__(self, client: Client, key: str, guard: Guard, attributes: dict[str, str]) -> None:
        self.key = key
        self.size = 0
        self.failure: GlacierError | None = None
        self._client = client
        self._guard = guard
        self._attributes = attributes
        self._held: list[bytes] = []
        self._writer: WritableFile | None = None
        self._ended = False
        self._lock = Lock()

    def write(self, data: bytes, /) -> int:
        """Takes the next bytes; sends when a part is full, and waits where the store is slower than the writer."""
        with self._lock:
            if self._ended:
                raise ValueError("this write has ended")  # Polars' threads of a failed query come here late
            self._guarded(lambda: self._take(data))
            return len(data)

    def finish(self) -> None:
        """Makes the object be there, whole. Does nothing the second time.

        Raises:
            StorageError: if the store refuses; the key holds what it held.
        """
        with self._lock:
            if self._ended:
                return
            self._guarded(self._complete)
            self._ended = True

    def abort(self) -> None:
        """Drops what was sent. Does nothing once the upload has ended."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            self._held.clear()
            if self._writer is not None:
                stop = InterruptedError("aborted")
                with self._guard():
                    self._writer.__exit__(type(stop), stop, None)

    def _take(self, data: bytes) -> None:
        self.size += len(data)
        if self._writer is not None:
            self._writer.write(data)
            return
        self._held.append(data)
        if self.size > PART_BYTES:
            import obstore

            self._writer = obstore.open_writer(
                self._client,
                self.key,
                attributes=self._attributes or None,
                buffer_size=PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )
            held, self._held = self._held, []
            for piece in held:
                self._writer.write(piece)

    def _complete(self) -> None:
        if self._writer is not None:
            self._writer.close()
            return
        import obstore

        obstore.put(
            self._client,
            self.key,
            b"".join(self._held),
            attributes=self._attributes or None,
            use_multipart=False,
        )
        self._held.clear()

    def _guarded(self, step: Callable[[], None]) -> None:
        from glacier.errors import GlacierError

        try:
            with self._guard():
                step()
        except GlacierError as error:
            self.failure = self.failure or error
            raise
