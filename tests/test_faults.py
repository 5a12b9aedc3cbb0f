"""What networks and overloaded services do to every operation: what may pass is tried again, nothing is left half."""

# Polars' signatures name numpy's types, and numpy is not installed.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import polars as pl
import pytest

from fault_proxy import Fault, FaultProxy, Refusal, Request, Reset, Silence, Slow, Truncated
from glacier.errors import StorageError
from glacier.providers import LocalProvider
from glacier.resources.bucket import Bucket
from stores import CLOUDS, Place, place_of

SALES = pl.DataFrame({"city": ["Köln", "Oslo", "Köln"], "id": [1, 2, 3], "amount": [9.5, None, 3.0]})
MORE = SALES.with_columns(id=pl.col("id") + 10)
SLOW_DOWN = "<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
LARGE = pl.select(row=pl.int_range(2_200_000, dtype=pl.Int64)).with_columns(hash=pl.col("row").hash())
"""18 MB of hashes that do not compress, and their numbers: three parts."""

Spoil = Callable[[Request], Fault | None]


@dataclass(frozen=True)
class Faulty:
    """A cloud behind a proxy, and the same without."""

    place: Place
    proxy: FaultProxy

    def declare(self, name: str, path: str, *, timeout: float = 20) -> Bucket:
        provider = replace(self.place.provider, endpoint_url=self.proxy.url, timeout=timeout)
        bucket: Bucket = provider.bucket(name, path=path)
        return bucket


@pytest.fixture(params=[kind for kind in CLOUDS if kind != "seaweedfs"])
def faulty(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Faulty]:
    """Each cloud in turn, behind a proxy that lets all pass."""
    place = place_of(request.param, tmp_path)
    proxy = FaultProxy(place.provider.endpoint_url)
    yield Faulty(place, proxy)
    proxy.stop()


@dataclass(frozen=True)
class Operation:
    """Something that is done with a bucket, in a folder that nobody else touches.

    `prepare` gets the bucket without faults and `act` with them; `check` looks at the outcome without them.
    """

    path: str
    prepare: Callable[[Bucket], object]
    act: Callable[[Bucket], object]
    check: Callable[[Bucket], bool]


def nothing(_bucket: Bucket) -> None:
    pass


def holds(frame: pl.DataFrame) -> Callable[[Bucket], bool]:
    return lambda bucket: bucket.read().sort(frame.columns).equals(frame.sort(frame.columns))


def from_here(bucket: Bucket, here: Path) -> None:
    source = LocalProvider(here).bucket("here", path="a.parquet")
    source.write(SALES)
    bucket.copy_from(source)


def operations(here: Path) -> dict[str, Operation]:
    seen: dict[str, pl.DataFrame | list[str]] = {}

    def keep(name: str, use: Callable[[Bucket], pl.DataFrame | list[str]]) -> Callable[[Bucket], object]:
        return lambda bucket: seen.__setitem__(name, use(bucket))

    def folder(bucket: Bucket) -> None:
        for number in range(3):
            bucket.at(f"{bucket.path}{number}.parquet").write(SALES)

    def is_sales(name: str) -> Callable[[Bucket], bool]:
        return lambda _bucket: SALES.equals(seen[name])  # type: ignore[arg-type]  # a frame was kept there

    def write(bucket: Bucket) -> None:
        bucket.write(SALES)

    return {
        "read": Operation("read.parquet", write, keep("read", lambda bucket: bucket.read()), is_sales("read")),
        "scan": Operation("scan.csv", write, keep("scan", lambda bucket: bucket.scan().collect()), is_sales("scan")),
        "write": Operation("write.parquet", lambda bucket: bucket.write(MORE), write, holds(SALES)),
        "multipart": Operation(
            "large.parquet", write, lambda bucket: bucket.write(LARGE, compression="uncompressed"), holds(LARGE)
        ),
        "tree": Operation("tree/", nothing, lambda bucket: bucket.write(SALES, partition_by="city"), holds(SALES)),
        "list": Operation(
            "list/", folder, keep("list", lambda bucket: bucket.list()), lambda _: len(seen["list"]) == 3
        ),
        "delete": Operation("delete/", folder, lambda bucket: bucket.delete(), lambda bucket: not bucket.exists()),
        "copy": Operation(
            "copy.parquet",
            lambda bucket: bucket.at("of/copy.parquet").write(SALES),
            lambda bucket: bucket.copy_from(bucket.at("of/copy.parquet")),
            holds(SALES),
        ),
        "copy here": Operation("copied.parquet", nothing, lambda bucket: from_here(bucket, here), holds(SALES)),
    }


def once_each(fault: Spoil, seen: set[tuple[str, str, str]]) -> Spoil:
    """Spoils the first request of each kind; a part of an upload is one by its number."""

    def spoil(request: Request) -> Fault | None:
        kind = (request.method, request.path, re.sub(r"uploadId=[^&]*|blockid=[^&]*", "", request.query))
        if kind in seen:
            return None
        seen.add(kind)
        return fault(request)

    return spoil


