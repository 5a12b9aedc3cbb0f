"""What is written to a folder before it is published: beside its place, and renamed into it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from glacier.errors import StorageError
from glacier.resources.store import Entry, summed

_BLOCK_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class LocalStaged:
    """A hidden folder beside a place: `new` in it becomes the place, `old` is a replaced folder on its way out.

    `place` in it is the place's name, so that a sweep can put `old` back if the process ended between two renames. A
    file is staged in a folder too: threads of a failed query may open it late, and cannot once the folder is gone.
    """

    hidden: Path
    place: Path
    path: str
    is_tree: bool

    def __post_init__(self) -> None:
        (self.hidden / "new" if self.is_tree else self.hidden).mkdir(parents=True)
        (self.hidden / "place").write_text(self.place.name, encoding="utf-8")

    @property
    def takes_bytes(self) -> bool:
        """Polars writes to files itself."""
        return False

    @property
    def failure(self) -> None:
        """What a file system refuses, Polars tells well."""

    def file(self, path: str) -> str:
        """Gives the staged file, its folder made."""
        if not path:
            return str(self.hidden / "new")
        place = self.hidden / "new" / path
        if self.hidden.exists():  # a thread of a failed query may ask late, and must not bring the folder back
            place.parent.mkdir(parents=True, exist_ok=True)
        return str(place)

    def entries(self) -> list[Entry]:
        """Gives the files, by the paths they will have."""
        new = self.hidden / "new"
        if not self.is_tree:
            return [Entry(self.path, new.stat().st_size)]
        prefix = "" if self.path == "." else self.path + "/"
        files = sorted(file for file in new.rglob("*") if file.is_file())
        return [Entry(prefix + file.relative_to(new).as_posix(), file.stat().st_size) for file in files]

    def checksum(self, block: memoryview, before: int) -> int:
        """Adds to a CRC-32."""
        return crc32(block, before)

    def arrived(self, path: str) -> tuple[int, int]:
        """Reads the staged file back."""
        return summed(blocks_of(Path(self.file(path))), crc32)

    def publish(self) -> None:
        """Renames it into place; a folder takes two renames, and if the second fails, the old folder comes back."""
        if self.is_tree:
            self._swap()
        elif self.place.is_dir():
            raise StorageError(
                f"`{self.place}` is a directory, and a file is to be written there",
                fix='delete the directory first, or end the path with "/" to write one',
            )
        else:
            (self.hidden / "new").replace(self.place)
        remove(self.hidden)

    def discard(self) -> None:
        """Removes it; looks again for a moment, because threads of a failed query may still make folders in it."""
        restore(self.hidden)
        for pause in (0.0, 0.01, 0.02, 0.04) if self.is_tree else (0.0,):
            time.sleep(pause)
            remove(self.hidden)

    def _swap(self) -> None:
        try:
            if self.place.exists():
                self.place.rename(self.hidden / "old")
            (self.hidden / "new").rename(self.place)
        except BaseException:
            restore(self.hidden)
            raise


def restore(hidden: Path) -> None:
    """Puts the folder that was on its way out back in its place, if nothing has come there."""
    old = hidden / "old"
    if not old.exists():
        return
    place = hidden.parent / (hidden / "place").read_text(encoding="utf-8")
    if not place.exists():
        old.rename(place)


def remove(folder: Path) -> None:
    """Removes a staged folder; files may still appear in it, so it is tried again, and left to a sweep in the end."""
    if folder.is_file():  # a small object
        folder.unlink(missing_ok=True)
        return
    for pause in (0.0, 0.01, 0.1, 0.5):
        time.sleep(pause)
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            if not folder.exists():
                return
        except OSError:
            continue
        else:
            return


def blocks_of(place: Path) -> Iterator[memoryview]:
    """Reads a file in pieces of 8 MiB."""
    with place.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield memoryview(block)
