"""What unit tests of pipelines need: buckets that are gone when the test is."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from glacier.config.translation import FunctionConfig
from glacier.providers.local import LocalProvider
from glacier.providers.local_functions import LocalFunctions, StandIn, StandIns

_MEMORY = Path("/dev/shm")  # noqa: S108  # Linux's memory file system; only a fresh folder in it is used


@dataclass(frozen=True, init=False)
class MemoryProvider(LocalProvider):
    """Keeps buckets in memory: each provider its own, gone when nobody holds it or its buckets any more.

    It stands in for every other provider and takes the configs of all. Where the machine has no memory file system (it
    has one on Linux), buckets lie in a temporary folder; so paths given to Polars or `open` work as on any provider.

    Attributes:
        functions: by name, what is called in place of serverless functions: with the event, or the event and a context.

    >>> import polars as pl
    >>> provider = MemoryProvider()
    >>> provider.bucket("raw", path="a.parquet").write(pl.DataFrame({"id": [1]}))
    >>> provider.bucket("raw", path="./").list(), MemoryProvider().bucket("raw", path="./").list()
    (['a.parquet'], [])
    """

    functions: Mapping[str, StandIn] = field(default_factory=dict[str, StandIn], hash=False)

    def __init__(self, functions: Mapping[str, StandIn] | None = None) -> None:
        object.__setattr__(self, "functions", dict(functions or {}))
        folder = tempfile.mkdtemp(prefix="glacier-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)
        super().__init__(folder)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def _host(self, config: FunctionConfig | None) -> LocalFunctions:
        return StandIns(type(self).__name__, self.base_path, config, self, self.functions)
