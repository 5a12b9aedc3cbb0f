"""One suite over every provider: what a bucket promises wherever it lies."""

# Polars' signatures name numpy's types, and numpy is not installed.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from glacier.errors import ConfigError, ObjectNotFound, SchemaError, StorageError
from glacier.providers import LocalProvider
from glacier.resources.bucket import Bucket
from stores import CLOUDS, Place, dead_name, place_of

if TYPE_CHECKING:
    from glacier.resources.formats import Format

Declare = Callable[..., Bucket]

SALES = pl.DataFrame({"city": ["Köln", "Oslo", "Köln"], "id": [1, 2, 3], "amount": [9.5, None, 3.0]})
PATHS = [
    "a.parquet", "a.pq", "a.csv", "a.csv.gz", "a.csv.zst", "a.tsv", "a.tsv.gz", "a.ndjson", "a.jsonl", "a.ndjson.gz",
    "a.jsonl.zst", "a.json", "a.arrow", "a.ipc", "a.feather", "a.avro", "deep/er/A.PARQUET", "sp ace/ü 名.csv", "day/",
    "day",
]  # fmt: skip


@pytest.fixture(params=["local", "memory", *CLOUDS])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place to keep buckets; other providers join in `stores.py`."""
    return place_of(request.param, tmp_path)


@pytest.fixture
def bucket(place: Place) -> Declare:
    """Declares buckets on the provider under test."""
    return place.declare


def failing() -> pl.LazyFrame:
    """A plan that writes some rows and then fails."""
    rows = pl.LazyFrame({"text": [str(n) for n in range(50_000)] + ["not a number"]})
    return rows.with_columns(n=pl.col("text").cast(pl.Int64), k=pl.col("text").str.len_chars())


def raising() -> pl.LazyFrame:
    def stop(frame: pl.DataFrame) -> pl.DataFrame:
        raise KeyError("stop")

    return pl.LazyFrame({"k": [1, 2]}).map_batches(stop)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("lazy", [True, False])
def test_what_is_written_is_read(bucket: Declare, path: str, lazy: bool) -> None:
    sales = bucket("sales", path=path)
    sales.write(SALES.lazy() if lazy else SALES)
    assert_frame_equal(sales.read(), SALES)
    assert_frame_equal(sales.scan().filter(pl.col("id") > 1).collect(), SALES.filter(pl.col("id") > 1))
    assert sales.exists()


@pytest.mark.parametrize("path", PATHS)
def test_a_bucket_can_be_rewritten_from_itself(bucket: Declare, path: str) -> None:
    sales = bucket("sales", path=path)
    sales.write(SALES)
    sales.write(sales.scan().filter(pl.col("id") > 1))
    assert_frame_equal(sales.read(), SALES.filter(pl.col("id") > 1))


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson", "ipc"])
def test_partitions(bucket: Declare, kind: Format) -> None:
    sales = bucket("sales", path="by-city/", format=kind)
    full = SALES.fill_null(0.0)  # a CSV file of nothing but nulls has no dtype
    sales.write(full.lazy(), partition_by="city")
    assert_frame_equal(sales.read(), full, check_row_order=False)
    assert [path.split("/")[1] for path in sales.list()] == ["city=K%C3%B6ln", "city=Oslo"]
    sales.write(sales.scan().filter(pl.col("id") == 3), partition_by=["city", "id"])
    assert_frame_equal(sales.read(), full.filter(pl.col("id") == 3))
    assert len(sales.list()) == 1


@pytest.mark.parametrize("kind", ["parquet", "csv", "ipc"])
def test_no_rows_partitioned_are_readable(bucket: Declare, kind: Format) -> None:
    sales = bucket("sales", path="by-city/", format=kind)
    sales.write(SALES.lazy().filter(pl.col("id") > 9), partition_by="city")
    assert sales.read().columns == SALES.columns
    assert sales.read().height == 0


def test_no_rows_in_ndjson_need_a_schema(bucket: Declare) -> None:
    sales = bucket("sales", path="a.ndjson")
    sales.write(SALES.clear())
    assert_frame_equal(sales.read(schema=SALES.schema), SALES.clear())
    with pytest.raises(StorageError, match=r"is empty \(0 bytes\), and ndjson is to be read"):
        sales.scan()


def test_folders_of_others_are_columns(bucket: Declare) -> None:
    for year, name in (2023, "a"), (2024, "b"):
        bucket("raw", path=f"t/year={year}/{name}.csv").write(pl.DataFrame({"n": [year % 10]}))
        bucket("raw", path=f"p/year={year}/{name}.parquet").write(pl.DataFrame({"n": [year % 10]}))
    want = pl.DataFrame({"n": [3, 4], "year": [2023, 2024]})
    assert_frame_equal(bucket("raw", path="t/", format="csv").read(), want)
    assert_frame_equal(bucket("raw", path="t/**/*.csv").read(), want)
    assert_frame_equal(bucket("raw", path="p/").read(), want)
    assert_frame_equal(bucket("raw", path="p/*/*.parquet").read(), want)
    named = bucket("raw", path="t/", format="csv").read(include_file_paths="from")
    assert named.columns == ["n", "from", "year"]


def test_globs_directories_and_lists(bucket: Declare) -> None:
    names = ["2023-1.parquet", "2024-1.parquet", "2024-2.parquet", "sub/2024-3.parquet", "_log/x.parquet", "b.csv"]
    for number, name in enumerate(names):
        bucket("raw", path=name).write(pl.DataFrame({"n": [number]}))
    top = bucket("raw", path="./")
    assert bucket("raw", path="2024-*.parquet").read()["n"].to_list() == [1, 2]
    assert bucket("raw", path="**/2024-[!1].parquet").read()["n"].to_list() == [2, 3]
    assert top.read()["n"].to_list() == [0, 1, 2, 3]
    assert top.list() == sorted(names)
    assert top.list("*.csv") == ["b.csv"]
    assert bucket("raw", path="sub").list() == ["sub/2024-3.parquet"]
    assert bucket("raw", path="b.csv").list() == ["b.csv"]
    assert [top.at(path).read().height for path in top.list()] == [1] * 6
    bucket("raw", path="2024-*.parquet").delete()
    bucket("raw", path="sub/").delete()
    bucket("raw", path="b.csv").delete()
    bucket("raw", path="b.csv").delete()
    assert top.list() == ["2023-1.parquet", "_log/x.parquet"]
    assert not bucket("raw", path="2024-*.parquet").exists()
    assert bucket("nothing", path="./").list() == []


def test_a_file_may_be_named_like_a_glob(place: Place, bucket: Declare, tmp_path: Path) -> None:
    for name in "a[1].parquet", "a[1].ndjson", "a[1].csv":
        plain = LocalProvider(tmp_path).bucket("plain", path="a" + name[4:])
        plain.write(SALES)
        place.put(bucket("raw", path=name), Path(plain.uri).read_bytes())
        assert_frame_equal(bucket("raw", path=name).read(), SALES)
        assert bucket("raw", path=name).list() == [name]


def test_at(bucket: Declare) -> None:
    raw = bucket("raw", path="a.json", format="ndjson")
    assert raw.at("b.json").format == "ndjson"
    assert raw.at("b.csv") == bucket("raw", path="b.csv")
    assert raw.at("sub") == bucket("raw", path="sub/", format="ndjson")
    assert raw.at("x.odd").format == "ndjson"
    with pytest.raises(ConfigError, match="leaves the bucket"):
        raw.at("../b.csv")


def test_a_bucket_is_a_value(bucket: Declare) -> None:
    first, second = bucket("raw", path="a.csv"), bucket("raw", path="./a.csv")
    assert first == second
    assert hash(first) == hash(second)
    assert first.site == second.site  # one line
    assert first == first.at("a.csv")  # where a bucket was declared is no part of it
    assert first.site != first.at("a.csv").site
    assert pickle.loads(pickle.dumps(first)) == first
    assert "raw" in repr(first)
    assert str(first.site).startswith("tests/test_bucket.py:")


def test_options_pass_through(bucket: Declare) -> None:
    raw = bucket("raw", path="a.csv")
    raw.write(SALES, separator=";", null_value="-")
    assert_frame_equal(raw.read(separator=";", null_values="-"), SALES)


@pytest.mark.parametrize("plan", [failing, raising])
@pytest.mark.parametrize("path", ["a.parquet", "a.csv.gz", "a.ndjson", "a.arrow", "a.avro", "a.json", "tree/"])
def test_a_failing_plan_leaves_the_old_data(
    place: Place, bucket: Declare, plan: Callable[[], pl.LazyFrame], path: str
) -> None:
    target, top = bucket("out", path=path), bucket("out", path="./")
    target.write(SALES)
    before = top.list()
    keys = ["k"] if path == "tree/" else None
    for _ in range(20 if path in ("a.parquet", "tree/") else 3):
        with pytest.raises((pl.exceptions.InvalidOperationError, KeyError, pl.exceptions.ComputeError)):
            target.write(plan(), partition_by=keys)
        assert place.leftovers(target) == []
    assert_frame_equal(target.read(), SALES)
    assert top.list() == before
    time.sleep(0.2)  # Polars' threads have been seen to open files after the error was raised
    assert place.leftovers(target) == []


def test_many_writes_in_one_query(place: Place, bucket: Declare) -> None:
    calls: list[int] = []

    def count(frame: pl.DataFrame) -> pl.DataFrame:
        calls.append(frame.height)
        return frame

    shared = SALES.lazy().map_batches(count)
    paths = ["a.parquet", "b.csv", "c/"]
    pending = [bucket("out", path=path).stage_write(shared) for path in paths]
    assert not bucket("out", path="./").exists()
    pl.collect_all([write.plan for write in pending if write.plan is not None], engine="streaming")
    written = [write.publish() for write in pending]
    assert [each.rows for each in written] == [3, None, 3]
    files = [re.sub(r"-[0-9a-f]{12}", "", each.files[0]) for each in written]  # new ones in a directory hold a token
    assert files == ["a.parquet", "b.csv", "c/part-0.parquet"]
    assert all(each.bytes > 0 for each in written)
    assert len(calls) == 1
    eager = bucket("out", path="d.avro").stage_write(shared)
    assert eager.plan is None
    eager.discard()
    eager.discard()
    assert not bucket("out", path="d.avro").exists()
    assert place.leftovers(bucket("out", path="d.avro")) == []


def test_get_uri_is_ready_for_polars(bucket: Declare) -> None:
    target = bucket("out", path="deep/er/a.parquet")
    assert target.at("deep/").list() == []
    SALES.write_parquet(target.get_uri(), **target.store.reach())
    assert_frame_equal(target.read(), SALES)


def test_cleanup_sweeps_what_a_killed_process_left(place: Place, bucket: Declare) -> None:
    target = bucket("out", path="a.parquet")
    target.write(SALES)
    script = (
        "import os, polars as pl, pickle, sys\n"
        "b = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "for each, keys in (b, None), (b.at('tree/'), ['id']):\n"
        "    each.stage_write(pl.DataFrame({'id': [1]}), partition_by=keys).plan.collect()\n"
        "os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", script, pickle.dumps(target).hex()], check=False)
    mine = target.stage_write(SALES.head(1))
    staged = 1
    if place.kind != "local":  # there, one object is not at all before it is published, and many are when they are sent
        staged = 0
        place.put(target.at(f"tree/{dead_name()}/id=1/0.parquet"), b"half")
    assert len(place.leftovers(target)) == 1 + 2 * staged
    with target as same:
        assert same is target
    assert len(place.leftovers(target)) == staged
    assert mine.plan is not None
    mine.plan.collect()
    mine.publish()
    assert place.leftovers(target) == []
    assert_frame_equal(target.read(), SALES.head(1))


def test_nothing_there(bucket: Declare) -> None:
    raw = bucket("raw", path="transactions.parquet")
    raw.write(SALES)
    top = raw.at("./").uri.rstrip("/")
    for path, text in {
        "transactons.parquet": f"""\
