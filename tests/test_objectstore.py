"""How buckets in object stores fail, fall silent and are interrupted: what a reader sees is whole, and soon told."""

# Polars' signatures name numpy's types, and numpy is not installed.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import pickle
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gcs_server import GoogleStorage
from glacier.errors import StorageError
from glacier.providers import AWSProvider, AzureProvider, GCPProvider
from glacier.providers.container import Container
from glacier.resources.store import Entry
from stores import ACCOUNT, Place, boto, dead_name, gcs_server, place_of

SALES = pl.DataFrame({"city": ["Köln", "Oslo", "Köln"], "id": [1, 2, 3], "amount": [9.5, None, 3.0]})


def failing() -> pl.LazyFrame:
    """A plan that writes some rows and then fails."""
    rows = pl.LazyFrame({"text": [str(n) for n in range(50_000)] + ["not a number"]})
    return rows.with_columns(n=pl.col("text").cast(pl.Int64), k=pl.col("text").str.len_chars())


@pytest.mark.parametrize(("path", "keys"), [("a.parquet", None), ("a.csv", None), ("tree/", "k")])
def test_a_hundred_failing_plans(cloud: Place, path: str, keys: str | None) -> None:
    target = cloud.declare("out", path=path)
    target.write(SALES.with_columns(k=pl.lit("x")), partition_by=keys)
    before, old = cloud.keys(target), target.read()
    for _ in range(100):
        with pytest.raises(pl.exceptions.InvalidOperationError):
            target.write(failing(), partition_by=keys)
        assert cloud.keys(target) == before
    assert_frame_equal(target.read(), old)
    time.sleep(0.2)  # Polars' threads have been seen to write after the error was raised
    assert cloud.keys(target) == before


def large(rows: int, *, fails: bool = False) -> pl.LazyFrame:
    """A plan of 40 bytes a row that do not compress."""
    columns = {f"c{n}": pl.col("i").hash(n) for n in range(5)}
    last = pl.when(pl.col("i") == rows - 1).then(pl.lit("x")).otherwise(pl.lit("1")).cast(pl.Int64)
    plan = pl.LazyFrame().select(i=pl.int_range(rows, dtype=pl.Int64)).with_columns(**columns)
    return plan.with_columns(last=last) if fails else plan


def uploads_of(cloud: Place) -> list[Any]:
    """What the store holds of uploads that were never completed."""
    name = cloud.provider.name_prefix + "out"
    if cloud.kind in ("s3", "seaweedfs"):
        return list(boto(cloud.provider.endpoint_url).list_multipart_uploads(Bucket=name).get("Uploads", []))
    return [each for each in gcs_server().state.uploads if each.startswith(name)]


def test_a_large_plan_that_fails_leaves_no_upload(cloud: Place) -> None:
    target = cloud.declare("out", path="a.parquet")
    target.write(SALES)
    with pytest.raises(pl.exceptions.InvalidOperationError):
        target.write(large(1_500_000, fails=True), compression="uncompressed", row_group_size=50_000)
    assert_frame_equal(target.read(), SALES)
    assert uploads_of(cloud) == []
    target.write(large(1_500_000), compression="uncompressed")
    assert target.scan().select(pl.len()).collect().item() == 1_500_000


KILLED = """
import os, pickle, sys, threading
import polars as pl
target = pickle.loads(bytes.fromhex(sys.argv[1]))
threading.Thread(target=lambda: sys.stdin.read() and None or os._exit(9), daemon=True).start()
def tell(frame):
    if frame["i"][-1] > 500_000:
        print("half", flush=True)
    return frame
rows = pl.LazyFrame().select(i=pl.int_range(50_000_000)).with_columns(h=pl.col("i").hash(1))
target.write(rows.map_batches(tell, streamable=True), compression="uncompressed", partition_by=sys.argv[2:] or None)
"""


