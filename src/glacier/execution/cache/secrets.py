"""How a secret counts in the keys of a project's cache: by a digest that takes what only the project's folder has."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from secrets import token_bytes
from tempfile import mkstemp
from typing import Any

from glacier.execution.code import canonical
from glacier.execution.codec import NotPlain
from glacier.execution.home import make_home

SALT = "cache-salt"
"""The file's name: random bytes, without which nobody can try passwords against a digest."""
_BYTES = 32


def digest_at(home: Path) -> Callable[[Any], str]:
    """Gives what tells secrets apart without telling them. Reads and writes nothing before it is called.

    Args:
        home: the folder `.glacier`.
    """

    @cache
    def salt() -> bytes:
        return _salt(home)

    def digest(secret: Any) -> str:
        try:
            content = json.dumps(canonical(secret.get_secret_value()))
        except Exception as error:  # the method is the user's own, and may raise anything
            raise NotPlain("it is a secret whose value cannot be had, or has no form as data") from error
        return hashlib.blake2b(content.encode(), digest_size=16, key=salt()).hexdigest()

    return digest


def in_no_key(secret: object) -> str:
    """Refuses a secret: keys of a shared bucket are seen by others, and the same on every machine.

    Raises:
        NotPlain: always.
    """
    raise NotPlain(f"a {type(secret).__name__} is a secret")


def _salt(home: Path) -> bytes:
    """Gives the bytes that the folder has for this; where it takes no file, others, for which nothing is found."""
    place = home / SALT
    try:
        known = _read(place)
        return known if len(known) == _BYTES else _made(home, place)
    except OSError:
        return token_bytes(_BYTES)


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return b""


def _made(home: Path, place: Path) -> bytes:
    """Makes the file, which only its owner can read; of two processes at once, the later one's stays."""
    make_home(home)
    opened, beside = mkstemp(dir=home)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(token_bytes(_BYTES))
        Path(beside).replace(place)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return _read(place)
