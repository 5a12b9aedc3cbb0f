"""What tasks of a pipeline touch, by every way a resource reaches them: as the analysis tells it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import polars as pl
import pytest

import storage_helpers
from glacier import Bucket, pipeline, task
from glacier.providers import LocalProvider

provider = LocalProvider("/nowhere")
raw = provider.bucket("raw", path="a.parquet")
clean = provider.bucket("clean", path="b.parquet")
one = pl.DataFrame({"n": [1]})


@dataclass
class Lake:
    raw: Bucket = field(default_factory=lambda: raw)
    clean: Bucket = field(default_factory=lambda: clean)
    title: str = "lake"

    def save(self, df: pl.DataFrame) -> None:
        self._put(df)

    def _put(self, df: pl.DataFrame) -> None:
        self.clean.write(df)

    @property
    def target(self) -> Bucket:
        return self.clean

    @classmethod
    def load_from(cls, source: Bucket) -> pl.DataFrame:
        return source.read()


@dataclass(frozen=True, slots=True)
class SlottedLake:
    raw: Bucket
    clean: Bucket


class NamedLake(NamedTuple):
    raw: Bucket
    clean: Bucket


class Places:
    raw: ClassVar[Bucket] = raw
    clean: ClassVar[Bucket] = clean


class Nested:
    def __init__(self) -> None:
        self.lake = Lake()
        self.notes: dict[str, object] = {"by": "hand"}


class Step:
    def __init__(self) -> None:
        self.source, self.bucket, self.log = raw, clean, [""]

    @task
    def run(self) -> None:
        self.log.append("started")
        self._save(self._load())

    def _load(self) -> pl.DataFrame:
        return self.source.read()

    def _save(self, df: pl.DataFrame) -> None:
        self.bucket.write(df)


LAKE = Lake()
BY_NAME = {"raw": raw, "clean": clean}


def put(df: pl.DataFrame, *, into: Bucket) -> None:
    into.write(df)


def put_all(df: pl.DataFrame, *targets: Bucket) -> None:
    for target in targets:
        put(df, into=target)


def put_named(df: pl.DataFrame, **targets: Bucket) -> None:
    for target in targets.values():
        target.write(df)


def write_there(df: pl.DataFrame, uri: str) -> None:
    df.write_parquet(f"{uri}/part.parquet")


def place_in(target: Bucket, name: str) -> str:
    return target.get_uri() + "/" + name


def pick(lake: dict[str, Bucket]) -> Bucket:
    return lake["clean"]


save_clean = functools.partial(put, into=clean)


def described(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@described
def decorated_scan(source: Bucket) -> pl.LazyFrame:
    return source.scan()


def accesses(task_function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Gives what a call of a function as a task does: `r`, `w`, `rw`, or `?` where it cannot be told, by bucket."""
    called = task(task_function)

    @pipeline
    def body() -> None:
        called(*args, **kwargs)

    return told(body.run(mode="analyze"))


def told(analysis: Any) -> str:
    found = (
        f"{resource['name']}:{'?' if resource['uncertain'] else 'r' * bool(resource['read_by'])}"
        f"{'' if resource['uncertain'] else 'w' * bool(resource['written_by'])}"
        for resource in analysis["resources"]
    )
    return " ".join(sorted(found, reverse=True))


def by_key(lake: dict[str, Bucket]) -> None:
    lake["clean"].write(lake["raw"].read())


def by_get(lake: dict[str, Bucket]) -> Any:
    source = lake.get("raw")
    return source and source.read()


def by_attribute(lake: Lake) -> None:
    lake.clean.write(lake.raw.read())


def by_index(lake: tuple[Bucket, Bucket]) -> None:
    lake[1].write(lake[0].read())


def by_unpacking(lake: tuple[Bucket, Bucket]) -> None:
    source, target = lake
    target.write(source.read())


def by_some_key(lake: dict[str, Bucket], key: str) -> None:
    lake[key].write(one)


def by_each_value(lake: dict[str, Bucket]) -> None:
    for name, bucket in lake.items():
        print(name.upper(), bucket.read())


def by_pairs(sources: list[Bucket], targets: list[Bucket]) -> None:
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        target.write(source.read().head(number))


def by_display(source: Bucket, target: Bucket) -> None:
    for bucket in (source, target):
        bucket.read()


def by_local_dict(source: Bucket, target: Bucket) -> None:
    places = {"from": source, "to": target}
    frames = [place.read() for place in places.values()]
    print(len(frames))


