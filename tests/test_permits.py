"""A run holds each task to what its code was seen to touch, or to what `reads=` and `writes=` state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from glacier import Bucket, pipeline, task
from glacier.errors import StorageError, TaskError
from glacier.permits import covers
from glacier.providers import LocalProvider

Executor = Literal["threads", "processes", "sync"]
ONE = pl.DataFrame({"n": [1]})


@pytest.fixture
def provider(in_tmp: Path) -> LocalProvider:
    return LocalProvider("data")


@pytest.fixture
def raw(provider: LocalProvider) -> Bucket:
    bucket = provider.bucket("raw", path="a.parquet")
    bucket.write(ONE)
    return bucket


def refused(run: Callable[[], object]) -> str:
    with pytest.raises(TaskError) as caught:
        run()
    assert type(caught.value.__cause__) is StorageError
    return str(caught.value.__cause__)


@task
def declares_and_writes() -> None:
    hidden = LocalProvider("data").bucket("hidden", path="a.parquet")
    hidden.write(ONE)


@task
def declares_and_reads() -> pl.DataFrame:
    return LocalProvider("data").bucket("raw", path="a.parquet").read()


@task
def declares_and_asks_for_its_uri() -> str:
    return LocalProvider("data").bucket("raw", path="a.parquet").get_uri()


@task
def writes_what_it_reads(source: Bucket) -> None:
    rows = source.read()
    again = LocalProvider("data").bucket("raw", path="a.parquet")
    again.write(rows)


@task
def reads_what_it_writes(target: Bucket) -> int:
    target.write(ONE)
    return LocalProvider("data").bucket("raw", path="a.parquet").read().height


@task
async def awaits_and_writes() -> None:
    await asyncio.sleep(0)
    declares_and_writes.function()


EXECUTORS: list[Executor] = ["threads", "processes", "sync"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_bucket_declared_in_a_task_is_refused(raw: Bucket, executor: Executor, line: Callable[[str], str]) -> None:
    @pipeline
    def body() -> None:
        declares_and_writes()

    assert refused(lambda: body.run(executor=executor)) == (
        "task `declares_and_writes` may not `write` `hidden/a.parquet`: its code was not seen to touch it, "
        "and in a cloud its identity would be refused\n"
        f"  at {line('hidden.write(ONE)')}\n"
        "     hidden.write(ONE)\n"
        "  Fix: declare the bucket in the pipeline's body, or at the top of the module, and pass it as an argument"
    )
    assert body() is None  # a plain call is not held to anything
    assert LocalProvider("data").bucket("hidden", path="a.parquet").exists()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_writing_what_was_only_seen_read_is_refused(
    raw: Bucket, executor: Executor, line: Callable[[str], str]
) -> None:
    @pipeline
    def body() -> None:
        writes_what_it_reads(raw)

    assert refused(lambda: body.run(executor=executor)) == (
        "task `writes_what_it_reads` may not `write` `raw/a.parquet`: its code was only seen to read it, "
        "and in a cloud its identity would be refused\n"
        f"  at {line('again.write(rows)')}\n"
        "     again.write(rows)\n"
        '  Fix: state it: @task(writes=["source"])'
    )


@pytest.mark.parametrize(
    ("called", "words"),
    [
        (declares_and_reads, "may not `read` `raw/a.parquet`: its code was not seen to touch it"),
        (declares_and_asks_for_its_uri, "may not `get_uri` `raw/a.parquet`: its code was not seen to touch it"),
        (awaits_and_writes, "may not `write` `hidden/a.parquet`: its code was not seen to touch it"),
    ],
)
def test_reading_asking_and_awaiting(raw: Bucket, called: Any, words: str) -> None:
    @pipeline
    def body() -> None:
        called()

    assert words in refused(body.run)


def test_reading_what_was_only_seen_written(raw: Bucket) -> None:
    @pipeline
    def body() -> None:
        reads_what_it_writes(raw)

    message = refused(body.run)
    assert "its code was only seen to write it" in message
    assert message.endswith('Fix: state it: @task(reads=["target"])')


def test_what_is_stated_is_the_whole_truth(raw: Bucket) -> None:
    @task(writes=[])
    def says_it_writes_nothing(target: Bucket) -> None:
        target.write(ONE)

    @task(reads=["source"], writes=["source"])
    def says_it_writes(source: Bucket) -> None:
        LocalProvider("data").bucket("raw", path="a.parquet").write(source.read())

    @pipeline
    def wrong() -> None:
        says_it_writes_nothing(raw)

    @pipeline
    def right() -> None:
        says_it_writes(raw)

    message = refused(wrong.run)
    assert "its reads= and writes= do not say so" in message
    assert message.endswith('Fix: state it: @task(writes=["target"])')
    right.run()


def test_nothing_is_refused_where_nothing_was_inferred(raw: Bucket) -> None:
    @pipeline(infer=False)
    def unordered() -> None:
        declares_and_writes()
        writes_what_it_reads(raw)

    unordered.run()


def test_what_cannot_be_told_is_not_refused(raw: Bucket) -> None:
    @task
    def vague(source: Bucket) -> None:
        writer = getattr(source, "wri" + "te")
        writer(ONE)

    @task
    def moves(source: Bucket) -> None:
        getattr(source, "at")("elsewhere.parquet").write(ONE)  # noqa: B009  # a way that nobody follows

    @pipeline
    def body() -> None:
        vague(raw)
        moves(raw)

    body.run()
    assert raw.at("elsewhere.parquet").exists()


def test_a_task_whose_code_cannot_be_had_is_not_held(raw: Bucket) -> None:
    namespace: dict[str, Any] = {"LocalProvider": LocalProvider, "ONE": ONE}
    exec("def blind(): LocalProvider('data').bucket('hidden', path='a.parquet').write(ONE)", namespace)
    blind = task(namespace["blind"])

    @pipeline
    def body() -> None:
        blind()

    body.run()


def test_paths_below_globs_and_moves_are_covered(provider: LocalProvider) -> None:
    day = provider.bucket("day", path="day/")

    @task
    def fill(target: Bucket) -> None:
        for name in ("a", "b"):
            target.at(f"day/{name}.parquet").write(ONE)

    @task
    def rows(source: Bucket) -> int:
        return sum(source.at(path).read().height for path in source.list())

    @task
    def partition(target: Bucket) -> None:
        target.write(ONE, partition_by="n")

    @pipeline
    def body() -> int:
        fill(day)
        partition(day.at("parts"))
        return rows(day.at("day/*.parquet"))

    assert body.run() == 2


def test_nodes_of_the_body_and_runs_inside_a_task_are_not_held(raw: Bucket) -> None:
    @pipeline
    def inner() -> int:
        source = LocalProvider("data").bucket("raw", path="a.parquet")
        return len_of(source.read())

    @task
    def len_of(df: pl.DataFrame) -> int:
        return df.height

    @task
    def runs_another() -> int:
        return inner.run()

    @pipeline
    def outer() -> int:
        return runs_another()

    assert outer.run() == 1


def test_a_function_in_place_of_a_task_is_not_held(raw: Bucket) -> None:
    @task
    def nothing(source: Bucket) -> int:
        return 0

    @pipeline
    def body() -> int:
        return nothing(raw)

    def fake(source: Bucket) -> int:
        return LocalProvider("data").bucket("raw", path="a.parquet").read().height

    assert body.run(replace={nothing: fake}) == 1


def test_a_bucket_from_a_task_without_annotations(raw: Bucket) -> None:
    @task
    def pick(source: Any):  # type: ignore[no-untyped-def]  # what is tested
        return source

    @task
    def load(source: Bucket) -> int:
        return source.read().height

    @pipeline
    def body() -> int:
        return load(pick(raw))

    assert body.run() == 1


@pytest.mark.parametrize(
    ("allowed", "uri", "expected"),
    [
        ("/d/raw/a.csv", "/d/raw/a.csv", True),
        ("/d/raw/", "/d/raw", True),
        ("/d/raw/", "/d/raw/x/a.csv", True),
        ("/d/raw/a.csv", "/d/raw/", False),
        ("/d/raw/*.csv", "/d/raw/a.csv", True),
        ("/d/raw/*.csv", "/d/raw/*.csv", True),
        ("/d/raw/*.csv", "/d/raw/a.json", False),
        ("s3://raw/./", "s3://raw/x.csv", True),
        ("/d/raw", "/d/rawest", False),
    ],
)
def test_what_covers_what(allowed: str, uri: str, expected: bool) -> None:
    assert covers(allowed, uri) is expected
