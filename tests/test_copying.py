"""Copies from one store to another."""

# Polars' signatures name numpy's types, and numpy is not installed.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from function_servers import serving
from gcs_server import GoogleStorage
from glacier import Bucket, pipeline, task
from glacier.errors import ObjectNotFound, StorageError, TaskError
from glacier.providers import GCPProvider, LocalProvider, gcp_checksums, gcp_credentials
from glacier.testing import MemoryProvider
from stores import Place, place_of

GOOGLE_AUTH: Any = import_module("google.auth")  # which says little of its types

SALES = pl.DataFrame({"city": ["Köln", "Oslo", "Köln"], "id": [1, 2, 3], "amount": [9.5, None, 3.0]})


def test_copies_between_stores(cloud: Place, tmp_path: Path) -> None:
    here = LocalProvider(tmp_path / "here")
    here.bucket("raw", path="2024/a.parquet").write(SALES)
    here.bucket("raw", path="2024/sub/b.csv").write(SALES)
    here.bucket("raw", path="2024/_log/c.json").write(SALES)
    there = cloud.declare("out", path="all/")
    there.at("all/old.parquet").write(SALES)
    there.copy_from(here.bucket("raw", path="2024/"))
    assert there.list() == ["all/_log/c.json", "all/a.parquet", "all/sub/b.csv"]
    back = here.bucket("back", path="x.parquet")
    back.copy_from(there.at("all/a.parquet"))
    assert_frame_equal(back.read(), SALES)
    assert Path(back.uri).read_bytes() == Path(here.bucket("raw", path="2024/a.parquet").uri).read_bytes()
    back.at("globbed/").copy_from(there.at("all/**/*.csv"))
    assert back.at("./").list() == ["globbed/sub/b.csv", "x.parquet"]
    second = cloud.declare("sales", path="a.parquet")
    second.write(SALES.head(1))
    second.copy_from(there.at("all/a.parquet"))
    assert_frame_equal(second.read(), SALES)
    assert cloud.keys(second) == ["a.parquet"]
    assert cloud.leftovers(there) == []


def test_a_copy_of_many_blocks(cloud: Place, tmp_path: Path) -> None:
    here = LocalProvider(tmp_path).bucket("raw", path="a.parquet")
    rows = pl.LazyFrame().select(i=pl.int_range(7_000_000, dtype=pl.Int64)).select(pl.col("i").hash())
    here.write(rows, compression="uncompressed")
    there = cloud.declare("out", path="a.parquet")
    there.copy_from(here)
    back = here.at("b.parquet")
    back.copy_from(there)
    assert Path(back.uri).read_bytes() == Path(here.uri).read_bytes()


def test_a_copy_of_what_grows_meanwhile_is_none(google: GoogleStorage, tmp_path: Path) -> None:
    source = GCPProvider(endpoint_url=google.url).bucket("raw", path="x.csv")
    google.state.put("raw", "x.csv", b"old\n" * 25)
    heads = count(1)

    def grow(method: str, key: str) -> None:
        if method == "HEAD" and key == "x.csv" and next(heads) == 2:  # after it was found
            google.state.put("raw", "x.csv", b"newer\n" * 100)

    google.state.refuse = grow
    target = LocalProvider(tmp_path).bucket("out", path="x.csv")
    with pytest.raises(StorageError, match="it was overwritten while it was read"):
        target.copy_from(source)
    assert not target.exists()
    target.copy_from(source)
    assert Path(target.uri).read_bytes() == b"newer\n" * 100


def test_a_copy_between_servers_may_keep_the_name(google: GoogleStorage) -> None:
    other = GoogleStorage()
    other.state.create("raw")
    there, here = (GCPProvider(endpoint_url=each.url).bucket("raw", path="a.csv") for each in (google, other))
    there.write(SALES)
    here.copy_from(there)
    assert_frame_equal(here.read(), SALES)


def test_a_copy_that_fails_reads_no_further(google: GoogleStorage, tmp_path: Path) -> None:
    for number in range(100):
        google.state.put("raw", f"d/{number:03}.csv", b"a\n1\n")
    read: list[str] = []

    def refuse(method: str, key: str) -> tuple[int, str] | None:
        if method == "GET" and key:
            read.append(key)
        return (403, "AccessDenied") if method == "GET" and key == "d/000.csv" else None

    google.state.refuse = refuse
    target = LocalProvider(tmp_path).bucket("out", path="all/")
    with pytest.raises(StorageError, match="do not allow it to read"):
        target.copy_from(GCPProvider(endpoint_url=google.url).bucket("raw", path="d/"))
    assert len(read) < 50
    assert not target.exists()


