"""CRC-32C, which Cloud Storage keeps of each object: with it, what arrived is compared without being read back."""

from __future__ import annotations

import base64
import re
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from glacier.errors import GlacierError
from glacier.providers.gcp_credentials import token
from glacier.providers.plain_http import send


@lru_cache(maxsize=1)
def is_known() -> bool:
    """Tells whether CRC-32C can be computed here: by the compiled library of the extra `gcp`."""
    try:
        with warnings.catch_warnings(action="ignore"):  # where it is slow, because it is not compiled
            return bool(import_module("google_crc32c").implementation == "c")
    except ImportError:
        return False


@dataclass(frozen=True)
class KeptSums:
    """The checksums that Cloud Storage keeps; see `stored`.

    Attributes:
        address: gives that of an object, of its bucket and key.
    """

    address: Callable[[str, str], str]
    timeout: float
    plain: bool

    def added(self, block: memoryview, before: int) -> int:
        """Adds to a CRC-32C."""
        return added(block, before)

    def stored(self, container: str, key: str) -> tuple[int, int] | None:
        """Asks for size and CRC-32C."""
        return stored(self.address(container, key), self.timeout, plain=self.plain)


def added(block: memoryview, before: int) -> int:
    """Adds bytes to a CRC-32C; to a CRC-32 where the library is not installed."""
    if not is_known():
        return zlib.crc32(block, before)
    crc32c: Any = import_module("google_crc32c")  # which says nothing of its types
    extended: int = crc32c.extend(before, bytes(block))  # it takes no views
    return extended


def stored(address: str, timeout: float, *, plain: bool) -> tuple[int, int] | None:
    """Asks an object for its size and its CRC-32C.

    Args:
        address: of the object, in the XML API.
        timeout: in seconds.
        plain: whether nobody has to be known there: it is an emulator's.

    Returns:
        None if Cloud Storage does not tell, or Google's library, google-auth, is missing or finds no credentials.
    """
    from urllib.request import Request

    if not is_known():
        return None
    try:
        headers = {} if plain else {"Authorization": f"Bearer {token(timeout)[0]}"}
    except GlacierError:
        return None
    request = Request(address, method="HEAD", headers=headers)  # noqa: S310  # the provider has checked it
    try:
        answer = send(request, time.monotonic() + timeout)
    except OSError:
        return None
    found = re.search(r"crc32c=([\w+/]+=*)", answer.headers.get("x-goog-hash", ""))
    size = answer.headers.get("x-goog-stored-content-length") or answer.headers.get("content-length", "")
    if answer.status != 200 or found is None or not size.isdecimal():
        return None
    return int(size), int.from_bytes(base64.b64decode(found[1]), "big")
