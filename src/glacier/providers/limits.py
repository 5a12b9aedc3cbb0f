"""For how long a cloud is waited for: the same limits for the client library and for Polars."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig


IN_ALL = 3
"""For how many times as long as a silent server is waited for, a request is made again."""


def client_options(timeout: float, *, plain: bool) -> ClientConfig:
    """Gives the time limits of requests.

    Args:
        timeout: for how many seconds a silent server is waited for.
        plain: whether the endpoint is not encrypted: an emulator on this machine, say.
    """
    return {
        "connect_timeout": timedelta(seconds=min(timeout, 10)),
        "read_timeout": timedelta(seconds=timeout),
        "timeout": timedelta(seconds=10 * timeout),
        "allow_http": plain,
    }


def retry_options(timeout: float, retries: int) -> RetryConfig:
    """Gives how failures that may pass are tried again: with growing pauses, until the time is over.

    Args:
        timeout: for how many seconds a silent server is waited for.
        retries: at most; of a request that Glacier itself makes again, none.
    """
    return {"max_retries": retries, "retry_timeout": timedelta(seconds=IN_ALL * timeout)}


def scan_options(timeout: float, *, plain: bool) -> dict[str, Any]:
    """Gives the same limits as Polars' `storage_options` have them. Without, Polars waits for ever."""
    return {
        "connect_timeout": f"{int(min(timeout, 10) * 1000)}ms",
        "read_timeout": f"{int(timeout * 1000)}ms",
        "timeout": f"{int(timeout * 10_000)}ms",
        "max_retries": 6,
        "retry_timeout_ms": int(timeout * IN_ALL * 1000),
        **({"allow_http": "true"} if plain else {}),
    }
