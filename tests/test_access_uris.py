"""What tasks touch by the URIs of resources: every way a URI takes is followed, or counts as a use nobody can tell."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from glacier import Bucket
from test_access_inference import accesses, clean, one, raw


def by_list(target: Bucket) -> None:
    paths = [f"{target.get_uri()}part-{i}.csv" for i in range(3)]
    for path in paths:
        one.write_csv(path)


def by_generator(target: Bucket) -> None:
    for path in (target.get_uri() + str(i) for i in range(3)):
        one.write_csv(path)


def by_set(target: Bucket) -> None:
    for path in {target.get_uri() for _ in range(3) if target.name}:
        one.write_csv(path)


def by_dict(target: Bucket) -> None:
    paths = {i: f"{target.get_uri()}{i}" for i in range(3)}
    for path in paths.values():
        one.write_csv(path)


def by_format(target: Bucket) -> None:
    one.write_csv("{}/x.csv".format(target.get_uri()))  # noqa: UP032  # the form is what is tested


def by_named_format(target: Bucket) -> None:
    one.write_csv("{to}/x.csv".format(to=target.get_uri()))  # noqa: UP032  # the form is what is tested


def by_percent(target: Bucket) -> None:
    one.write_csv("%s/%d.csv" % (target.get_uri(), 1))  # noqa: UP031  # the form is what is tested


def by_growing_text(target: Bucket) -> None:
    path = ""
    path += target.get_uri()
    one.write_csv(path)


def by_local_function(target: Bucket) -> None:
    def part(number: int) -> str:
        return f"{target.get_uri()}{number}.csv"

    one.write_csv(part(1))


def by_lambda(target: Bucket) -> None:
    part: Callable[[int], str] = lambda number: f"{target.get_uri()}{number}.csv"  # noqa: E731  # the form is what is tested
    one.write_csv(part(1))


def by_method_under_another_name(target: Bucket) -> None:
    get = target.get_uri
    one.write_csv(get())


def by_sorted(target: Bucket) -> None:
    for path in list(sorted([target.get_uri()], reverse=True)):  # noqa: C413  # the form is what is tested
        one.write_csv(path)


def by_folder(source: Bucket) -> int:
    return sum(1 for _ in Path(source.get_uri()).iterdir())


def by_files_of_a_folder(source: Bucket) -> None:
    for path in Path(source.get_uri()).glob("*.csv"):
        pl.read_csv(path)


def by_listing(source: Bucket) -> list[str]:
    return os.listdir(source.get_uri())  # noqa: PTH208  # the form is what is tested


def tells_only(source: Bucket) -> str:
    path = Path(source.get_uri())
    if path.suffix == ".csv" or source.get_uri().startswith("s3://"):
        print(f"at {path}")
    return path.name


def writes_and_says_where(target: Bucket) -> list[str]:
    one.write_csv(target.get_uri())
    return [target.get_uri()]


def reads_text(source: Bucket) -> list[str]:
    lines = Path(source.get_uri()).read_text().splitlines()
    return [line for line in lines if line]


def gives(source: Bucket) -> str:
    return source.get_uri()


def gives_in_list(source: Bucket) -> list[str]:
    return [f"{source.get_uri()}x"]


def yields(source: Bucket) -> Iterator[list[str]]:
    yield [source.get_uri()]


def by_item(target: Bucket) -> None:
    paths: dict[str, str] = {}
    paths["a"] = target.get_uri()
    one.write_csv(paths["a"])


def by_key(target: Bucket) -> None:
    for path in {target.get_uri(): 1}:
        one.write_csv(path)


def by_attribute(target: Bucket) -> None:
    place = SimpleNamespace()
    place.uri = target.get_uri()
    one.write_csv(place.uri)


def by_mapped_function(target: Bucket) -> None:
    def part(number: int) -> str:
        return f"{target.get_uri()}{number}.csv"

    for path in map(part, range(3)):
        one.write_csv(path)


def by_table_of_lambdas(target: Bucket) -> None:
    places = {"a": lambda: f"{target.get_uri()}a.csv"}
    one.write_csv(places["a"]())


def picks_inside(target: Bucket) -> None:
    def pick() -> Bucket:
        return target

    pick().write(one)


def picks_by_lambda(target: Bucket) -> None:
    pick = lambda: target  # noqa: E731  # the form is what is tested
    pick().write(one)  # type: ignore[no-untyped-call]  # as above


def gives_all_inside(target: Bucket) -> None:
    def save(*targets: Bucket, **named: Bucket) -> None:
        for bucket in (*targets, *named.values()):
            bucket.write(one)

    save(target)


def gives_named_inside(target: Bucket) -> None:
    def save(*, into: Bucket) -> None:
        into.write(one)

    save(into=target)


def chained(source: Bucket) -> None:
    for bucket in chain([source], [source]):
        bucket.read()


def chained_by_module(source: Bucket) -> None:
    for bucket in itertools.islice(itertools.chain.from_iterable([[source]]), 1):
        bucket.read()


def in_pairs(source: Bucket) -> None:
    for bucket, _ in list(zip([source], [1], strict=True)):
        bucket.read()


WRITTEN, READ, UNKNOWN, NOTHING = "w", "r", "?", ""


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (by_list, WRITTEN),
        (by_generator, WRITTEN),
        (by_set, WRITTEN),
        (by_dict, WRITTEN),
        (by_format, WRITTEN),
        (by_named_format, WRITTEN),
        (by_percent, WRITTEN),
        (by_growing_text, WRITTEN),
        (by_local_function, WRITTEN),
        (by_lambda, WRITTEN),
        (by_method_under_another_name, WRITTEN),
        (by_sorted, WRITTEN),
        (by_folder, READ),
        (by_files_of_a_folder, READ),
        (by_listing, READ),
        (tells_only, NOTHING),
        (writes_and_says_where, WRITTEN),
        (reads_text, READ),
        (gives, UNKNOWN),
        (gives_in_list, UNKNOWN),
        (yields, UNKNOWN),
        (by_item, UNKNOWN),
        (by_key, UNKNOWN),
        (by_attribute, UNKNOWN),
        (by_mapped_function, UNKNOWN),
        (by_table_of_lambdas, UNKNOWN),
        (picks_inside, WRITTEN),
        (picks_by_lambda, WRITTEN),
        (gives_all_inside, WRITTEN),
        (gives_named_inside, WRITTEN),
        (chained, READ),
        (chained_by_module, READ),
        (in_pairs, READ),
    ],
)
def test_what_a_task_touches_by_a_uri_or_a_function_inside(function: Callable[..., Any], expected: str) -> None:
    bucket = raw if expected == READ else clean
    assert accesses(function, bucket) == (f"{bucket.name}/{bucket.path}:{expected}" if expected else "")
