"""Which process runs a pipeline, and whether it is still there."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

LOST_AFTER = 120.0
"""Seconds without a sign after which a run on another machine counts as ended; it gives one every few seconds."""


@dataclass(frozen=True)
class Process:
    """A process, told from any other, also a later one with the same number.

    Attributes:
        host: the machine's name.
        space: the machine since its last start, and its space of process numbers; empty where the system does not say.
        pid: its number.
        born: when it started, in the system's own units; empty where the system does not say.
    """

    host: str
    space: str
    pid: int
    born: str

    def as_dict(self) -> dict[str, object]:
        """Gives it as JSON holds it."""
        return asdict(self)

    def is_gone(self, seconds_unseen: float) -> bool:
        """Says whether it has surely ended.

        Args:
            seconds_unseen: how long ago it gave a sign; it counts where nothing else can be known.
        """
        here = this_process()
        if (self.host, self.space) == (here.host, here.space):
            return not _is_there(self)
        return seconds_unseen > LOST_AFTER


def this_process() -> Process:
    """Gives the process that asks."""
    pid = os.getpid()
    return Process(socket.gethostname(), _space(), pid, _born(pid))


def _is_there(process: Process) -> bool:
    if process.born:
        return _born(process.pid) == process.born
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # there is one, and it is another user's
        return True
    return True


def _born(pid: int) -> str:
    """Gives when a process started, in ticks since the machine did; empty if there is none, or it is a zombie."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return ""
    state, *fields = told.rpartition(")")[2].split()  # what is before may hold spaces: the program's name
    return "" if state == "Z" else fields[18]


@cache
def _space() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""
