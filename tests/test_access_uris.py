"""What tasks touch by the URIs of resources: every way a URI takes is followed, or counts as a use nobody can tell."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from glacier import Bucket, pipeline, task
from glacier.testing import MemoryProvider
from test_access_inference import accesses, clean, one, provider, raw

folder = provider.bucket("lake", path="day/")


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


def complains(source: Bucket) -> None:
    if not Path(source.get_uri()).exists():
        raise FileNotFoundError(f"nothing at {source.get_uri()}")


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


def by_the_rest(target: Bucket) -> None:
    _, *rest = ["", target.get_uri()]
    for path in rest:
        one.write_csv(path)


def any_file(source: Bucket) -> bool:
    return any(Path(source.get_uri()).iterdir())


def last_file(source: Bucket) -> str:
    return max(Path(source.get_uri()).iterdir()).name


def by_method_of_a_class_inside(target: Bucket) -> None:
    class Place:
        def path(self) -> str:
            return target.get_uri()

    one.write_csv(Place().path())


def by_method_called_later(target: Bucket) -> None:
    write_it = Path(target.get_uri()).write_text
    write_it("x")


def by_exception(target: Bucket) -> None:
    try:
        raise ValueError(target.get_uri())
    except ValueError as error:
        one.write_csv(error.args[0])


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
        (complains, READ),
        (gives, UNKNOWN),
        (gives_in_list, UNKNOWN),
        (yields, UNKNOWN),
        (by_item, UNKNOWN),
        (by_key, UNKNOWN),
        (by_attribute, UNKNOWN),
        (by_mapped_function, UNKNOWN),
        (by_table_of_lambdas, UNKNOWN),
        (by_the_rest, WRITTEN),
        (any_file, READ),
        (last_file, READ),
        (by_method_of_a_class_inside, UNKNOWN),
        (by_method_called_later, UNKNOWN),
        (by_exception, UNKNOWN),
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


@task
def save(path: str | Path) -> None:
    Path(path).write_text("x")


@task
def load(path: str | Path) -> str:
    return Path(path).read_text()


@task
def save_all(paths: list[str]) -> None:
    for path in paths:
        Path(path).write_text("x")


MADE: list[Callable[[str], str | Path]] = [
    lambda uri: uri,
    lambda uri: f"{uri}a.txt",
    lambda uri: uri + "a.txt",
    lambda uri: "{}{}".format(uri, "a.txt"),
    lambda uri: os.path.join(uri, "a.txt"),  # noqa: PTH118  # the form is what is tested
    lambda uri: Path(uri) / "a.txt",
    Path,
]


@pytest.mark.parametrize("made", MADE)
def test_text_and_paths_that_the_body_makes_of_a_uri(made: Callable[[str], str | Path]) -> None:
    @pipeline
    def body() -> str:
        uri = folder.get_uri()
        save(made(uri))
        return load(made(uri))

    analysis = body.run(mode="analyze")
    assert [(edge["from"], edge["to"]) for edge in analysis["edges"]] == [("save", "load")]
    assert [(r["name"], r["written_by"], r["read_by"]) for r in analysis["resources"]] == [
        ("lake/day/", ["save"], ["load"])
    ]


def test_the_longest_uri_that_a_text_holds_counts() -> None:
    @pipeline
    def body() -> str:
        whole, part = provider.bucket("lake", path="a/").get_uri(), provider.bucket("lake", path="a/b/").get_uri()
        save(f"{whole}c.txt")
        save(f"{part}d.txt")
        return load(Path(whole) / "b" / "e.txt")

    assert [(r["name"], r["read_by"]) for r in body.run(mode="analyze")["resources"]] == [
        ("lake/a/", []),
        ("lake/a/b/", ["load"]),
    ]


def test_text_of_a_uri_in_a_list_and_from_a_branch() -> None:
    @task
    def weekend() -> bool:
        return False

    @pipeline
    def body() -> str:
        uri = folder.get_uri()
        save_all([f"{uri}a.txt", f"{uri}b.txt"])
        name = f"{uri}a.txt" if weekend() else f"{uri}b.txt"
        return load(name)

    analysis = body.run(mode="analyze")
    assert ("save_all", "load") in [(edge["from"], edge["to"]) for edge in analysis["edges"]]


@dataclass
class Report:
    folder: str
    days: int = 1


def test_a_uri_that_an_object_holds() -> None:
    @task
    def fill(report: Report) -> None:
        for day in range(report.days):
            (Path(report.folder) / f"{day}.txt").write_text("x")

    @task
    def first(report: Report) -> pl.DataFrame:
        return pl.read_csv(f"{report.folder}0.txt")

    @pipeline
    def body() -> pl.DataFrame:
        report = Report(folder.get_uri() + "report/")
        fill(report)
        return first(report)

    (resource,) = body.run(mode="analyze")["resources"]
    assert (resource["written_by"], resource["read_by"], resource["uncertain"]) == (["fill"], ["first"], [])


def test_a_task_gets_text_and_paths_as_the_body_made_them() -> None:
    @task
    def kinds(text: str, path: Path) -> list[str]:
        return [type(text).__name__, type(path).__name__]

    @pipeline
    def body() -> list[str]:
        uri = MemoryProvider().bucket("lake", path="a/").get_uri()
        return kinds(f"{uri}a", Path(uri))

    assert body.run() == body() == ["str", type(Path()).__name__]