def in_body(fault: Fault) -> Spoil:
    """Spoils bodies of answers where there are such, and loses other answers."""
    return lambda request: fault if request.method == "GET" else Reset(None)


PASSING: dict[str, Spoil] = {
    "503": lambda _request: Refusal(503, SLOW_DOWN),
    "500": lambda _request: Refusal(500, "<Error><Code>InternalError</Code></Error>"),
    "reset": in_body(Reset(30)),
    "truncated": in_body(Truncated(30)),
    "slow": lambda _request: Slow(0.01),
    "silent": lambda request: Silence() if request.method in ("GET", "HEAD") else None,
    "silent in the middle": lambda request: Silence(30) if request.method == "GET" else None,
}


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_is_not_seen(faulty: Faulty, name: str, tmp_path: Path) -> None:
    every = operations(tmp_path)
    if "silent" in name:
        del every["multipart"]  # which keeps the proxy busy for as long as a server may be silent here
    spoiled: set[tuple[str, str, str]] = set()
    for each in every.values():
        each.prepare(faulty.place.declare("out", path=each.path))
    faulty.proxy.fault = once_each(PASSING[name], spoiled)
    with ThreadPoolExecutor(len(every)) as pool:
        timeout = 0.8 if "silent" in name else 20
        done = [pool.submit(each.act, faulty.declare("out", each.path, timeout=timeout)) for each in every.values()]
        failures = {kind: one.exception() for kind, one in zip(every, done, strict=True) if one.exception()}
    assert failures == {}
    assert spoiled
    for kind, each in every.items():
        assert each.check(faulty.place.declare("out", path=each.path)), kind
    top = faulty.place.declare("out", path="./")
    assert faulty.place.leftovers(top) == []


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (400, "InvalidRequest"), (404, "NoSuchBucket")])
def test_what_cannot_change_is_not_tried_again(faulty: Faulty, status: int, code: str, tmp_path: Path) -> None:
    for kind, each in operations(tmp_path).items():
        faulty.proxy.fault = lambda _request: None
        each.prepare(faulty.place.declare("out", path=each.path))
        faulty.proxy.seen.clear()
        faulty.proxy.fault = lambda _request: Refusal(status, f"<Error><Code>{code}</Code></Error>")
        with pytest.raises(StorageError, match=code):
            each.act(faulty.declare("out", each.path))
        asked = Counter((one.method, one.path, one.query) for one in faulty.proxy.seen)
        assert set(asked.values()) == {1}, (kind, asked)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_service_says_when_to_try_again(faulty: Faulty, form: str) -> None:
    for path in "read.json", "delete.json", "list/a.json":
        faulty.place.declare("raw", path=path).write(SALES)
    uses: dict[str, Callable[[], object]] = {
        "read.json": faulty.declare("raw", "read.json").read,
        "write.json": lambda: faulty.declare("raw", "write.json").write(SALES),
        "delete.json": faulty.declare("raw", "delete.json").delete,
        "": faulty.declare("raw", "list/").list,
    }
    first: dict[str, float] = {}
    until = datetime.now(UTC) + timedelta(seconds=2)  # HTTP's dates have whole seconds
    headers = {"Retry-After": "1" if form == "seconds" else format_datetime(until, usegmt=True)}

    def refuse(request: Request) -> Fault | None:
        """Refuses an object's requests for half a second: the first, and the HEAD request that asks how long."""
        began = first.setdefault(request.path, request.at)
        return Refusal(503, SLOW_DOWN, headers) if request.at < began + 0.5 else None

    faulty.proxy.fault = refuse
    with ThreadPoolExecutor(len(uses)) as pool:
        for done in [pool.submit(use) for use in uses.values()]:
            done.result()
    for name in uses:
        asked = [one for one in faulty.proxy.seen if one.path.endswith("-raw/" + name if name else "-raw")]
        early = [one.method for one in asked[1:] if one.at < asked[0].at + 0.95]
        assert early == (["HEAD"] if name else []), name
        assert len(asked) > 1 + len(early)


def test_a_condition_holds_though_an_answer_is_lost(faulty: Faulty) -> None:
    """The second try finds the object that the first has made."""
    bucket = faulty.declare("raw", "lease.json")
    faulty.proxy.fault = once_each(lambda request: Reset(None) if request.method == "PUT" else None, set())
    assert bucket.store.put("raw", "lease.json", b"mine", "nothing")
    assert not bucket.store.put("raw", "lease.json", b"another's", "nothing")
    seen = bucket.store.small("raw", "lease.json")
    assert seen is not None
    assert seen.content == b"mine"
    faulty.proxy.fault = once_each(lambda request: Reset(None) if request.method == "PUT" else None, set())
    assert bucket.store.put("raw", "lease.json", b"mine, later", seen)
    assert not bucket.store.put("raw", "lease.json", b"another's", seen)


