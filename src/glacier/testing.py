"""What unit tests of pipelines need: buckets that are gone when the test is."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path

from glacier.providers.local import LocalProvider

_MEMORY = Path("/dev/shm")  # noqa: S108  # Linux's memory file system; only a fresh folder in it is used


@dataclass(frozen=True, init=False)
class MemoryProvider(LocalProvider):
    """Keeps buckets in memory: each provider its own, gone when nobody holds it or its buckets any more.

    It stands in for every other provider and takes the configs of all. Where the machine has no memory file system (it
    has one on Linux), buckets lie in a temporary folder; so paths given to Polars or `open` work as on any provider.

    >>> import polars as pl
    >>> provider = MemoryProvider()
    >>> provider.bucket("raw", path="a.parquet").write(pl.DataFrame({"id": [1]}))
    >>> provider.bucket("raw", path="./").list(), MemoryProvider().bucket("raw", path="./").list()
    (['a.parquet'], [])
    """

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="glacier-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)
        super().__init__(folder)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