def by_one_name_in_turn(source: Bucket, target: Bucket) -> None:
    bucket = source
    df = bucket.read()
    bucket = target
    bucket.write(df)


def by_nested_object(nested: Nested) -> None:
    nested.notes["by"] = "task"
    nested.lake.clean.write(one)


def by_facts(lake: Lake) -> str:
    return lake.title.upper() + lake.raw.name.upper() + lake.raw.label


def by_method(lake: Lake) -> None:
    lake.save(one)


def by_property(lake: Lake) -> None:
    lake.target.write(one)


def by_class_method(source: Bucket) -> pl.DataFrame:
    return Lake.load_from(source)


def by_global() -> None:
    clean.write(raw.read())


def by_global_member() -> None:
    BY_NAME["clean"].write(one)


def by_global_object() -> None:
    LAKE.clean.write(one)


def by_global_method() -> None:
    LAKE.save(one)


def by_class_attribute() -> pl.DataFrame:
    return Places.raw.read()


def by_module() -> None:
    storage_helpers.PLACES["raw"].write(one)


def by_module_of_helpers(source: Bucket) -> Any:
    return storage_helpers.load(source)


def by_comprehension_of_globals() -> list[pl.DataFrame]:
    return [raw.read() for _ in range(2)]


def by_helper_of_helper(target: Bucket) -> None:
    put_all(one, target)


def by_keywords(target: Bucket) -> None:
    put_named(one, first=target)


def by_local_function(source: Bucket, target: Bucket) -> None:
    def move(start: Bucket, end: Bucket) -> None:
        end.write(start.read())

    move(source, target)


def by_lambda(source: Bucket) -> Any:
    def rows(load: Callable[[], pl.DataFrame]) -> int:
        return load().height

    return rows(lambda: source.read().head(1))


def by_partial(target: Bucket) -> None:
    save = functools.partial(put, into=target)
    save(one)


def by_global_partial() -> None:
    save_clean(one)


def by_decorated_helper(source: Bucket) -> pl.DataFrame:
    df: pl.DataFrame = decorated_scan(source).collect()
    return df


def by_helper_that_picks(lake: dict[str, Bucket]) -> None:
    pick(lake).write(one)


def by_uri_given_to_a_helper(target: Bucket) -> None:
    uri = target.get_uri()
    write_there(one, uri)


def by_uri_of_a_helper(target: Bucket) -> None:
    one.write_parquet(place_in(target, "x.parquet"))


def by_uri_in_an_f_string(target: Bucket) -> None:
    uri = target.get_uri()
    part = f"{uri}/part.parquet"
    one.write_parquet(part)


def by_uri_and_path(target: Bucket) -> None:
    folder = Path(target.get_uri()) / "day"
    one.write_csv(folder / "a.csv")


def by_uri_and_join(target: Bucket) -> None:
    one.write_csv(os.path.join(target.get_uri(), "a.csv"))  # noqa: PTH118  # the form is what is tested


def by_uri_property(source: Bucket) -> pl.LazyFrame:
    return pl.scan_parquet(source.uri)


def by_uri_parameter(uri: str) -> None:
    part = uri + ".parquet"
    one.write_parquet(part)


def by_default(target: Bucket = clean) -> None:
    target.write(one)


def by_yield(source: Bucket) -> Iterator[Bucket]:
    yield source


def by_attribute_that_is_set(source: Bucket) -> None:
    one.source = source  # type: ignore[attr-defined]  # what nobody follows


def by_star(*buckets: Bucket) -> None:
    for bucket in buckets:
        bucket.write(one)


def by_star_handed_on(*buckets: Bucket) -> None:
    put_all(one, *buckets)


def calls_itself(source: Bucket, target: Bucket, left: int) -> None:
    if left:
        calls_itself(target, source, left - 1)
    target.write(one)


BOTH_WAYS = "raw/a.parquet:r clean/b.parquet:w"
WRITES = "clean/b.parquet:w"
READS = "raw/a.parquet:r"

