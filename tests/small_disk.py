"""A disk of a test's own, of a few hundred kilobytes, that the test may fill or make read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_ADMINISTERS = 1 << 21  # CAP_SYS_ADMIN, with which a process may mount


@dataclass(frozen=True)
class SmallDisk:
    """A mounted file system in memory.

    Attributes:
        folder: its root.
    """

    folder: Path

    def fill(self, leaving: int = 0) -> Path:
        """Writes a file until the disk is full but for so many bytes, and gives the file."""
        file = self.folder / "ballast"
        with file.open("ab", buffering=0) as ballast:
            for size in (4096, 1):
                try:
                    while True:
                        ballast.write(b"\0" * size)
                except OSError:
                    continue
        os.truncate(file, file.stat().st_size - leaving)
        return file

    def make_read_only(self) -> None:
        """Lets nothing be written any more."""
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Generator[SmallDisk]:
    """Mounts a small disk; where that is not allowed, the test is skipped, and says why."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if os.environ.get("CI") and _may_mount():
            pytest.fail(f"this process may mount, but: {done.stderr}")
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)  # a history is kept open until its process ends


def _may_mount() -> bool:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) & _ADMINISTERS)
