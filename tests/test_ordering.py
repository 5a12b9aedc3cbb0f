"""What waits for what: each rule of docs/design.md, section 4, against whole lists of edges."""

# pyright: reportUnusedVariable=false
# The variables of a body name the nodes of its graph.
from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, Pipeline, pipeline, task
from glacier.errors import GateClosed
from glacier.providers import LocalProvider


@task
def read(source: Bucket) -> pl.DataFrame:
    return source.read()


@task
def write(target: Bucket, n: int = 1) -> None:
    target.write(pl.DataFrame({"n": [n]}))


@task
def has_rows(source: Bucket) -> bool:
    return bool(source.scan().select(pl.len()).collect().item())


@task
def process(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@pytest.fixture
def provider(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path)


def edges(body: Pipeline[..., Any]) -> list[tuple[str, str, str]]:
    graph = body.plan()
    names = graph.names
    return [(names[edge.source], names[edge.target], edge.kind) for edge in graph.edges()]


def test_readers_of_one_object_do_not_wait(provider: LocalProvider) -> None:
    @pipeline
    def body() -> None:
        source = provider.bucket("a", path="a.parquet")
        read(source)
        read(source)

    assert edges(body) == []


def test_write_then_read_then_write(provider: LocalProvider) -> None:
    @pipeline
    def body() -> None:
        target = provider.bucket("a", path="a.parquet")
        write(target, 1)
        one = read(target)
        two = read(target)
        write(target, 2)
        three = read(target)

    assert edges(body) == [
        ("write[#1]", "read[one]", "resource"),
        ("write[#1]", "read[two]", "resource"),
        ("write[#1]", "write[#2]", "resource"),
        ("read[one]", "write[#2]", "resource"),
        ("read[two]", "write[#2]", "resource"),
        ("write[#2]", "read[three]", "resource"),
    ]
    body.run()


@pytest.mark.parametrize(
    ("first", "second", "meet"),
    [
        ("a.parquet", "a.parquet", True),
        ("a.parquet", "b.parquet", False),
        ("day/", "day/a.parquet", True),
        ("day/a.parquet", "day/", True),
        ("day/a.parquet", "days/", False),
        ("*.parquet", "a.parquet", True),
        ("a.parquet", "*.parquet", True),
        ("*.csv", "a.parquet", False),
        ("x/*.parquet", "y/a.parquet", False),
        ("x/*.parquet", "x/", True),
        ("**/*.parquet", "x/y/a.parquet", True),
        ("x/*/a.parquet", "x/y/a.parquet", True),
        ("2024-*.parquet", "2025-01.parquet", False),
        ("x/*.parquet", "x/y/a.parquet", False),
        ("x*/a.parquet", "xy/", True),
        ("xy/", "x*/a.parquet", True),
        ("x/a.parquet", "x/*/b.parquet", False),
        ("x/*.parquet", "*.parquet", False),
        ("x/*.parquet", "*/a.parquet", True),
        ("x/*.parquet", "**/a.*", True),
    ],
)
def test_overlap_of_paths_folders_and_globs(provider: LocalProvider, first: str, second: str, meet: bool) -> None:
    bucket = provider.bucket("a", path="seed.parquet")

    @pipeline
    def body() -> None:
        write(bucket.at(first, format="parquet"))
        process(bucket.at(second, format="parquet"))

    assert edges(body) == ([("write", "process", "resource")] if meet else [])


def test_a_folder_written_supersedes_what_was_in_it(provider: LocalProvider) -> None:
    bucket = provider.bucket("a", path="day/")

    @pipeline
    def body() -> None:
        write(bucket.at("day/a.parquet"))
        whole = bucket.write(pl.DataFrame({"n": [1]}))
        process(bucket.at("day/a.parquet"))

    assert edges(body) == [("write", "a.write", "resource"), ("a.write", "process", "resource")]


def test_a_check_comes_before_use_and_closes_it(provider: LocalProvider) -> None:
    source = provider.bucket("data", path="input.parquet")
    source.write(pl.DataFrame({"n": [1, 2]}))

    @pipeline
    def smart() -> pl.LazyFrame:
        valid = has_rows(source)
        return process(source)

    assert edges(smart) == [("has_rows", "process", "gate")]
    reasons = [edge.reason for edge in smart.plan().edges()]
    assert reasons == ["it checks the same `data/input.parquet`"]
    assert smart.run().collect().height == 2
    source.write(pl.DataFrame({"n": []}))
    with pytest.raises(GateClosed, match="`process` was skipped because `has_rows` returned False"):
        smart.run()


def test_checks_do_not_wait_for_each_other_and_reads_before_a_check_do_not_wait(provider: LocalProvider) -> None:
    @task
    def is_small(source: Bucket) -> bool:
        return source.read().height < 10

    @pipeline
    def body() -> None:
        source = provider.bucket("a", path="a.parquet")
        read(source)
        has_rows(source)
        is_small(source)
        process(source)

    assert edges(body) == [("has_rows", "process", "gate"), ("is_small", "process", "gate")]


def test_inference_can_be_turned_off(provider: LocalProvider) -> None:
    @task(gate=False)
    def probe(source: Bucket) -> bool:
        return source.exists()

    @pipeline(infer=False)
    def body() -> None:
        source = provider.bucket("a", path="a.parquet")
        has_rows(source)
        write(source)

    @pipeline
    def ungated() -> None:
        source = provider.bucket("a", path="a.parquet")
        probe(source)
        process(source)

    assert edges(body) == []
    assert edges(ungated) == []


def test_depends_on_waits_for_every_call_before_or_after(provider: LocalProvider) -> None:
    @task
    def prepare(n: int) -> int:
        return n

    @task(depends_on=[prepare])
    def use() -> int:
        return 0

    @pipeline
    def body() -> None:
        a = prepare(1)
        use()
        b = prepare(2)

    assert edges(body) == [("prepare[a]", "use", "explicit"), ("prepare[b]", "use", "explicit")]


def test_resources_follow_the_order_that_depends_on_states(provider: LocalProvider) -> None:
    @task(depends_on=[read])
    def clear(target: Bucket) -> None:
        target.delete()

    @pipeline
    def body() -> None:
        source = provider.bucket("a", path="a.parquet")
        clear(source)
        read(source)

    assert edges(body) == [("read", "clear", "explicit")]


def test_nodes_of_the_body_are_ordered_like_tasks(provider: LocalProvider) -> None:
    @pipeline
    def body() -> pl.DataFrame:
        source = provider.bucket("a", path="a.parquet")
        write(source, 7)
        df = source.read()
        source.delete()
        return df

    assert edges(body) == [
        ("write", "a.read", "resource"),
        ("write", "a.delete", "resource"),
        ("a.read", "a.delete", "resource"),
    ]
    assert body.run()["n"].to_list() == [7]
    assert body()["n"].to_list() == [7]


def test_a_resource_reached_as_a_global_counts(provider: LocalProvider) -> None:
    hidden = provider.bucket("a", path="a.parquet")

    @task
    def write_hidden() -> None:
        hidden.write(pl.DataFrame({"n": [1]}))

    @pipeline
    def body() -> pl.DataFrame:
        write_hidden()
        return read(hidden)

    assert edges(body) == [("write_hidden", "read", "resource")]
    assert body.run().height == 1


def test_what_cannot_be_told_counts_as_both_and_is_said(provider: LocalProvider) -> None:
    def elsewhere(*things: object) -> None: ...

    @task
    def vague(target: Bucket) -> None:
        [elsewhere][0](target)

    @pipeline
    def body() -> None:
        target = provider.bucket("a", path="a.parquet")
        vague(target)
        read(target)

    assert edges(body) == [("vague", "read", "resource")]
    (warning,) = body.plan().warnings
    assert warning.startswith("what `vague` does with `a/a.parquet` cannot be told from its code; it counts as reading")


def test_a_thousand_objects_stay_linear(provider: LocalProvider) -> None:
    bucket = provider.bucket("a", path="seed.parquet")

    @pipeline
    def body() -> None:
        for n in range(1_000):
            write(bucket.at(f"day/{n}.parquet"))
        read(bucket.at("day/"))

    assert len(edges(body)) == 1_000


def test_other_paths_that_a_task_names_are_what_it_touches(provider: LocalProvider) -> None:
    @task
    def write_daily(bucket: Bucket) -> None:
        bucket.at("day/monday.parquet").write(pl.DataFrame({"n": [1]}))

    @task
    def write_some_day(bucket: Bucket, day: str) -> None:
        bucket.at(f"day/{day}.parquet").write(pl.DataFrame({"n": [1]}))

    @pipeline
    def body() -> None:
        bucket = provider.bucket("a", path="a.parquet")
        write_daily(bucket)
        process(bucket)
        monday = process(bucket.at("day/monday.parquet"))
        write_some_day(bucket, "tuesday")

    assert sorted(edges(body), reverse=True) == [
        ("write_daily", "write_some_day", "resource"),
        ("write_daily", "process[monday]", "resource"),
        ("process[monday]", "write_some_day", "resource"),
        ("process[#1]", "write_some_day", "resource"),
    ]


def test_a_global_bound_anew_is_seen(provider: LocalProvider) -> None:
    source = provider.bucket("a", path="a.parquet")

    @task
    def read_it() -> pl.DataFrame:
        return source.read()

    @pipeline
    def body() -> None:
        read_it()

    assert [r["name"] for r in body.run(mode="analyze")["resources"]] == ["a/a.parquet"]
    source = provider.bucket("a", path="b.parquet")
    assert [r["name"] for r in body.run(mode="analyze")["resources"]] == ["a/b.parquet"]


@task
def total(df: pl.LazyFrame) -> int:
    time.sleep(0.02)
    return int(df.collect()["n"].sum())


@task
def slowly(target: Bucket, n: int) -> None:
    time.sleep(0.02)
    write.function(target, n)


class TestPlansReadLater:
    """A LazyFrame reads its files when it is collected, so whoever may collect it is a reader of them."""

    def test_a_write_below_waits_for_who_collects(self, provider: LocalProvider) -> None:
        source = provider.bucket("a", path="a.parquet")

        @pipeline
        def body() -> int:
            count = total(process(source))
            slowly(source, 10)
            return count

        for run in (body.run, body):
            source.write(pl.DataFrame({"n": [1]}))
            assert run() == 1

    def test_who_collects_below_waits_for_the_write(self, provider: LocalProvider) -> None:
        source = provider.bucket("a", path="a.parquet")

        @pipeline
        def body() -> int:
            df = process(source)
            slowly(source, 10)
            return total(df)

        for run in (body.run, body):
            source.write(pl.DataFrame({"n": [1]}))
            assert run() == 10

    def test_nodes_of_the_body(self, provider: LocalProvider) -> None:
        source, other = provider.bucket("a", path="a.parquet"), provider.bucket("a", path="b.parquet")

        @task
        def five() -> pl.DataFrame:
            return pl.DataFrame({"n": [5]})

        @pipeline
        def body() -> int:
            frame = source.scan()
            other.write(frame)
            source.write(five())
            return total(other.scan())

        for run in (body.run, body):
            source.write(pl.DataFrame({"n": [1]}))
            assert run() == 1

    def test_who_collects_waits_for_a_check_between(self, provider: LocalProvider) -> None:
        source = provider.bucket("a", path="a.parquet")

        @pipeline
        def body() -> int:
            df = process(source)
            has_rows(source)
            return total(df)

        assert edges(body) == [("process", "total", "data"), ("has_rows", "total", "gate")]
        source.write(pl.DataFrame({"n": pl.Series([], dtype=pl.Int64)}))
        with pytest.raises(GateClosed, match="`total` was skipped because `has_rows` returned False"):
            body.run()

    def test_a_choice_between_plans_reads_nothing_itself(self, provider: LocalProvider) -> None:
        source = provider.bucket("a", path="a.parquet")

        @task
        def weekend() -> bool:
            return True

        @pipeline
        def body() -> None:
            one, other = process(source), process(source.at("b.parquet"))
            df = one if weekend() else other
            write(source)

        assert [edge for edge in edges(body) if edge[1] == "write"] == [("process[one]", "write", "resource")]

    def test_a_plan_that_reads_what_is_written_later_is_not_computed_early(self, provider: LocalProvider) -> None:
        source = provider.bucket("a", path="a.parquet")

        @task
        def sorted_by_n(df: pl.LazyFrame) -> pl.LazyFrame:
            return df.sort("n")

        @pipeline
        def body() -> list[int]:
            df = sorted_by_n(process(source))
            before = total(df)
            slowly(source, 10)
            return [before, total(df)]

        for run in (body.run, body):
            source.write(pl.DataFrame({"n": [1]}))
            assert run() == [1, 10]


BUCKETS: dict[str, Bucket] = {}


class Holder:
    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket

    def write(self) -> None:
        self.bucket.write(pl.DataFrame({"n": [7]}))

    @task
    def write_own(self) -> None:
        self.bucket.write(pl.DataFrame({"n": [7]}))


def test_writes_by_devious_ways_still_order(provider: LocalProvider) -> None:
    out = provider.bucket("a", path="a.parquet")
    holder = Holder(out)
    BUCKETS["out"] = out
    seven = pl.DataFrame({"n": [7]})

    def helper() -> None:
        out.write(seven)

    @task
    def by_reference(target: Bucket) -> None:
        write_it = target.write
        write_it(seven)

    @task
    def by_map(target: Bucket) -> None:
        list(map(target.write, [seven]))

    @task
    def by_choice(target: Bucket, choose: bool) -> None:
        chosen = target if choose else None
        if chosen:
            chosen.write(seven)

    @task
    def by_default(target: Bucket = out) -> None:
        target.write(seven)

    @task
    def by_global_dict() -> None:
        BUCKETS["out"].write(seven)

    @task
    def by_helper() -> None:
        helper()

    @task
    def by_object() -> None:
        holder.write()

    @task
    def by_uri(uri: str) -> None:
        seven.write_parquet(uri)

    calls: list[Callable[[], object]] = [
        lambda: by_reference(out),
        lambda: by_map(out),
        lambda: by_choice(out, choose=True),
        by_default,
        by_global_dict,
        by_helper,
        by_object,
        holder.write_own,
        lambda: by_uri(out.get_uri()),
        task(name="by_partial")(functools.partial(write.function, out, 7)),
    ]
    for number, call in enumerate(calls):

        @pipeline
        def body() -> pl.DataFrame:
            call()  # noqa: B023  # run within the turn
            return read(out)

        out.delete()
        assert body.run()["n"].to_list() == [7], number