nothing at `{top}/transactons.parquet`: `{top}` has no `transactons.parquet`, it holds `transactions.parquet`
  at {{site}}
     missing = bucket("raw", path=path)
  Fix: write `transactions.parquet` for `transactons.parquet`""",
        "2024/*.csv": f"""\
nothing at `{top}/2024/*.csv`: `{top}` has no `2024`, it holds `transactions.parquet`
  at {{site}}
     missing = bucket("raw", path=path)
  Fix: write the data first, or correct the path""",
    }.items():
        missing = bucket("raw", path=path)
        for use in missing.scan, missing.read:
            with pytest.raises(ObjectNotFound) as caught:
                use()
            assert str(caught.value) == text.format(site=missing.site)


def test_a_directory_without_the_format(bucket: Declare) -> None:
    bucket("raw", path="2024/a.csv").write(SALES)
    missing = bucket("raw", path="2024/")
    with pytest.raises(ObjectNotFound) as caught:
        missing.scan()
    assert (
        str(caught.value)
        == f"""\
no parquet file in `{missing.uri}`: it holds `a.csv`
  at {missing.site}
     missing = bucket("raw", path="2024/")
  Fix: pass format="csv\""""
    )


@pytest.mark.parametrize(
    ("path", "content", "message", "fix"),
    [
        ("a.parquet", b"", "is empty (0 bytes), and parquet is to be read", "write it again, or delete it"),
        ("a.csv", b"", "is empty (0 bytes), and csv is to be read", "write it again, or delete it"),
        ("a.parquet", b"id,amount\n1,2\n", "is not Parquet: it looks like text", 'pass format="csv"'),
        ("a.parquet", b"PAR1....", "is not Parquet: it looks like Parquet that was cut short",
         "write it again; its write was interrupted"),
        ("a.arrow", b"PAR1....PAR1", "is not Arrow IPC: it looks like Parquet", 'pass format="parquet"'),
        ("a.avro", b"<html>", "is not Avro: it looks like an HTML or XML page",
         "write it again in a format Glacier reads, or correct the path"),
        ("a.csv", b"PK\x03\x04...", "is not CSV: it looks like a zip archive (an Excel workbook is one)",
         "write it again in a format Glacier reads, or correct the path"),
        ("a.csv", b"\x1f\x8b...", "is not CSV: it looks like gzip", "name the file `a.csv.gz`"),
        ("a.csv.gz", b"id\n1\n", "is not gzip: it looks like text", 'pass format="csv"'),
        ("a.ndjson", b'[{"a": 1}]', "is not NDJSON (one object a line): it looks like a JSON array",
         'pass format="json"'),
        ("a.json", b"\x00\x01", "is not JSON: it looks like binary data",
         "write it again in a format Glacier reads, or correct the path"),
    ],
)  # fmt: skip
def test_not_what_the_extension_says(
    place: Place, bucket: Declare, path: str, content: bytes, message: str, fix: str
) -> None:
    source = bucket("raw", path=path)
    place.put(source, content)
    with pytest.raises(StorageError) as caught:
        source.scan()
    assert (
        str(caught.value)
        == f"""\
`{source.uri}` {message}
  at {source.site}
     source = bucket("raw", path=path)
  Fix: {fix}"""
    )


