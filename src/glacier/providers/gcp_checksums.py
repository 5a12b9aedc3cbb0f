"""CRC-32C, which Cloud Storage keeps of each object: with it, what arrived is compared without being read back."""

from __future__ import annotations

import base64
import re
import time
import zlib
from functools import lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from glacier.providers.plain_http import send

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"


@lru_cache(maxsize=1)
def is_known() -> bool:
    """Tells whether CRC-32C can be computed here, by the library of the extra `gcp`."""
    return find_spec("google_crc32c") is not None


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
        None if Cloud Storage does not tell, or who asks cannot be known: google-auth is missing or has no credentials.
    """
    from urllib.request import Request

    if not is_known():
        return None
    try:
        headers = {} if plain else {"Authorization": f"Bearer {_token(timeout)}"}
        request = Request(address, method="HEAD", headers=headers)  # noqa: S310  # the provider has checked it
        answer = send(request, time.monotonic() + timeout)
    except (ImportError, OSError, _refusals()):
        return None
    found = re.search(r"crc32c=([\w+/]+=*)", answer.headers.get("x-goog-hash", ""))
    size = answer.headers.get("x-goog-stored-content-length") or answer.headers.get("content-length", "")
    if answer.status != 200 or found is None or not size.isdecimal():
        return None
    return int(size), int.from_bytes(base64.b64decode(found[1]), "big")


@lru_cache(maxsize=1)
def _credentials() -> Any:
    credentials, _ = import_module("google.auth").default(scopes=[_SCOPE])
    return credentials


def _token(timeout: float) -> str:
    credentials = _credentials()
    if not credentials.valid:
        session: Any = import_module("google.auth.transport.requests").Request()
        credentials.refresh(partial(session, timeout=timeout))
    return str(credentials.token)


def _refusals() -> type[Exception]:
    try:
        refused: type[Exception] = import_module("google.auth.exceptions").GoogleAuthError
    except ImportError:
        return ImportError
    return refused
