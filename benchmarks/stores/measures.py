"""What is measured of buckets in object stores: each gives the rows of its figures."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import obstore
import polars as pl

from benchmarks.stores import steps
from benchmarks.stores.line import Line
from glacier.resources.bucket import Bucket

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from fault_proxy import FaultProxy  # the servers are those of the tests
from seaweedfs import Identity, SeaweedFS
from stores import HAS_AZURITE, SECRETS, Place, cloud

_LINE_BYTES = 60e6
"""A second, each way: half a gigabit, which the cores here can keep full."""
_ANOTHER = "another S3"


@cache
def s3() -> Place:
    """Starts SeaweedFS, once."""
    return cloud("seaweedfs")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: is compared.
        bare: the figure without Glacier.
        ours: the figure with it.
        unit: of both.
        asked: for what, in words.
        reached: whether it was.
    """

    what: str
    bare: float
    ours: float
    unit: str
    asked: str
    reached: bool

    def __str__(self) -> str:
        digits = 0 if max(self.bare, self.ours) >= 100 else 1 if self.unit == "ms" else 3
        reached = ("yes" if self.reached else "no") if self.asked else ""
        figures = f"{self.bare:,.{digits}f} | {self.ours:,.{digits}f} | {self.unit} | {self.ours / self.bare:.2f}"
        return f"| {self.what} | {figures} | {self.asked} | {reached} |"


def turn_about(repeat: int, bare: Callable[[], float], ours: Callable[[], float]) -> tuple[float, float]:
    """Gives the medians of two measures, taken in turn after one round that warms up."""
    found: list[tuple[float, float]] = []
    for turn in range(repeat + 1):
        pair = (bare(), ours()) if turn % 2 else (ours(), bare())[::-1]
        found += [pair] if turn else []
    return statistics.median(pair[0] for pair in found), statistics.median(pair[1] for pair in found)


def seconds(step: Callable[[], object]) -> float:
    """Gives how long a step takes."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def scan(repeat: int, scale: float) -> Iterator[Row]:
    """The same queries over one file, by a bucket's scan and by `pl.scan_parquet`."""
    raw = s3().declare("raw", path="wide.parquet")
    raw.write(steps.wide(int(6_000_000 * scale)), row_group_size=250_000)
    few = pl.col("row") % 1_000_000 < 300_000
    queries: dict[str, Callable[[pl.LazyFrame], pl.LazyFrame]] = {
        "the maximum of each of 10 columns": lambda frame: frame.select(pl.all().max()),
        "a filter, 2 of 10 columns": lambda frame: frame.filter(few).select("row", "c3"),
    }
    for what, query in queries.items():

        def timed(frame: Callable[[], pl.LazyFrame], query: Callable[[pl.LazyFrame], pl.LazyFrame] = query) -> float:
            return seconds(lambda: query(frame()).collect(engine="streaming"))

        bare, ours = turn_about(
            repeat, lambda: timed(lambda: pl.scan_parquet(raw.uri, **raw.store.reach())), lambda: timed(raw.scan)
        )
        yield Row(f"scan: {what}", bare, ours, "s", "at most 1.05", ours <= 1.05 * bare)


def wire(_repeat: int, scale: float) -> Iterator[Row]:
    """Bytes of the bodies that come over the wire for two of ten columns, filtered, as a proxy counts them."""
    place = s3()
    place.declare("raw", path="wide.parquet").write(steps.wide(int(2_000_000 * scale)), row_group_size=100_000)
    proxy = FaultProxy(place.provider.endpoint_url)
    raw = replace(place.provider, endpoint_url=proxy.url).bucket("raw", path="wide.parquet")

    def received(frame: Callable[[], pl.LazyFrame]) -> int:
        proxy.received = 0
        few = pl.col("row").is_between(500_000 * scale, 650_000 * scale)
        frame().filter(few).select("row", "c3").collect()
        return proxy.received

    first = received(raw.scan)
    bare = received(lambda: pl.scan_parquet(raw.uri, **raw.store.reach()))
    again = received(raw.scan)
    proxy.stop()
    yield Row("wire: a filter, 2 of 10 columns, a file not seen before", bare, first, "bytes", "no more", first <= bare)
    yield Row("wire: the same, the file seen before", bare, again, "bytes", "no more", again <= bare)


def write(repeat: int, scale: float) -> Iterator[Row]:
    """A result of 2 GB that is streamed to an object: peak memory of the process, and time."""
    place = s3()
    peaks: dict[str, list[float]] = {"sink": [], "write": []}

    def once(step: str) -> float:
        result = _child(step, place.declare("out", path=f"{step}.parquet"), str(int(28_000_000 * scale)))
        peaks[step].append(result.peak)
        return result.seconds

    bare, ours = turn_about(min(repeat, 3), lambda: once("sink"), lambda: once("write"))
    size = f"{_size(place.declare('out', path='write.parquet')) / 1e9:.2f} GB"
    most = max(peaks["write"])
    yield Row(f"write: {size}, highest peak", max(peaks["sink"]), most, "MB", "under 700", most < 700)
    yield Row(f"write: {size}, time", bare, ours, "s", "", reached=True)


