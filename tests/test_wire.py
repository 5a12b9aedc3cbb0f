"""What crosses the wire: no more than what a query needs, and hardly a request besides what Polars makes by itself."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from fault_proxy import FaultProxy
from glacier.resources.bucket import Bucket
from stores import CLOUDS, place_of

WIDE = pl.select(row=pl.int_range(200_000, dtype=pl.Int64)).with_columns(
    **{f"c{number}": pl.col("row").hash(number) for number in range(9)}
)
FEW = pl.col("row").is_between(45_000, 55_000)


@dataclass(frozen=True)
class Counted:
    """A bucket behind a proxy that counts."""

    bucket: Bucket
    proxy: FaultProxy

    def received(self, frame: Callable[[], pl.LazyFrame]) -> int:
        """Gives the bytes of bodies that came for two of ten columns, filtered."""
        self.proxy.received = 0
        self.proxy.seen.clear()
        found = frame().filter(FEW).select("row", "c3").collect()
        assert found.equals(WIDE.filter(FEW).select("row", "c3"))
        return self.proxy.received


@pytest.fixture(params=CLOUDS)
def counted(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Counted]:
    place = place_of(request.param, tmp_path)
    place.declare("raw", path="wide.parquet").write(WIDE, row_group_size=20_000)
    proxy = FaultProxy(place.provider.endpoint_url)
    provider = replace(place.provider, endpoint_url=proxy.url)
    yield Counted(provider.bucket("raw", path="wide.parquet"), proxy)
    proxy.stop()


def test_only_the_needed_row_groups_and_columns_cross_the_wire(counted: Counted) -> None:
    (entry,) = counted.bucket.store.entries("raw", "wide.parquet")
    assert entry.size > 14e6
    first = counted.received(counted.bucket.scan)
    bare = counted.received(lambda: pl.scan_parquet(counted.bucket.uri, **counted.bucket.store.reach()))
    requests = len(counted.proxy.seen)
    again = counted.received(counted.bucket.scan)
    assert again == bare < 0.1 * entry.size
    assert first == bare + 8  # the end of a file, which is looked at once
    assert len(counted.proxy.seen) == requests + 1  # whether it is there, and still the same


def test_a_file_that_was_replaced_is_looked_at_anew(counted: Counted) -> None:
    counted.bucket.scan()
    counted.bucket.write(WIDE.head(1000))
    counted.proxy.received = 0
    counted.bucket.scan()
    assert counted.proxy.received == 8
