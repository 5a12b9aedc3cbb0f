"""Another module of a user's, whose buckets and functions tasks reach through its name."""

from __future__ import annotations

import polars as pl

from glacier import Bucket
from glacier.providers import LocalProvider

PLACES = {name: LocalProvider("/nowhere").bucket("shared", path=f"{name}.parquet") for name in ("raw", "log")}


def load(source: Bucket) -> pl.DataFrame:
    df = source.read()
    note(df.height)
    return df


def note(rows: int) -> None:
    PLACES["log"].write(pl.DataFrame({"rows": [rows]}))
