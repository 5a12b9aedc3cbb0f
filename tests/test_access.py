"""What a task does to a resource, read from its code without running it."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, task
from glacier.access import function_accesses
from glacier.accesses import NONE, READ, UNKNOWN, WRITE, Access, access_by_verb
from glacier.names import ANYWHERE
from glacier.providers import LocalProvider
from glacier.usage import Place

shared = LocalProvider("/nowhere").bucket("shared", path="a.parquet")
BOTH = Access(reads=True, writes=True)


def unknown_helper(*args: Any) -> Any:
    return args


def scan_it(source: Bucket) -> pl.LazyFrame:
    return source.scan()


def write_it(frame: pl.DataFrame, *, into: Bucket) -> None:
    into.write(frame)


def loop_one(b: Bucket, n: int) -> None:
    loop_two(b, n - 1)


def loop_two(b: Bucket, n: int) -> None:
    b.delete()
    loop_one(b, n)


@task
def scan_task(source: Bucket) -> pl.LazyFrame:
    return source.scan()


def scans(b: Bucket) -> Any:
    return b.scan()


def reads(b: Bucket) -> Any:
    return b.read().height


def asks(b: Bucket) -> Any:
    return b.exists() or b.list()


def writes(b: Bucket, df: pl.DataFrame) -> Any:
    b.write(df, partition_by="day")


def deletes(b: Bucket) -> Any:
    b.delete()


def nothing(b: Bucket) -> Any:
    return 1


def looks_only(b: Bucket) -> Any:
    print(b.name, b)


def uri_into_write(b: Bucket, df: pl.DataFrame) -> Any:
    df.write_parquet(b.get_uri())


def uri_into_sink(b: Bucket, df: pl.LazyFrame) -> Any:
    df.sink_csv(b.get_uri() + ".csv")


def uri_into_scan(b: Bucket) -> Any:
    return pl.scan_parquet(b.get_uri())


def uri_kept_in_a_variable(b: Bucket, df: pl.DataFrame) -> Any:
    target = b.get_uri()
    df.write_parquet(target)
    return target


def uri_opened_to_read(b: Bucket) -> Any:
    with Path(b.get_uri()).open() as file:
        return file.read()


def uri_opened_and_written_by_hand(b: Bucket) -> Any:
    path = Path(b.get_uri())
    path.with_suffix(".txt").write_text("x")


def uri_opened_to_write(b: Bucket) -> Any:
    with open(b.get_uri(), "wb") as file:  # noqa: PTH123  # the form is what is tested
        file.write(b"")


def uri_given_away(b: Bucket) -> Any:
    return [unknown_helper][0](b.get_uri())


def alias(b: Bucket) -> Any:
    other = b
    return other.scan()


def with_block(b: Bucket) -> Any:
    with b as source:
        return source.scan()


def in_a_list(buckets: list[Bucket]) -> Any:
    return [bucket.scan() for bucket in buckets]


def in_a_dict(lake: dict[str, Bucket], df: pl.DataFrame) -> Any:
    lake["raw"].write(df)


def through_a_helper(b: Bucket) -> Any:
    return scan_it(b)


def through_a_keyword(b: Bucket, df: pl.DataFrame) -> Any:
    write_it(df, into=b)


def through_a_task(b: Bucket) -> Any:
    return scan_task(b)


def through_a_loop_of_helpers(b: Bucket) -> Any:
    loop_one(b, 3)


def to_who_knows(b: Bucket) -> Any:
    return unknown_helper(b)


def returned(b: Bucket) -> Any:
    return b


def reads_and_writes(b: Bucket) -> Any:
    b.write(b.scan().filter(pl.col("a") > 1))


CASES: list[tuple[Callable[..., Any], Access]] = [
    (scans, READ),
    (reads, READ),
    (asks, READ),
    (writes, WRITE),
    (deletes, access_by_verb("delete")),
    (nothing, NONE),
    (looks_only, NONE),
    (uri_into_write, WRITE),
    (uri_into_sink, WRITE),
    (uri_into_scan, READ),
    (uri_kept_in_a_variable, WRITE),
    (uri_opened_to_read, READ),
    (uri_opened_and_written_by_hand, WRITE),
    (uri_opened_to_write, WRITE),
    (uri_given_away, UNKNOWN),
    (alias, READ),
    (with_block, READ),
    (in_a_list, READ),
    (in_a_dict, WRITE),
    (through_a_helper, READ),
    (through_a_keyword, WRITE),
    (through_a_task, READ),
    (through_a_loop_of_helpers, access_by_verb("delete")),
    (to_who_knows, UNKNOWN),
    (returned, UNKNOWN),
    (reads_and_writes, BOTH),
]


@pytest.mark.parametrize(("function", "expected"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_access_of_the_first_parameter(function: Callable[..., Any], expected: Access) -> None:
    first = next(iter(inspect.signature(function).parameters))
    accesses = function_accesses(function)[first]
    if expected == NONE and not accesses:
        return
    (place,) = accesses
    assert accesses[place] == expected
    assert place.members == {"in_a_list": (None,), "in_a_dict": ("raw",)}.get(function.__name__, ())


def test_other_paths_of_the_same_bucket() -> None:
    def moves(b: Bucket, day: str, df: pl.DataFrame) -> None:
        b.at("2024.parquet").scan()
        today = b.at(f"{day}.parquet")
        today.write(df)
        scan_it(b.at("old.parquet"))
        scan_moved(b)

    def scan_moved(source: Bucket) -> pl.LazyFrame:
        return source.at("moved.parquet").scan()

    accesses = function_accesses(moves)["b"]
    assert accesses == {
        Place(path="2024.parquet"): READ,
        Place(path=ANYWHERE): WRITE,
        Place(path="old.parquet"): READ,
        Place(path="moved.parquet"): READ,
    }


def test_globals_and_closures() -> None:
    private = shared.at("b.parquet")

    def uses_both(df: pl.DataFrame) -> None:
        private.write(df)
        shared.scan()

    accesses = function_accesses(uses_both)
    assert (accesses["shared"], accesses["private"]) == ({Place(): READ}, {Place(): WRITE})


def test_without_source_all_is_unknown() -> None:
    namespace: dict[str, Any] = {}
    exec("def f(b): return b.scan()", namespace)
    assert function_accesses(namespace["f"]) == {}
    assert function_accesses(io.StringIO) == {}
