"""Writes of the body that share their input run as one query; a failure among them is told of the right one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from glacier import Bucket, pipeline, task
from glacier.errors import RunErrors, TaskError
from glacier.execution.sinks import shared_sinks
from glacier.providers import LocalProvider


@pytest.fixture
def provider(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path)


@task
def load() -> pl.LazyFrame:
    return pl.LazyFrame({"n": [1, 2, 3], "text": ["1", "2", "x"]})


@task
def double(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.with_columns(pl.col("n") * 2)


@task
def cast(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.with_columns(pl.col("text").cast(pl.Int64, strict=True))


@task
def look(source: Bucket) -> pl.LazyFrame:
    return source.scan()


def test_one_scan_for_many_outputs(provider: LocalProvider) -> None:
    passes: list[int] = []

    def counted(df: pl.DataFrame) -> pl.DataFrame:
        passes.append(df.height)
        return df

    @task
    def expensive() -> pl.LazyFrame:
        return pl.LazyFrame({"n": [1, 2, 3]}).map_batches(counted)

    @pipeline
    def body() -> None:
        df = expensive()
        doubled = double(df)
        for name, frame in (("a.parquet", df), ("b.csv", doubled), ("c.ndjson", doubled)):
            provider.bucket("out", path=name).write(frame)

    body.run()
    assert passes == [3]
    assert provider.bucket("out", path="a.parquet").read()["n"].to_list() == [1, 2, 3]
    assert provider.bucket("out", path="b.csv").read()["n"].to_list() == [2, 4, 6]
    assert provider.bucket("out", path="c.ndjson").read()["n"].to_list() == [2, 4, 6]


def test_what_goes_together(provider: LocalProvider) -> None:
    bucket = provider.bucket("out", path="a.parquet")

    @pipeline
    def body() -> None:
        one, other = load(), load()
        bucket.at("1.parquet").write(one)
        bucket.at("2.parquet").write(double(one))
        bucket.at("3.parquet").write(other)
        bucket.at("4.parquet").write(one)
        bucket.at("5.parquet").write(look(bucket.at("4.parquet")))

    graph = body.plan()
    names = [[graph.names[index] for index in group] for group in shared_sinks(graph)]
    assert names == [["out.write[1.parquet]", "out.write[2.parquet]"]]  # 4 is waited for, 3 and 5 share with none
    body.run()
    assert bucket.at("5.parquet").read().height == 3


def test_groups_never_wait_for_each_other(provider: LocalProvider) -> None:
    bucket = provider.bucket("out", path="a.parquet")

    @pipeline
    def crossed() -> None:
        a, b = load(), load()
        bucket.at("a1.parquet").write(a)
        bucket.at("b1.parquet").write(b)
        bucket.at("b1.parquet").write(a.pipe(double))
        bucket.at("a1.parquet").write(b.pipe(double))
        look(bucket.at("a1.parquet"))

    crossed.run()
    assert bucket.at("a1.parquet").read()["n"].to_list() == [2, 4, 6]
    assert bucket.at("b1.parquet").read()["n"].to_list() == [2, 4, 6]


@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_a_failing_output_is_named_and_keeps_its_old_object(provider: LocalProvider, on_failure: str) -> None:
    bucket = provider.bucket("out", path="a.parquet")
    old = pl.DataFrame({"old": [1]})
    bucket.at("bad.parquet").write(old)

    @pipeline
    def body() -> None:
        df = load()
        bucket.at("good.parquet").write(df)
        bucket.at("bad.parquet").write(cast(df))

    with pytest.raises(TaskError if on_failure == "stop" else RunErrors) as error:
        body.run(on_failure=on_failure)  # type: ignore[call-overload]  # each of the closed set
    raised = error.value
    failure = raised.exceptions[0] if isinstance(raised, RunErrors) else raised
    assert isinstance(failure, TaskError)
    assert failure.task == "out.write[bad.parquet]"
    assert bucket.at("bad.parquet").read().equals(old)
    assert bucket.at("good.parquet").read().height == 3
    assert bucket.list() == []
    assert sorted(bucket.at("./").list()) == ["bad.parquet", "good.parquet"]


def test_data_frames_and_eager_formats_join_in(provider: LocalProvider) -> None:
    bucket = provider.bucket("out", path="a.parquet")

    @task
    def collected(df: pl.LazyFrame) -> pl.DataFrame:
        return df.collect()

    @pipeline
    def body() -> None:
        df = load()
        bucket.at("a.json").write(df)
        bucket.at("b.avro").write(df)
        bucket.at("c.parquet").write(collected(df))

    body.run()
    for path in ("a.json", "b.avro", "c.parquet"):
        assert bucket.at(path).read()["n"].to_list() == [1, 2, 3]


def test_get_uri_in_the_body_makes_folders_only_when_run(provider: LocalProvider, tmp_path: Path) -> None:
    @task
    def save(df: pl.LazyFrame, uri: str) -> None:
        df.collect().write_parquet(uri)

    @pipeline
    def body() -> None:
        save(load(), provider.bucket("out", path="deep/er/a.parquet").get_uri())

    body.run(mode="analyze")
    assert not (tmp_path / "out").exists()
    body.run()
    assert (tmp_path / "out" / "deep" / "er" / "a.parquet").is_file()


@task
def appended(old: pl.LazyFrame, new: pl.LazyFrame) -> pl.LazyFrame:
    return pl.concat([old, new])


@task
def more() -> pl.LazyFrame:
    return pl.LazyFrame({"n": [5]})


@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_what_is_published_is_not_written_again_where_another_cannot_be(
    provider: LocalProvider, on_failure: Literal["stop", "continue"]
) -> None:
    history = provider.bucket("out", path="history.csv")
    history.write(pl.DataFrame({"n": [1]}))
    taken = provider.bucket("out", path="taken.csv")
    Path(taken.uri).mkdir()

    @pipeline
    def body() -> None:
        new = more()
        history.write(appended(history.scan(), new))
        taken.write(new)

    with pytest.raises((TaskError, RunErrors)) as caught:
        body.run(on_failure=on_failure)
    failures = caught.value.exceptions if isinstance(caught.value, RunErrors) else [caught.value]
    assert ["`out.write[taken.csv]`" in str(failure) for failure in failures] == [True]
    assert history.read()["n"].to_list() == [1, 5]