CASES: list[tuple[Callable[..., Any], tuple[Any, ...], str]] = [
    (by_key, (BY_NAME,), BOTH_WAYS),
    (by_get, (BY_NAME,), READS),
    (by_attribute, (LAKE,), BOTH_WAYS),
    (by_attribute, (SlottedLake(raw, clean),), BOTH_WAYS),
    (by_attribute, (NamedLake(raw, clean),), BOTH_WAYS),
    (by_index, (NamedLake(raw, clean),), BOTH_WAYS),
    (by_index, ((raw, clean),), BOTH_WAYS),
    (by_index, ([raw, clean],), BOTH_WAYS),
    (by_unpacking, ((raw, clean),), BOTH_WAYS),
    (by_some_key, (BY_NAME, "raw"), "raw/a.parquet:w clean/b.parquet:w"),
    (by_each_value, (BY_NAME,), "raw/a.parquet:r clean/b.parquet:r"),
    (by_pairs, ([raw], [clean]), BOTH_WAYS),
    (by_display, (raw, clean), "raw/a.parquet:r clean/b.parquet:r"),
    (by_local_dict, (raw, clean), "raw/a.parquet:r clean/b.parquet:r"),
    (by_one_name_in_turn, (raw, clean), "raw/a.parquet:rw clean/b.parquet:rw"),
    (by_nested_object, (Nested(),), WRITES),
    (by_facts, (LAKE,), ""),
    (by_method, (LAKE,), WRITES),
    (by_property, (LAKE,), "raw/a.parquet:? clean/b.parquet:?"),
    (by_class_method, (raw,), READS),
    (by_global, (), BOTH_WAYS),
    (by_global_member, (), WRITES),
    (by_global_object, (), WRITES),
    (by_global_method, (), WRITES),
    (by_class_attribute, (), READS),
    (by_module, (), "shared/raw.parquet:w"),
    (by_module_of_helpers, (raw,), "shared/log.parquet:w raw/a.parquet:r"),
    (by_comprehension_of_globals, (), READS),
    (by_helper_of_helper, (clean,), WRITES),
    (by_keywords, (clean,), WRITES),
    (by_local_function, (raw, clean), BOTH_WAYS),
    (by_lambda, (raw,), READS),
    (by_partial, (clean,), WRITES),
    (by_global_partial, (), WRITES),
    (functools.partial(by_local_function, raw), (clean,), BOTH_WAYS),
    (functools.partial(put, into=clean), (one,), WRITES),
    (by_decorated_helper, (raw,), READS),
    (by_helper_that_picks, (BY_NAME,), WRITES),
    (by_uri_given_to_a_helper, (clean,), WRITES),
    (by_uri_of_a_helper, (clean,), WRITES),
    (by_uri_in_an_f_string, (clean,), WRITES),
    (by_uri_and_path, (clean,), WRITES),
    (by_uri_and_join, (clean,), WRITES),
    (by_uri_property, (raw,), READS),
    (by_default, (), WRITES),
    (by_yield, (raw,), "raw/a.parquet:?"),
    (by_attribute_that_is_set, (raw,), "raw/a.parquet:?"),
    (by_star, (raw, clean), "raw/a.parquet:w clean/b.parquet:w"),
    (by_star_handed_on, (clean,), "clean/b.parquet:?"),
    (calls_itself, (raw, clean, 3), "raw/a.parquet:w clean/b.parquet:w"),
]


@pytest.mark.parametrize(("function", "args", "expected"), CASES)
def test_what_a_task_touches(function: Callable[..., Any], args: tuple[Any, ...], expected: str) -> None:
    assert accesses(function, *args) == expected


def test_a_task_that_is_a_method() -> None:
    step = Step()

    @pipeline
    def body() -> None:
        step.run()

    assert told(body.run(mode="analyze")) == BOTH_WAYS


def test_a_uri_that_the_body_asks_for() -> None:
    write_it = task(by_uri_parameter)

    @pipeline
    def body() -> None:
        write_it(clean.get_uri())

    assert told(body.run(mode="analyze")) == WRITES


def test_a_bucket_that_a_branch_or_a_task_chooses() -> None:
    @task
    def weekend() -> bool:
        return False

    @task
    def chosen(first: Bucket, second: Bucket) -> Bucket:
        return first

    @task
    def save(target: Bucket) -> None:
        target.write(one)

    @pipeline
    def branch() -> None:
        target = raw if weekend() else clean
        save(target)

    @pipeline
    def result() -> None:
        save(chosen(raw, clean))

    assert told(branch.run(mode="analyze")) == "raw/a.parquet:w clean/b.parquet:w"
    by_save = {r["name"]: [str(name) for name in r["written_by"]] for r in result.run(mode="analyze")["resources"]}
    assert by_save == {"raw/a.parquet": ["chosen", "save"], "clean/b.parquet": ["save"]}