def test_refused_writes(bucket: Declare) -> None:
    for path, frame, keys, message in [
        ("a.parquet", None, None, "bucket `out` got None to write, and takes a DataFrame or LazyFrame"),
        ("*.parquet", SALES, None, "bucket `out` cannot be written: `*.parquet` is a glob"),
        ("a.parquet", SALES, "city", "bucket `out` cannot be partitioned: `a.parquet` is one file"),
    ]:
        with pytest.raises(StorageError) as caught:
            bucket("out", path=path).write(frame, partition_by=keys)  # type: ignore[arg-type]  # None is the point
        assert caught.value.message == message
    with pytest.raises(StorageError, match="cannot be partitioned as avro"):
        bucket("out", path="a/", format="avro").write(SALES, partition_by="city")


def test_unknown_options(bucket: Declare) -> None:
    raw = bucket("raw", path="a.csv")
    raw.write(SALES)
    with pytest.raises(ConfigError) as caught:
        raw.scan(seperator=";")
    assert caught.value.message.startswith("`scan_csv` of Polars has no option `seperator` to set here: it takes `has_")
    assert caught.value.fix == "use separator=..."
    with pytest.raises(ConfigError, match="`sink_csv` of Polars has no option `lazy` to set here"):
        raw.write(SALES, lazy=True)


