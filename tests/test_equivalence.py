"""Random bodies over a few shared objects: a parallel run gives what the body gives run top to bottom."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier import Bucket, Pipeline, pipeline, task
from glacier.providers import LocalProvider

PATHS = ("a.parquet", "b.parquet", "day/c.parquet", "day/d.parquet")
WHOLE = ("day/", "day/*.parquet")


@dataclass(frozen=True)
class Step:
    """One line of a body; `source` picks an earlier result."""

    verb: Literal["make", "add", "save", "load", "total", "scan", "sink", "lazy", "more", "count"]
    path: int
    source: int


def pause() -> None:
    time.sleep(random.random() * 0.002)  # to shuffle the threads, not to keep a secret


@task
def make(n: int) -> int:
    pause()
    return n


@task
def add(x: int, y: int) -> int:
    pause()
    return x * 3 + y


@task
def save(target: Bucket, value: int) -> int:
    pause()
    target.write(pl.DataFrame({"n": [value]}))
    return value + 1


@task
def load(source: Bucket) -> int:
    pause()
    return int(source.read()["n"].sum())


@task
def total(source: Bucket) -> int:
    pause()
    return sum(int(source.at(path).read()["n"].sum()) for path in source.list())


@task
def first(frame: pl.DataFrame) -> int:
    return int(frame["n"].sum())


@task
def lazy(source: Bucket) -> pl.LazyFrame:
    pause()
    return source.scan()


@task
def more(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.with_columns(pl.col("n") + 1).sort("n")


@task
def count(frame: pl.LazyFrame) -> int:
    pause()
    return int(frame.collect()["n"].sum())


@task
def as_frame(value: int) -> pl.LazyFrame:
    return pl.LazyFrame({"n": [value]})


def body_of(steps: list[Step], bucket: Bucket) -> Pipeline[[], list[Any]]:
    @pipeline
    def body() -> list[Any]:
        values: list[Any] = [make(1)]
        frames: list[Any] = [lazy(bucket)]
        for number, step in enumerate(steps):
            value = values[step.source % len(values)]
            frame = frames[step.source % len(frames)]
            place = bucket.at(PATHS[step.path % len(PATHS)])
            match step.verb:
                case "make":
                    values.append(make(number))
                case "add":
                    values.append(add(value, values[-1]))
                case "save":
                    values.append(save(place, value))
                case "load":
                    values.append(load(place))
                case "total":
                    values.append(total(bucket.at(WHOLE[step.path % 2], format="parquet")))
                case "scan":
                    values.append(first(place.read()))
                case "sink":
                    place.write(as_frame(value))
                case "lazy":
                    frames.append(lazy(place) if step.source % 2 else place.scan())
                case "more":
                    frames.append(more(frame))
                case "count":
                    values.append(count(frame))
        return values

    return body


def fresh() -> Bucket:
    bucket = LocalProvider(tempfile.mkdtemp()).bucket("data", path="a.parquet")
    for number, path in enumerate(PATHS):
        bucket.at(path).write(pl.DataFrame({"n": [number]}))
    return bucket


def contents(bucket: Bucket) -> list[int]:
    return [int(bucket.at(path).read()["n"].sum()) for path in PATHS]


steps = st.builds(
    Step,
    verb=st.sampled_from(["make", "add", "save", "load", "total", "scan", "sink", "lazy", "more", "count"]),
    path=st.integers(0, 3),
    source=st.integers(0, 30),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=1, max_size=25), st.integers(2, 8))
def test_parallel_run_equals_the_body_run_top_to_bottom(steps: list[Step], workers: int) -> None:
    one, other = fresh(), fresh()
    try:
        assert body_of(steps, one).run(max_workers=workers) == body_of(steps, other)()
        assert contents(one) == contents(other)
    finally:
        for bucket in (one, other):
            shutil.rmtree(Path(bucket.uri).parents[1])