def listing(repeat: int, scale: float) -> Iterator[Row]:
    """50,000 keys, by a bucket's `list` and by the client library's."""
    place = s3()
    many = place.declare("out", path="many/", format="csv")
    names = [f"many/{number // 1000:03}/{number:06}.csv" for number in range(int(50_000 * scale))]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: place.put(many.at(name), b"n\n1\n"), names))
    client = steps.client(many)

    def bare() -> list[str]:
        return [found["path"] for page in obstore.list(client, "many", chunk_size=1000) for found in page]

    assert bare() == many.list() == names
    medians = turn_about(repeat, lambda: seconds(bare), lambda: seconds(many.list))
    yield Row(f"list: {len(names):,} keys", *medians, "s", "at most 1.2", medians[1] <= 1.2 * medians[0])


def copy(repeat: int, scale: float) -> Iterator[Row]:
    """1 GB from a store to another, beside what the bare client reads there or writes here, whichever is slower.

    Each store is at the end of a line of its own. Without lines, what is compared is how two servers and the client
    share the machine's cores: that is the last row.
    """
    source = s3().declare("raw", path="large.parquet")
    source.write(steps.wide(int(14_000_000 * scale)), row_group_size=250_000)
    size = _size(source) / 1e6
    for title, target in _targets():
        line = f"{_LINE_BYTES / 1e6:.0f} MB/s each"
        with behind_line(source) as far_source, behind_line(target) as far_target:
            yield _copied(f"copy: {size / 1000:.2f} GB, S3 to {title}, {line}", size, far_source, far_target, repeat)
        if title == _ANOTHER:
            yield _copied(f"copy: {size / 1000:.2f} GB, S3 to {title}, no lines", size, source, target, repeat)


def _copied(what: str, size: float, source: Bucket, target: Bucket, repeat: int) -> Row:
    took: dict[str, list[float]] = {"read": [], "put": [], "copy": []}
    for turn in range(max(repeat // 3, 3) + 1):
        for step, times in took.items():
            spent = _child(step, target, source=source).seconds
            times.extend([spent] if turn else [])
    read, put, ours = (statistics.median(times) for times in took.values())
    bare = max(read, put)
    return Row(what, size / bare, size / ours, "MB/s", "at least 0.8", bare >= 0.8 * ours)


@contextmanager
def behind_line(bucket: Bucket) -> Generator[Bucket]:
    """Gives a bucket whose store is at the end of a line."""
    provider: Any = bucket.store.declarer
    line = Line(provider.endpoint_url, _LINE_BYTES)
    try:
        yield replace(provider, endpoint_url=line.url).bucket(bucket.name, path=bucket.path)
    finally:
        line.stop()


def _targets() -> Iterator[tuple[str, Bucket]]:
    keys = Identity("tests", SECRETS["AWS_ACCESS_KEY_ID"], SECRETS["AWS_SECRET_ACCESS_KEY"], ("Admin",))
    other = SeaweedFS([keys])
    other.empty("again-copied")
    provider = replace(s3().provider, endpoint_url=other.url)
    yield _ANOTHER, provider.bucket("copied", path="large.parquet")
    other.stop()
    yield "Google", cloud("gcs").declare("out", path="large.parquet")
    if HAS_AZURITE:
        yield "Azure", cloud("azure").declare("out", path="large.parquet")


def imports(repeat: int, _scale: float) -> Iterator[Row]:
    """`import glacier.providers`: what it loads, and how long it takes beside bare Python."""
    heavy = ("polars", "obstore", "boto3", "botocore", "google.auth", "azure")
    # An installed package comes with its bytecode, and a checkout writes it in the first round, unless this forbids it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    asks = f"import sys, glacier.providers; print(*[name for name in {heavy!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True).stdout.split()

    def run(program: str) -> float:
        return 1000 * seconds(lambda: subprocess.run([sys.executable, "-c", program], check=True, env=environment))

    bare, ours = turn_about(3 * repeat, lambda: run("pass"), lambda: run("import glacier.providers"))
    what = f"import glacier.providers: loads {', '.join(loaded) or 'no Polars, no SDK'}"
    yield Row(what, bare, ours, "ms", "no Polars, no SDK", not loaded)


@dataclass(frozen=True)
class Result:
    """What a process of its own took: seconds, and at most how many MB."""

    seconds: float
    peak: float


def _child(step: str, target: Bucket, *arguments: str, source: Bucket | None = None) -> Result:
    command = [sys.executable, "-m", "benchmarks.stores.steps", step, steps.packed(target, source), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{step} failed:\n{done.stderr}")
    spent, peak = done.stdout.split()
    return Result(float(spent), float(peak))


def _size(bucket: Bucket) -> int:
    return sum(entry.size for entry in bucket.store.entries(bucket.name, bucket.path))


MEASURES: dict[str, Callable[[int, float], Any]] = {
    "import": imports,
    "wire": wire,
    "list": listing,
    "scan": scan,
    "write": write,
    "copy": copy,
}