@pytest.mark.parametrize("keys", [[], ["k"]])
def test_a_killed_write_leaves_nothing_visible(cloud: Place, keys: list[str]) -> None:
    target = cloud.declare("out", path="tree/" if keys else "a.parquet")
    target.write(SALES)
    script = KILLED.replace(".map_batches", ".with_columns(k=pl.col('i') // 1_000_000).map_batches")
    process = subprocess.Popen(
        [sys.executable, "-c", script, pickle.dumps(target).hex(), *keys],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("half")  # of two threads, maybe
    time.sleep(1)
    process.kill()
    process.communicate()
    assert_frame_equal(target.read(), SALES)
    target.at("./").cleanup()
    assert cloud.leftovers(target) == []
    assert_frame_equal(target.read(), SALES)


def test_a_tree_changes_as_one(cloud: Place) -> None:
    tree = cloud.declare("out", path="tree/")
    for name in "old-1", "old-2", "new-1", "new-2":
        tree.at(f"tree/{name}.parquet").write(pl.DataFrame({"n": [name]}))
    note = cloud.declare("out", path=f"tree/{dead_name()}/journal", format="json")
    staged = note.at(note.path.replace("journal", "x.parquet"))
    new, old = (f'["tree/{name}-1.parquet", "tree/{name}-2.parquet"]' for name in ("new", "old"))
    body = f'{{"state": "%s", "new": {new}, "old": {old}}}'
    cloud.put(staged, b"half")

    cloud.put(note, (body % "publishing").encode())
    assert tree.read()["n"].to_list() == ["old-1", "old-2"]
    assert tree.at("./").list() == ["tree/old-1.parquet", "tree/old-2.parquet"]
    cloud.put(note, (body % "published").encode())
    assert tree.read()["n"].to_list() == ["new-1", "new-2"]
    assert tree.at("*/*.parquet").list() == ["tree/new-1.parquet", "tree/new-2.parquet"]
    tree.cleanup()  # the writer is gone, and what it published is brought to its end
    assert cloud.keys(tree) == ["tree/new-1.parquet", "tree/new-2.parquet"]

    cloud.put(note, (body % "publishing").encode())
    assert not tree.exists()
    tree.cleanup()
    assert cloud.keys(tree) == []


def test_a_tree_whose_publishing_fails_is_the_old_one(google: GoogleStorage) -> None:
    tree = GCPProvider(endpoint_url=google.url).bucket("raw", path="tree/")
    tree.write(SALES, partition_by="city")
    before, old = sorted(google.state.buckets["raw"]), tree.read()
    copies: list[str] = []

    def refuse(method: str, key: str) -> tuple[int, str] | None:
        if method == "PUT" and "/city=" in key and ".glacier-" not in key:
            copies.append(key)
            return (403, "AccessDenied") if len(copies) > 1 else None
        return None

    google.state.refuse = refuse
    with pytest.raises(StorageError, match="do not allow it to copy there"):
        tree.write(SALES.with_columns(id=pl.col("id") + 10), partition_by="city")
    assert len(copies) == 2
    assert sorted(google.state.buckets["raw"]) == before
    assert_frame_equal(tree.read(), old)


def test_a_glob_is_deleted_by_the_names_that_match(cloud: Place) -> None:
    bucket = cloud.declare("raw", path="e/*.parquet")
    for path in "e/x.parquet", "e/x.parquet/part-0.parquet", "e/y.csv":
        cloud.put(bucket.at(path), b"1")
    bucket.delete()
    assert bucket.at("e/").list() == ["e/x.parquet/part-0.parquet", "e/y.csv"]


def test_a_glob_is_deleted_without_a_look_at_each_match(google: GoogleStorage) -> None:
    asked: list[str] = []

    def note(method: str, key: str) -> None:
        asked.append(f"{method} {key}".strip())

    for number in range(20):
        google.state.put("raw", f"e/{number}.csv", b"1")
    google.state.refuse = note
    GCPProvider(endpoint_url=google.url).bucket("raw", path="e/*.csv").delete()
    assert sorted(asked) == [*sorted(f"DELETE e/{number}.csv" for number in range(20)), "GET"]


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_a_folder_that_a_console_made_is_no_object(kind: str, tmp_path: Path) -> None:
    """Consoles put an empty object `day/`, which the client library cannot name: to it, it is called `day`."""
    place = place_of(kind, tmp_path)
    tree = place.declare("raw", path="tree/")
    tree.write(SALES, partition_by="city")
    for marker in "tree/", "tree/city=Oslo/", "tree/city=Rom/":
        if kind == "gcs":
            gcs_server().state.put(place.provider.name_prefix + "raw", marker, b"")
        else:
            boto(place.provider.endpoint_url).put_object(
                Bucket=place.provider.name_prefix + "raw", Key=marker, Body=b""
            )
    assert tree.read().height == 3
    place.put(tree.at("tree"), b"an object of the name that the folder's would have")
    tree.delete()
    assert not tree.exists()
    assert tree.at("./").list() == ["tree"]


def test_names_of_a_users_that_look_like_those_of_what_is_staged(cloud: Place) -> None:
    bucket = cloud.declare("raw", path=".glacier-cache/x.csv")
    cloud.put(bucket, b"a\n1\n")
    bucket.at("./").cleanup()
    assert bucket.at(".glacier-cache/").list() == [".glacier-cache/x.csv"]


def test_a_copy_that_a_store_makes_later_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure may answer that it copies, and have an empty blob there until it has."""
    place = place_of("azure", tmp_path)
    tree = place.declare("out", path="tree/")
    found, asked, times = Container.found, list[str](), 3

    def later(self: Container, key: str) -> Entry | None:
        there = found(self, key)
        if there is None or ".glacier-" in key:
            return there
        asked.append(key)
        return replace(there, size=0) if asked.count(key) < times else there

    monkeypatch.setattr(Container, "found", later)
    tree.write(SALES, partition_by="city")
    assert sorted(asked.count(key) for key in set(asked)) == [3, 3]
    assert set(asked) == set(tree.list())
    times = 1_000
    slow = replace(place.provider, timeout=0.3).bucket("out", path="tree/")
    with pytest.raises(StorageError, match=r"Azure Blob has not copied .* within 0\.3 seconds"):
        slow.write(SALES, partition_by="city")


def test_more_objects_than_a_page(cloud: Place) -> None:
    top = cloud.declare("out", path="./")
    names = [f"many/{number:04}.csv" for number in range(1203)]
    with_threads(lambda name: cloud.put(top.at(name), b"n\n1\n"), names)
    cloud.put(top.at("many-not.csv"), b"n\n1\n")
    many = cloud.declare("out", path="many/", format="csv")
    assert many.list() == names
    many.delete()
    assert top.list() == ["many-not.csv"]


def with_threads(step: Callable[[str], None], names: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(step, names))


@pytest.fixture
def silent() -> Generator[str]:
    """The address of a server that accepts and never answers."""
    server = socket.create_server(("127.0.0.1", 0), backlog=100)
    held: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                held.append(server.accept()[0])
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()
    for connection in held:
        connection.close()


@pytest.mark.parametrize("kind", ["s3", "gcs", "azure"])
def test_nothing_waits_for_ever(kind: str, silent: str) -> None:
    limit = 0.3
    provider: Any
    match kind:
        case "s3":
            provider = AWSProvider(region="us-east-1", endpoint_url=silent, timeout=limit)
        case "gcs":
            provider = GCPProvider(endpoint_url=silent, timeout=limit)
        case _:
            provider = AzureProvider(storage_account=ACCOUNT, endpoint_url=f"{silent}/{ACCOUNT}", timeout=limit)
    raw = provider.bucket("raw", path="a.parquet")
    other = provider.bucket("raw", path="b.parquet")
    uses: list[Callable[[], object]] = [
        raw.exists, raw.list, raw.read, raw.delete, raw.cleanup, raw.at("day/").list, raw.at("*.csv").exists,
        lambda: raw.write(SALES), lambda: raw.at("day/").write(SALES, partition_by="id"), lambda: raw.copy_from(other),
    ]  # fmt: skip
    plans = [
        pl.scan_parquet([raw.uri], **raw.store.reach(), glob=False),
        pl.scan_csv([raw.uri], **raw.store.reach(), glob=False),
        pl.scan_ndjson([raw.uri], **raw.store.reach()),
        pl.LazyFrame({"n": [1]}).sink_parquet(raw.uri, lazy=True, **raw.store.reach()),
    ]

    def failure(use: Callable[[], object]) -> tuple[BaseException, float]:
        began = time.monotonic()
        with pytest.raises((StorageError, TimeoutError, OSError, pl.exceptions.ComputeError)) as caught:
            use()
        return caught.value, time.monotonic() - began

    with ThreadPoolExecutor(len(uses) + len(plans)) as pool:
        told = list(pool.map(failure, [*uses, *(plan.collect for plan in plans)]))
    for error, seconds in told[: len(uses)]:
        assert isinstance(error, StorageError)
        assert "no answer within 0.3 seconds" in error.message
        assert error.site is not None
        assert seconds < 30 * limit
    assert max(seconds for _, seconds in told) < 90 * limit


def test_a_read_whose_server_falls_silent(google: GoogleStorage) -> None:
    raw = GCPProvider(endpoint_url=google.url, timeout=0.3).bucket("raw", path="a.parquet")
    raw.write(SALES)
    plan = raw.scan()
    began = time.monotonic()

    def stall(_method: str, _key: str) -> None:
        time.sleep(max(0.0, began + 30 - time.monotonic()))

    google.state.refuse = stall
    with pytest.raises((TimeoutError, OSError, pl.exceptions.ComputeError)):
        plan.collect()
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("status", "code", "message", "fix"),
    [
        (404, "NoSuchBucket", "refused to list `gs://raw/day/` (NoSuchBucket): there is no bucket `raw`",
         "create it, or correct its name; a name with existing=True is taken as it is, without prefix"),
        (403, "AccessDenied", "refused to list `gs://raw/day/` (AccessDenied): the credentials do not allow it to list "
         "there", "allow this process's identity to list objects of `raw`"),
        (403, "SignatureDoesNotMatch", "refused to list `gs://raw/day/` (SignatureDoesNotMatch): it does not know the "
         "credentials", "check them: they are looked for in GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth "
         "application-default login`, the metadata service"),
        (403, "RequestTimeTooSkewed", "refused to list `gs://raw/day/` (RequestTimeTooSkewed): this machine's clock is "
         "wrong", "set the clock, by NTP say; signatures hold for 15 minutes"),
        (400, "ExpiredToken", "refused to list `gs://raw/day/` (ExpiredToken): the credentials have expired",
         "sign in again, or let the environment renew them"),
        (400, "AuthorizationHeaderMalformed", "refused to list `gs://raw/day/` (AuthorizationHeaderMalformed): bucket "
         "`raw` is in another region", "pass the bucket's own region= to the provider"),
        (503, "SlowDown", "refused to list `gs://raw/day/` (SlowDown, 3 tries): it is asked too often",
         "run fewer tasks at once (max_workers=), or spread the keys over prefixes"),
        (418, "Teapot", "refused to list `gs://raw/day/` (Teapot): it could not do it",
         "try again; if it stays, look the code up in the service's documentation"),
    ],
)  # fmt: skip
def test_what_a_service_refuses(google: GoogleStorage, status: int, code: str, message: str, fix: str) -> None:
    asked: list[str] = []

    def refuse(method: str, key: str) -> tuple[int, str]:
        asked.extend([key] if method != "HEAD" else [])
        return status, code

    google.state.refuse = refuse
    day = GCPProvider(endpoint_url=google.url, timeout=0.5).bucket("raw", path="day/")
    with pytest.raises(StorageError) as caught:
        day.list()
    assert day.site is not None
    told = re.sub(r"\d+ tries", "3 tries", str(caught.value))
    assert told == f"Cloud Storage {message}\n  at {day.site}\n     day = {day.site.text[6:]}\n  Fix: {fix}"
    assert (len(asked) > 1) == (status == 503)  # what cannot change is not tried again


def test_a_fault_that_passes_is_not_seen(google: GoogleStorage) -> None:
    raw = GCPProvider(endpoint_url=google.url).bucket("raw", path="a.parquet")
    seen: dict[tuple[str, str], int] = {}

    def refuse(method: str, key: str) -> tuple[int, str] | None:
        seen[method, key] = seen.get((method, key), 0) + 1
        return (503, "ServiceUnavailable") if seen[method, key] == 1 else None

    google.state.refuse = refuse
    raw.write(SALES)
    assert_frame_equal(raw.read(), SALES)
    assert raw.list() == ["a.parquet"]
    assert all(tries > 1 for tries in seen.values())


def test_a_bucket_that_is_not_there(cloud: Place) -> None:
    never = cloud.declare("never", path="a.parquet")
    title = {"s3": "S3", "seaweedfs": "S3", "gcs": "Cloud Storage", "azure": "Azure Blob"}[cloud.kind]
    for use in never.at("./").list, lambda: never.write(SALES):
        with pytest.raises(StorageError) as caught:
            use()
        name = cloud.provider.name_prefix + "never"
        assert caught.value.message.startswith(f"{title} refused to ")
        assert caught.value.message.endswith(f": there is no bucket `{name}`")


LARGE = """
import pickle, re, sys
from pathlib import Path
import polars as pl
target = pickle.loads(bytes.fromhex(sys.argv[1]))
some = pl.DataFrame({"i": pl.int_range(500_000, dtype=pl.Int64, eager=True)}).lazy()  # all of the rows would be held
rows = pl.concat([some.with_columns(pl.col("i") + first * 500_000) for first in range(int(sys.argv[2]))])
target.write(rows.with_columns(**{f"c{n}": pl.col("i").hash(n) for n in range(9)}))
status = Path("/proc/self/status").read_text()  # Linux's; getrusage would count what the parent process had
print(re.search(r"VmHWM:\\s*(\\d+)", status)[1])
"""


def test_memory_stays_flat_while_a_large_result_is_written(tmp_path: Path) -> None:
    """A result that is four times as large takes no more of it, and a third of its size."""
    target = place_of("seaweedfs", tmp_path).declare("out", path="a.parquet")
    peaks: list[int] = []
    sizes: list[int] = []
    for pieces in 10, 40:
        command = [sys.executable, "-c", LARGE, pickle.dumps(target).hex(), str(pieces)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) * 1024)
        sizes += [entry.size for entry in target.store.entries("out", "a.parquet")]
    assert sizes[1] > max(1.4e9, 3.9 * sizes[0])
    assert peaks[1] < peaks[0] + 150e6  # what is on its way to the server varies, by 64 MB and what an allocator keeps
    assert peaks[1] < 0.5e9
