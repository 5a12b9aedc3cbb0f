"""One step in a process of its own, so that its memory can be told: `python -m benchmarks.stores.steps STEP BUCKETS`.

It prints the seconds that the step took, and the most memory that the process held, in MB.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
import polars as pl

if TYPE_CHECKING:
    from glacier.resources.bucket import Bucket

_CHUNK_BYTES = 8 * 1024 * 1024


def wide(rows: int) -> pl.LazyFrame:
    """A plan of ten columns, 73 bytes a row that do not compress; nothing of it is in memory before it is needed."""
    step = min(rows, 500_000)
    numbers = pl.DataFrame({"row": pl.int_range(step, dtype=pl.Int64, eager=True)}).lazy()
    pieces = [numbers.with_columns(pl.col("row") + first) for first in range(0, rows, step)]
    return pl.concat(pieces).with_columns(**{f"c{number}": pl.col("row").hash(number) for number in range(9)})


def client(bucket: Bucket) -> Any:
    """The bare client of a bucket's store, with the settings that Glacier gives it."""
    store: Any = bucket.store
    return store.service.client(store.physical(bucket.name), None, retries=6)


def packed(target: Bucket, source: Bucket | None) -> str:
    """Two buckets as a word of a command line."""
    return pickle.dumps((target, source)).hex()


def main() -> None:
    """Does one step."""
    step, words = sys.argv[1], sys.argv[2]
    target, source = pickle.loads(bytes.fromhex(words))
    began = time.perf_counter()
    match step:
        case "sink":
            wide(int(sys.argv[3])).sink_parquet(target.uri, **target.store.reach())
        case "write":
            target.write(wide(int(sys.argv[3])))
        case "read":
            for chunk in obstore.get(client(source), source.path).stream(min_chunk_size=_CHUNK_BYTES):
                del chunk
        case "put":
            size = obstore.head(client(source), source.path)["size"]
            piece = os.urandom(_CHUNK_BYTES)  # a server may make less of zeros
            pieces = (piece for _ in range(size // _CHUNK_BYTES))
            began = time.perf_counter()
            obstore.put(client(target), target.path, pieces, chunk_size=2 * _CHUNK_BYTES, max_concurrency=4)
        case _:
            target.copy_from(source)
    spent = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()  # Linux's; getrusage would count what the parent process had
    peak = re.search(r"VmHWM:\s*(\d+)", status)
    assert peak is not None
    print(spent, int(peak[1]) * 1024 / 1e6)


if __name__ == "__main__":
    main()