def test_copies_that_are_refused(tmp_path: Path) -> None:
    raw = LocalProvider(tmp_path).bucket("raw", path="a.csv")
    raw.write(SALES)
    raw.at("b.csv").write(SALES)
    for target, source, message in [
        (raw.at("c.parquet"), raw, "bucket `raw` cannot take `a.csv` as `c.parquet`: a copy changes no format"),
        (raw.at("c.csv"), raw.at("*.csv"), "bucket `raw` cannot take 2 objects of `raw/*.csv`: `c.csv` is one file"),
        (raw.at("*.csv"), raw, "bucket `raw` cannot be written: `*.csv` is a glob"),
        (raw, raw, "bucket `raw` cannot be copied onto itself"),
    ]:
        with pytest.raises(StorageError) as caught:
            target.copy_from(source)
        assert caught.value.message == message
    with pytest.raises(ObjectNotFound, match=r"it holds `a\.csv`, `b\.csv`"):
        raw.at("d.csv").copy_from(raw.at("c.csv"))
    assert raw.at("./").list() == ["a.csv", "b.csv"]


@pytest.mark.parametrize("known", [True, False])
def test_what_google_tells_of_an_object_is_not_read_back(
    google: GoogleStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    source = LocalProvider(tmp_path).bucket("raw", path="a.csv")
    source.write(SALES)
    target = GCPProvider(endpoint_url=google.url).bucket("raw", path="a.csv")
    monkeypatch.setattr(gcp_checksums, "is_known", lambda: known)
    asked: list[tuple[str, str]] = []
    google.state.refuse = lambda method, key: asked.append((method, key))
    target.copy_from(source)
    staged = [method for method, key in asked if ".glacier-" in key and method in ("GET", "HEAD")]
    assert ("GET" in staged) is not known
    assert_frame_equal(target.read(), SALES)


@pytest.fixture
def nobody_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in gcp_credentials._OTHERS:
        monkeypatch.delenv(name, raising=False)
    gcp_credentials._found.cache_clear()
    yield
    gcp_credentials._found.cache_clear()


@pytest.mark.usefixtures("nobody_known")
def test_google_is_asked_for_checksums_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    class Credentials:
        valid, token, expiry = False, "t0ken", None

        def refresh(self, _session: object) -> None:
            self.valid = True

    def robot(scopes: object) -> tuple[Credentials, object]:
        return Credentials(), scopes

    monkeypatch.setattr(GOOGLE_AUTH, "default", robot)
    with serving() as server:
        server.answer((200, {"x-goog-hash": "crc32c=AAAAAQ==", "x-goog-stored-content-length": "7"}, b""))
        assert gcp_checksums.stored(server.url + "/raw/a.csv", 5, plain=False) == (7, 1)
        assert [(one.method, one.headers["authorization"]) for one in server.asked] == [("HEAD", "Bearer t0ken")]
        for status, hashes in (403, "crc32c=AAAAAQ=="), (200, "md5=AAAA"):
            server.answer((status, {"x-goog-hash": hashes}, b""))
            assert gcp_checksums.stored(server.url + "/raw/a.csv", 5, plain=False) is None
    assert gcp_checksums.stored(server.url + "/raw/a.csv", 5, plain=True) is None  # nobody is there any more

    def nobody(scopes: object) -> None:
        raise GOOGLE_AUTH.exceptions.DefaultCredentialsError(scopes)

    gcp_credentials._found.cache_clear()
    monkeypatch.setattr(GOOGLE_AUTH, "default", nobody)
    with serving() as server:
        server.answer((200, {"x-goog-hash": "crc32c=AAAAAQ==", "x-goog-stored-content-length": "7"}, b""))
        assert gcp_checksums.stored(server.url + "/raw/a.csv", 5, plain=False) is None
        monkeypatch.setattr(GOOGLE_AUTH, "default", robot)
        assert gcp_checksums.stored(server.url + "/raw/a.csv", 5, plain=False) is None  # it is looked for once
        gcp_credentials._found.cache_clear()
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", "robot.json")
        assert gcp_checksums.stored(server.url + "/raw/a.csv", 5, plain=False) is None  # the store has another one's
        assert server.asked == []


@pytest.mark.parametrize("known", [True, False])
def test_a_copy_that_arrives_otherwise_is_not_published(
    google: GoogleStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    monkeypatch.setattr(gcp_checksums, "is_known", lambda: known)
    source = LocalProvider(tmp_path).bucket("raw", path="a.csv")
    source.write(SALES)
    target = GCPProvider(endpoint_url=google.url).bucket("raw", path="a.csv")
    target.write(SALES.head(1))

    def spoil(method: str, key: str) -> None:
        if method == "HEAD" and ".glacier-" in key:
            blobs = google.state.buckets["raw"]
            blobs[key] = google.state.put("raw", key, b"x" * len(blobs[key].content))

    google.state.refuse = spoil
    with pytest.raises(StorageError, match=r"`.*a\.csv` did not arrive as sent: \d+ bytes of \d+"):
        target.copy_from(source)
    google.state.refuse = lambda _method, _key: None
    assert_frame_equal(target.read(), SALES.head(1))
    assert sorted(google.state.buckets["raw"]) == ["a.csv"]


def test_one_pipeline_over_several_clouds(tmp_path: Path) -> None:
    first, second = place_of("s3", tmp_path), place_of("gcs", tmp_path)
    raw = first.declare("raw", path="day.parquet")
    staging, report = second.declare("raw", path="day.parquet"), second.declare("out", path="report.parquet")
    raw.write(SALES)

    @task
    def bring(target: Bucket, source: Bucket) -> None:
        target.copy_from(source)

    @task
    def total(source: Bucket) -> pl.LazyFrame:
        return source.scan().select(pl.col("amount").sum())

    @pipeline
    def across() -> None:
        bring(staging, raw)
        report.write(total(staging))
        report.at("copy.parquet").copy_from(report)

    analysis = across.run(mode="analyze")
    assert analysis["execution_levels"] == [["bring"], ["total"], ["out.write"], ["out.copy_from"]]
    assert [(each["name"], each["read_by"], each["written_by"]) for each in analysis["resources"]] == [
        ("raw/day.parquet", ["total"], ["bring"]),
        ("raw/day.parquet", ["bring"], []),
        ("out/report.parquet", ["out.copy_from"], ["out.write"]),
        ("out/copy.parquet", [], ["out.copy_from"]),
    ]
    across.run()
    assert report.at("copy.parquet").read().item() == 12.5


def test_a_check_follows_a_copy(tmp_path: Path) -> None:
    provider = LocalProvider(tmp_path)
    columns = {"id": pl.Int64, "amount": pl.Float64}
    raw = provider.bucket("raw", path="day.parquet", schema=columns)
    text = provider.bucket("raw", path="day.csv", schema=columns)
    here, there = (provider.bucket("staging", path=path) for path in ("day.parquet", "day.csv"))

    @pipeline
    def copied() -> tuple[pl.LazyFrame, pl.LazyFrame]:
        here.copy_from(raw)
        there.copy_from(source=text)
        return here.scan(), there.scan()

    check = copied.check()
    assert {source.name: source.origin for source in check.sources} == {
        "raw/day.parquet": "declared",
        "raw/day.csv": "declared",
        "staging/day.parquet": "written by `staging.copy_from[day.parquet]`",
        "staging/day.csv": "`staging.copy_from[day.csv]` copies it as csv, which does not keep dtypes",
    }
    assert [entry.name for entry in tmp_path.iterdir()] == []


@task
def copies_what_it_declares(target: Bucket) -> None:
    target.copy_from(MemoryProvider().bucket("raw", path="day.parquet"))


def test_a_run_holds_a_copy_to_what_was_seen(tmp_path: Path) -> None:
    target = LocalProvider(tmp_path).bucket("staging", path="day.parquet")

    @pipeline
    def across() -> None:
        copies_what_it_declares(target)

    with pytest.raises(TaskError, match=r"may not `copy_from` `raw/day.parquet`: its code was not seen to touch it"):
        across.run()
