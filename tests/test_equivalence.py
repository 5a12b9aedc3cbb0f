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
    """One line of a body; `source` picks an earlier result, and `side` on which side of a branch it stands, if any."""

    verb: Literal["make", "add", "save", "load", "total", "scan", "sink", "lazy", "more", "count"]
    path: int
    source: int
    side: bool | None = None


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


class Turns:
    """The results so far, from which each line of a body takes one."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.values: list[Any] = [make(1)]
        self.frames: list[Any] = [lazy(bucket)]

    def even(self, step: Step) -> Any:
        return self.values[step.source % len(self.values)] % 2 == 0

    def made(self, number: int, step: Step) -> tuple[Any, Any]:
        """Does one line, and gives the latest value and frame after it."""
        latest, latest_frame = self.values[-1], self.frames[-1]
        value = self.values[step.source % len(self.values)]
        frame = self.frames[step.source % len(self.frames)]
        place = self.bucket.at(PATHS[step.path % len(PATHS)])
        match step.verb:
            case "make":
                latest = make(number)
            case "add":
                latest = add(value, latest)
            case "save":
                latest = save(place, value)
            case "load":
                latest = load(place)
            case "total":
                latest = total(self.bucket.at(WHOLE[step.path % 2], format="parquet"))
            case "scan":
                latest = first(place.read())
            case "sink":
                place.write(as_frame(value))
            case "lazy":
                latest_frame = lazy(place) if step.source % 2 else place.scan()
            case "more":
                latest_frame = more(frame)
            case "count":
                latest = count(frame)
        return latest, latest_frame


def body_of(steps: list[Step], bucket: Bucket) -> Pipeline[[], list[Any]]:
    @pipeline
    def body() -> list[Any]:
        turns = Turns(bucket)
        for number, step in enumerate(steps):
            value, frame = turns.values[-1], turns.frames[-1]
            if step.side is None:
                value, frame = turns.made(number, step)
            elif turns.even(step):
                if step.side:
                    value, frame = turns.made(number, step)
            elif not step.side:
                value, frame = turns.made(number, step)
            turns.values.append(value)
            turns.frames.append(frame)
        return turns.values

    return body


@task
def few(value: int) -> list[int]:
    return [value + k for k in range(value % 4)]


def line(bucket: Bucket, step: Step, number: int, value: Any, frame: Any) -> tuple[Any, Any]:
    """Does one line with what there is, and gives the value and the frame after it."""
    turns = Turns(bucket)
    turns.values, turns.frames = [value], [frame]
    return turns.made(number, step)


def looping_body(
    before: list[Step], inside: list[Step], nested: list[Step], after: list[Step], bucket: Bucket
) -> Pipeline[[], Any]:
    @pipeline
    def body() -> Any:
        value, frame = make(1), lazy(bucket)
        found = []
        for number, step in enumerate(before):
            value, frame = line(bucket, step, number, value, frame)
            found.append(value)
        for x in few(add(value, 2)):
            for number, step in enumerate(inside):
                if step.side is None:
                    value, frame = line(bucket, step, number, value, frame)
                elif (x % 2 == 0) == step.side:
                    own, _ = line(bucket, step, number, x, frame)
                    found.append(own)
                else:
                    line(bucket, step, number, value, frame)
            for y in few(x):
                for number, step in enumerate(nested):
                    if step.side is None:
                        value, frame = line(bucket, step, number, add(value, y), frame)
                    elif (y % 2 == 0) == step.side:
                        own, frame = line(bucket, step, number, y, frame)
                        found.append(own)
        for number, step in enumerate(after):
            value, frame = line(bucket, step, number, value, frame)
            found.append(value)
        return found, value

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
    side=st.none() | st.booleans(),
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


@settings(max_examples=60, deadline=None)
@given(
    st.lists(steps, max_size=4),
    st.lists(steps, min_size=1, max_size=6),
    st.lists(steps, max_size=3),
    st.lists(steps, max_size=4),
    st.integers(2, 8),
)
def test_loops_over_shared_objects_equal_the_body_run_top_to_bottom(
    before: list[Step], inside: list[Step], nested: list[Step], after: list[Step], workers: int
) -> None:
    one, other = fresh(), fresh()
    try:
        run = looping_body(before, inside, nested, after, one).run(max_workers=workers)
        assert run == looping_body(before, inside, nested, after, other)()
        assert contents(one) == contents(other)
    finally:
        for bucket in (one, other):
            shutil.rmtree(Path(bucket.uri).parents[1])
