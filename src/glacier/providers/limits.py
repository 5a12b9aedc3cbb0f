"""For how long a cloud is waited for: the same limits for the client library and for Polars."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig


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


def retry_options(timeout: float) -> RetryConfig:
    """Gives how failures that may pass are tried again: with growing pauses, for twice as long as one may be silent."""
    return {"max_retries": 6, "retry_timeout": timedelta(seconds=2 * timeout)}


def scan_options(timeout: float, *, plain: bool) -> dict[str, Any]:
    """Gives the same limits as Polars' `storage_options` have them. Without, Polars waits for ever."""
    return {
        "connect_timeout": f"{int(min(timeout, 10) * 1000)}ms",
        "read_timeout": f"{int(timeout * 1000)}ms",
        "timeout": f"{int(timeout * 10_000)}ms",
        "max_retries": 6,
        "retry_timeout_ms": int(timeout * 2000),
        **({"allow_http": "true"} if plain else {}),
    }
