"""Objects copied from one store to another, whatever the two are: in pieces, checked before they are published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from contextvars import copy_context
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from glacier.errors import StorageError
from glacier.lease import GivenUp, check_lease, current_lease, keeping, publishing
from glacier.permits import require
from glacier.resources import formats, objects, paths
from glacier.resources.store import Entry, Staged

if TYPE_CHECKING:
    from glacier.resources.bucket import Bucket

_FILES_AT_ONCE = 4


def copy(target: Bucket, source: Bucket) -> None:
    """Puts the objects of one bucket's path in place of what another's holds; see `Bucket.copy_from`."""
    require(source, "copy_from", reads=True)
    with source.sited():
        found = sorted(objects.found(source))
    if not found:
        raise objects.not_found(source)
    _check(target, source, found)
    folder = paths.folder(source.path)
    is_tree = target.path.endswith("/")
    names = {entry: entry.path.removeprefix(folder) if is_tree else "" for entry in found}
    with target.sited():
        staged = target.store.stage(target.name, target.path, for_copy=True)
        with keeping(staged):
            _each(lambda entry: _one(staged, source, entry, names[entry]), found)
            with publishing(staged, current_lease()):
                staged.publish()


def _check(target: Bucket, source: Bucket, found: list[Entry]) -> None:
    wrong: tuple[str, str] | None = None
    if paths.is_glob(target.path):
        wrong = f"cannot be written: `{target.path}` is a glob", 'copy to .at("folder/")'
    elif not target.path.endswith("/") and [entry.path for entry in found] != [source.path]:
        wrong = (
            f"cannot take {len(found)} objects of `{source.label}`: `{target.path}` is one file",
            'copy to a directory: end the path with "/"',
        )
    elif not target.path.endswith("/") and formats.extension(target.path) != formats.extension(source.path):
        wrong = (
            f"cannot take `{source.path}` as `{target.path}`: a copy changes no format",
            "write(source.scan()) to change it, or copy to a path with the same extension",
        )
    elif target.uri == source.uri and target.store.declarer == source.store.declarer:
        wrong = "cannot be copied onto itself", "copy from another place"
    if wrong is not None:
        raise StorageError(f"bucket `{target.name}` {wrong[0]}", site=target.site, fix=wrong[1])


def _each(step: Callable[[Entry], Iterator[None]], entries: list[Entry]) -> None:
    """Takes the steps of all entries, some at a time; after a failure, or when it is interrupted, no further one."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    stopped = Event()

    def steps(entry: Entry) -> None:
        for _ in step(entry):
            if stopped.is_set():
                raise GivenUp

    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        copies = [pool.submit(copy_context().run, steps, entry) for entry in entries]
        try:
            for copied in as_completed(copies):
                copied.result()
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one(staged: Staged, source: Bucket, entry: Entry, name: str) -> Iterator[None]:
    """Copies one object to its staged place, block by block; compares what arrived unless the store itself has."""
    checksum = size = 0
    with ExitStack() as stack:
        place = staged.file(name)
        write: Callable[[memoryview], object]
        write = stack.enter_context(Path(place).open("wb")).write if isinstance(place, str) else place.write
        with source.sited():
            for block in source.store.blocks(source.name, entry):
                check_lease()  # the interpreter's exit waits for this thread
                checksum = staged.checksum(block, checksum)
                size += len(block)
                write(block)
                yield
    if size != entry.size:
        raise StorageError(
            f"`{source.store.uri(source.name, entry.path)}` had {entry.size:,} bytes and gave {size:,}",
            site=source.site,
            fix="copy again when nobody writes it",
        )
    arrived = staged.arrived(name)
    if arrived is not None and arrived != (size, checksum):
        raise StorageError(
            f"`{source.store.uri(source.name, entry.path)}` did not arrive as sent: {arrived[0]:,} bytes of {size:,}",
            site=source.site,
            fix="copy again; if it stays, look at the network or the disk",
        )