def test_declarations_that_are_refused(bucket: Declare) -> None:
    for name, path, message in [
        ("", "a.csv", "a bucket needs a name, and got ``"),
        ("..", "a.csv", "a bucket needs a name, and got `..`"),
        ("a/b", "a.csv", "bucket name `a/b` holds a separator"),
        ("raw", "../a.csv", "path `../a.csv` of bucket `raw` leaves the bucket"),
        ("raw", "x/../../a.csv", "path `x/../../a.csv` of bucket `raw` leaves the bucket"),
        ("raw", "/etc/a.csv", "path `/etc/a.csv` of bucket `raw` is absolute"),
        ("raw", "a\0.csv", "bucket `raw` with path `a\\0.csv` holds a NUL character"),
        ("raw", "", "bucket `raw` has no path"),
    ]:
        with pytest.raises(ConfigError) as caught:
            bucket(name, path=path)
        assert caught.value.message == message
        assert caught.value.fix
    with pytest.raises(ConfigError) as caught:
        bucket("raw", path="a.parqet")
    assert caught.value.message.startswith(
        "path `a.parqet` of bucket `raw` ends in `.parqet`, which tells no format (nearest: `.parquet`"
    )
    with pytest.raises(ConfigError) as caught:
        bucket("raw", path="a.dat", format="parqet")
    assert (
        str(caught.value)
        == f"""\
bucket `raw` got format `parqet`; formats are `parquet`, `csv`, `ndjson`, `json`, `ipc`, `avro`
  at {caught.value.site}
     bucket("raw", path="a.dat", format="parqet")
  Fix: pass format="parquet\""""
    )


def test_polars_own_errors_pass(bucket: Declare) -> None:
    raw = bucket("raw", path="a.parquet")
    raw.write(SALES)
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        raw.scan().select("amout").collect()


def test_a_declared_schema_is_held_to_wherever_it_lies(bucket: Declare) -> None:
    sales = bucket("raw", path="day.csv", schema={"id": pl.String, "amount": pl.Float64})
    sales.write(pl.DataFrame({"id": ["01", "02"], "amount": [1.0, 2.0]}))
    assert sales.scan().collect_schema() == {"id": pl.String, "amount": pl.Float64}
    assert sales.read()["id"].to_list() == ["01", "02"]
    with pytest.raises(SchemaError, match=r"a frame for `raw/day.csv` is not as its schema says"):
        sales.write(pl.DataFrame({"id": ["01"]}))
    other = bucket("raw", path="day.csv", schema={"id": pl.String, "amout": pl.Float64})
    with pytest.raises(SchemaError, match=r"the data of `raw/day.csv` is not as its schema says"):
        other.scan()
