"""Which provider stands in for this machine: a pipeline written against `LocalProvider` goes to a cloud unchanged."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_current: ContextVar[Any] = ContextVar("glacier_rebinding", default=None)
rebound = _current.get
"""Gives the provider that stands in for `LocalProvider`, None where none does."""


@contextmanager
def rebinding(provider: Any) -> Generator[None]:
    """Lets `LocalProvider` declare its buckets and functions on another provider until the block ends.

    Holds for what is declared in the block: import the module of the pipeline in it, and plan in it. A local provider
    stands for itself.

    >>> from glacier.providers import AWSProvider, LocalProvider
    >>> with rebinding(AWSProvider(region="us-east-1", name_prefix="acme-")):
    ...     LocalProvider().bucket("raw", path="a.csv").uri
    's3://acme-raw/a.csv'
    """
    token = _current.set(provider)
    try:
        yield
    finally:
        _current.reset(token)
