"""How staged places are named: a sweep tells by it what an interrupted write left from what a running one needs."""

from __future__ import annotations

import os
import re
import secrets
import socket
import sys
import time
from hashlib import blake2s

PREFIX = ".glacier-"
FORM = r"\.glacier-[0-9a-f]+-\d+-[0-9a-f]+\.tmp"
"""Of the names that `new_name` gives, as a regular expression; a user's own may begin with the same."""
_STALE_SECONDS = 24 * 3600


def new_name() -> str:
    """Gives a name of this process's that nobody else has.

    >>> new_name().startswith(".glacier-"), new_name().endswith(".tmp")
    (True, True)
    """
    return f"{PREFIX}{_here()}-{os.getpid()}-{secrets.token_hex(6)}.tmp"


def is_staged(name: str) -> bool:
    """Tells whether a name is one that `new_name` gives.

    >>> is_staged(new_name()), is_staged(".glacier-cache")
    (True, False)
    """
    return name.startswith(PREFIX) and re.fullmatch(FORM, name) is not None


def is_stale(name: str, newest: float) -> bool:
    """Tells whether a staged place belongs to nobody any more.

    Args:
        name: of a place.
        newest: when something was last written there, in seconds since 1970.

    Returns:
        Whether its process on this machine is gone; for another machine's, whether it has been silent for a day. No
        other name than those of `new_name` is.
    """
    if not is_staged(name):
        return False
    host, pid, _ = name.removeprefix(PREFIX).split("-")
    if host == _here() and not _is_running(int(pid)):
        return True
    return time.time() - newest > _STALE_SECONDS


def _here() -> str:
    return blake2s(socket.gethostname().encode(), digest_size=4).hexdigest()


def _is_running(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # signal 0 would be Ctrl-C there; the day's silence decides
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