def test_a_pause_that_is_too_long_is_an_error(faulty: Faulty) -> None:
    faulty.proxy.fault = lambda _request: Refusal(503, SLOW_DOWN, {"Retry-After": "300"})
    began = time.monotonic()
    with pytest.raises(StorageError) as caught:
        faulty.declare("out", "a.parquet").write(SALES)
    assert time.monotonic() - began < 5
    name = faulty.place.declare("out", path="a.parquet").uri
    assert caught.value.message.endswith(
        f"refused to write `{name}` (SlowDown): it is asked too often, and asks for a pause of 300 seconds"
    )


def test_there_is_a_last_try(faulty: Faulty, tmp_path: Path) -> None:
    """Whatever does not pass ends in time, and the error says of what, at which try, and why."""
    verbs = {
        "read": "read", "scan": "read", "write": "write", "multipart": "write", "tree": "write", "list": "(list|read)",
        "delete": "list", "copy": "read", "copy here": "write",
    }  # fmt: skip
    limit = 0.4
    every = operations(tmp_path)
    for each in every.values():
        each.prepare(faulty.place.declare("out", path=each.path))
    faulty.proxy.fault = lambda _request: Refusal(503, SLOW_DOWN)
    began = time.monotonic()
    with ThreadPoolExecutor(len(every)) as pool:
        buckets = {kind: faulty.declare("out", each.path, timeout=limit) for kind, each in every.items()}
        done = {kind: pool.submit(each.act, buckets[kind]) for kind, each in every.items()}
        failures = {kind: one.exception() for kind, one in done.items()}
    assert time.monotonic() - began < 20 * limit
    for kind, failure in failures.items():
        assert isinstance(failure, StorageError), (kind, failure)
        container = re.escape(faulty.place.provider.name_prefix + "out")
        form = rf"refused to {verbs[kind]} `\w+://.*{container}.*/.*` \((SlowDown|503), \d+ tries\): it is "
        assert re.search(form, failure.message), failure.message
        assert failure.site is not None


def test_a_trickle_ends(faulty: Faulty) -> None:
    raw = faulty.place.declare("raw", path="a.json")
    raw.write(SALES)
    faulty.proxy.fault = lambda request: Slow(0.15) if request.method == "GET" else None
    began = time.monotonic()
    with pytest.raises(StorageError, match=r"no answer within 0\.1 seconds|broke in the middle"):
        faulty.declare("raw", "a.json", timeout=0.1).read()
    assert time.monotonic() - began < 5


def test_a_scan_whose_store_fails_says_which(faulty: Faulty) -> None:
    """Polars reads and tries again by itself; its own error names what was asked for, how often, and the code."""
    raw = faulty.declare("raw", "a.parquet", timeout=0.2)
    raw.write(SALES)
    plan = raw.scan()
    faulty.proxy.fault = lambda _request: Refusal(503, SLOW_DOWN)
    with pytest.raises(OSError, match=r"(?s)GET|HEAD") as caught:
        plan.collect()
    assert re.search(r"raw.*a(\.|%2E)parquet.*after \d+ retries.*503", str(caught.value))


class Gone:
    """From the nth request on, or at the nth alone, the store refuses, or its answers are lost."""

    def __init__(self, number: int, how: str) -> None:
        self.number, self.how, self.asked = number, how, 0

    def __call__(self, _request: Request) -> Fault | None:
        self.asked += 1
        if self.asked <= self.number or (self.how == "refuses once" and self.asked > self.number + 1):
            return None
        return Reset(None) if self.how == "is lost" else Refusal(403, "<Error><Code>AccessDenied</Code></Error>")


def written(path: str, frame: pl.DataFrame, bucket: Bucket) -> None:
    """Writes a frame to an object in one request, to one in parts, or to a tree."""
    match path:
        case "parts.parquet":
            bucket.write(LARGE.hstack(frame[LARGE["row"] % frame.height]), compression="uncompressed")
        case _:
            bucket.write(frame, partition_by="city" if path == "tree/" else None)


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("one.parquet", "is lost"), ("parts.parquet", "refuses"), ("tree/", "is lost"), ("tree/", "refuses"),
        ("tree/", "refuses once"),
    ],
)  # fmt: skip
def test_nothing_is_half_published(faulty: Faulty, path: str, how: str) -> None:
    """Whichever request it is at which a store fails, readers have the old data or the new."""
    old, new = SALES.select("city", "id"), MORE.select("city", "id")
    for number in range(60):
        target = faulty.place.declare("out", path=f"{number}/{path}")
        broken = faulty.declare("out", target.path, timeout=0.1 if how == "is lost" else 20)
        written("tree/" if path == "tree/" else "", old, target)
        faulty.proxy.fault = gone = Gone(number, how)
        try:
            written(path, new, broken)
        except StorageError:
            is_done = False
        else:
            is_done = True
        seen = target.scan().select("city", "id").unique().sort("id").collect().rows()
        assert seen in ([new.rows()] if is_done else [old.rows(), new.rows()]), number
        if is_done and gone.asked <= number:
            return
    raise AssertionError("it was never done")
