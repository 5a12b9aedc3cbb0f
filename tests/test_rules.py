"""The graph of a random body orders what the rules of docs/ordering.md ask for, and nothing else.

The rules are worked out a second time here, pair by pair, with no thought of speed: for every two nodes, must the one
wait for the other? What waits through others counts as waiting, in the graph as in the rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier import Bucket, Pipeline, pipeline, task
from glacier.errors import GraphError
from glacier.graph import Graph
from glacier.providers import LocalProvider

provider = LocalProvider("/nowhere")
data = provider.bucket("data", path="seed.parquet")

FILES = {
    "a.parquet": r"a\.parquet",
    "day/c.parquet": r"day/c\.parquet",
    "day/d.csv": r"day/d\.csv",
    "day/sub/e.parquet": r"day/sub/e\.parquet",
    "other/c.parquet": r"other/c\.parquet",
}
FOLDERS = {"./": r".*", "day/": r"day/.*", "day/sub/": r"day/sub/.*", "days/": r"days/.*"}
GLOBS = {
    "*.parquet": r"[^/]*\.parquet",
    "day/*.parquet": r"day/[^/]*\.parquet",
    "other/?.parquet": r"other/[^/]\.parquet",
    "d*/c.parquet": r"d[^/]*/c\.parquet",
    "**/e.parquet": r"(.*/)?e\.parquet",
}
PLACES = FILES | FOLDERS | GLOBS
OBJECTS = [
    *FILES,
    *("day/x.parquet", "day/e.parquet", "day/sub/c.parquet", "day/sub/x.parquet", "days/c.parquet", "days/e.parquet"),
    *("e.parquet", "other/e.parquet", "other/x.csv"),
]


def overlap(one: str, other: str) -> bool:
    """Whether an object can lie in both."""
    return any(re.fullmatch(PLACES[one], name) and re.fullmatch(PLACES[other], name) for name in OBJECTS)


@dataclass
class Described:
    """A node as the body's author sees it."""

    takes: set[int]
    guards: frozenset[tuple[int, bool]]
    reads: set[str] = field(default_factory=set[str])
    writes: set[str] = field(default_factory=set[str])
    checks: set[str] = field(default_factory=set[str])
    waits: set[int] = field(default_factory=set[int])
    lazy: bool = False
    plain: bool = False  # arithmetic of the plan: it hands a frame on and never collects it


def required(nodes: Sequence[Described]) -> set[tuple[int, int]]:
    """Gives the pairs in which the second must wait for the first."""
    stated = {(source, index) for index, node in enumerate(nodes) for source in node.takes | node.waits}
    stated |= {(condition, index) for index, node in enumerate(nodes) for condition, _ in node.guards}
    order = running_order(len(nodes), stated)
    unread: dict[int, set[str]] = {}
    for index in order:
        node = nodes[index]
        inherited = {place for source in node.takes for place in unread.get(source, ())}
        if node.lazy:
            unread[index] = inherited | node.reads
        if not node.plain:
            node.reads = node.reads | inherited
    inferred = set[tuple[int, int]]()
    for first, second in combinations(order, 2):
        one, other = nodes[first], nodes[second]
        if not any((condition, not side) in other.guards for condition, side in one.guards) and (
            meet(one.writes, other.reads | other.writes | other.checks)
            or meet(one.reads, other.writes)
            or (meet(one.checks, other.reads | other.writes) and not other.checks)
        ):
            inferred.add((first, second))
    return stated | inferred


def meet(places: set[str], others: set[str]) -> bool:
    return any(overlap(one, other) for one in places for other in others)


def running_order(count: int, pairs: set[tuple[int, int]]) -> list[int]:
    """Gives body order, changed only where what is stated asks for it; raises where it asks for a circle."""
    order: list[int] = []
    while len(order) < count:
        left = [index for index in range(count) if index not in order]
        free = [i for i in left if not any(target == i and source in left for source, target in pairs)]
        if not free:
            raise RecursionError
        order.append(free[0])
    return order


def closure(count: int, pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Gives the pairs that wait, directly or through others."""
    after = [{target for source, target in pairs if source == index} for index in range(count)]
    for middle in range(count):
        for first in range(count):
            if middle in after[first]:
                after[first] |= after[middle]
    return {(first, second) for first in range(count) for second in after[first]}


@task
def make(n: int) -> int:
    return n


@task
def load(source: Bucket) -> int:
    return source.read().height


@task
def save(target: Bucket, value: int) -> int:
    target.write(pl.DataFrame({"n": [value]}))
    return value


@task
def update(target: Bucket) -> int:
    target.write(target.read())
    return 0


@task
def put_c(bucket: Bucket) -> int:
    bucket.at("day/c.parquet").write(pl.DataFrame())
    return 0


@task
def put_somewhere(bucket: Bucket, name: int) -> int:
    bucket.at(f"{name}.parquet").write(pl.DataFrame())
    return 0


@task
def has_rows(source: Bucket) -> bool:
    return source.exists()


@task
def is_trusted(source: Bucket) -> bool:
    return True


@task(gate=False)
def probe(source: Bucket) -> bool:
    return source.exists()


@task
def lazy(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def more(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.with_columns(n=1)


@task
def count(frame: pl.LazyFrame) -> int:
    return frame.collect().height


@task
def count_into(frame: pl.LazyFrame, target: Bucket) -> int:
    target.write(frame)
    return 0


@task
def first(source: Bucket) -> int:
    return source.read().height


@task(depends_on=[first])
def second(target: Bucket) -> int:
    target.write(pl.DataFrame())
    return 0


VERBS = (
    *("make", "load", "save", "update", "put_c", "put_somewhere", "has_rows", "is_trusted", "probe", "lazy", "more"),
    *("count", "count_into", "first", "second", "after", "scan", "read", "write", "delete", "exists"),
)
Op = tuple[str, str, int]  # a verb, a path, and which earlier result it takes


@dataclass(frozen=True)
class Block:
    """Some calls, then perhaps a conditional expression, then perhaps an `if` with one more in it."""

    before: list[Op]
    chosen: tuple[int, int, int] | None
    condition: int | None
    then: list[Op]
    inner: int | None
    inner_then: list[Op]
    inner_other: list[Op]
    other: list[Op]


class Author:
    """Writes a body, call by call, and describes each as the rules see it."""

    def __init__(self) -> None:
        self.nodes: list[Described] = []
        self.guards: list[tuple[int, bool]] = []
        self.values: list[tuple[int, Any]] = []
        self.frames: list[tuple[int, Any]] = []
        self.firsts: list[int] = []
        self.seconds: list[int] = []

    def call(self, handle: Any, takes: Sequence[int] = (), **described: Any) -> tuple[int, Any]:
        index = handle.glacier_node.index
        assert index == len(self.nodes)
        self.nodes.append(Described(set(takes), frozenset(self.guards), **described))
        return index, handle

    def value(self, which: int) -> tuple[int, Any]:
        return self.values[which % len(self.values)]

    def frame(self, which: int) -> tuple[int, Any]:
        return self.frames[which % len(self.frames)]

    def choose(self, handle: Any, condition: tuple[int, Any], then: tuple[int, Any], other: tuple[int, Any]) -> None:
        if then[0] != other[0]:
            takes = [condition[0], then[0], other[0]]
            self.frames.append(self.call(handle, takes, lazy=True, plain=True))

    def play(self, ops: list[Op]) -> None:
        for op in ops:
            self.one(*op)

    def one(self, verb: str, path: str, which: int) -> None:  # noqa: C901  # a table of what each call does
        place = data.at(path, format="parquet")
        of, value = self.value(which)
        of_frame, frame = self.frame(which)
        match verb:
            case "make":
                self.values.append(self.call(make(which)))
            case "load":
                self.values.append(self.call(load(place), reads={path}))
            case "save":
                self.values.append(self.call(save(place, value), [of], writes={path}))
            case "update":
                self.values.append(self.call(update(place), reads={path}, writes={path}))
            case "put_c":
                self.values.append(self.call(put_c(place), writes={"day/c.parquet"}))
            case "put_somewhere":
                self.values.append(self.call(put_somewhere(place, value), [of], writes={"./"}))
            case "has_rows":
                self.values.append(self.call(has_rows(place), reads={path}, checks={path}))
            case "is_trusted":
                self.values.append(self.call(is_trusted(place), checks={path}))
            case "probe":
                self.values.append(self.call(probe(place), reads={path}))
            case "lazy":
                self.frames.append(self.call(lazy(place), reads={path}, lazy=True))
            case "more":
                self.frames.append(self.call(more(frame), [of_frame], lazy=True))
            case "count":
                self.values.append(self.call(count(frame), [of_frame]))
            case "count_into":
                self.values.append(self.call(count_into(frame, place), [of_frame], writes={path}))
            case "first":
                self.firsts.append(self.call(first(place), reads={path})[0])
            case "second":
                self.seconds.append(self.call(second(place), writes={path})[0])
            case "after":
                self.values.append(self.call(load.after(value)(place), reads={path}, waits={of}))
            case "scan":
                self.frames.append(self.call(place.scan(), reads={path}, lazy=True))
            case "read":
                self.call(place.read(), reads={path})
            case "write":
                self.call(place.write(frame), [of_frame], writes={path})
            case "delete":
                self.call(place.delete(), writes={path})
            case _:
                self.call(place.exists(), reads={path})

    def described(self) -> list[Described]:
        for index in self.seconds:
            self.nodes[index].waits.update(self.firsts)
        return self.nodes


class Side:
    """One side of a branch: what is called in it stands under a guard, and its results stay in it."""

    def __init__(self, author: Author, condition: tuple[int, Any], side: bool) -> None:
        self.author = author
        self.guard = (condition[0], side)

    def __enter__(self) -> None:
        self.author.guards.append(self.guard)
        self.lengths = len(self.author.values), len(self.author.frames)

    def __exit__(self, *_: object) -> None:
        self.author.guards.pop()
        del self.author.values[self.lengths[0] :]
        del self.author.frames[self.lengths[1] :]


def itself(author: Author) -> Author:
    return author


def body_of(blocks: list[Block], author: Author) -> Pipeline[[], None]:
    told = partial(itself, author)  # planning refuses objects that change on a side, and does not see this one

    @pipeline
    def body() -> None:
        told().values.append(told().call(make(1)))
        told().frames.append(told().call(lazy(data.at("a.parquet")), reads={"a.parquet"}, lazy=True))
        told().play([("first", "other/c.parquet", 0)])
        for block in blocks:
            told().play(block.before)
            if block.chosen is not None:
                tested, then, other = block.chosen
                condition, one, two = told().value(tested), told().frame(then), told().frame(other)
                told().choose(one[1] if condition[1] else two[1], condition, one, two)
            if block.condition is not None:
                outer = told().value(block.condition)
                if outer[1]:
                    with Side(told(), outer, True):
                        told().play(block.then)
                        if block.inner is not None:
                            if told().value(block.inner)[1]:
                                with Side(told(), told().value(block.inner), True):
                                    told().play(block.inner_then)
                            else:
                                with Side(told(), told().value(block.inner), False):
                                    told().play(block.inner_other)
                else:
                    with Side(told(), outer, False):
                        told().play(block.other)

    return body


def explained(graph: Graph, pairs: set[tuple[int, int]]) -> list[str]:
    return sorted(f"{graph.names[one]} -> {graph.names[other]}" for one, other in pairs)


ops = st.lists(st.tuples(st.sampled_from(VERBS), st.sampled_from(sorted(PLACES)), st.integers(0, 9)), max_size=5)
maybe = st.none() | st.integers(0, 9)
chosen = st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
blocks = st.lists(st.builds(Block, ops, chosen, maybe, ops, maybe, ops, ops, ops), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(blocks)
def test_the_graph_orders_what_the_rules_ask_for_and_nothing_else(blocks: list[Block]) -> None:
    author = Author()
    body = body_of(blocks, author)
    try:
        graph = body.plan()
    except GraphError as error:
        if "wait for each other" not in str(error):
            raise
        with pytest.raises(RecursionError):
            required(author.described())
        return
    pairs = required(author.described())
    count = len(graph.nodes)
    assert count == len(author.nodes)
    edges = {(edge.source, edge.target) for edge in graph.edges()}
    asked, ordered = closure(count, pairs), closure(count, edges)
    assert explained(graph, asked - ordered) == [], "missing"
    assert explained(graph, ordered - asked) == [], "superfluous"
    assert explained(graph, edges - pairs) == [], "not asked for directly"


@pytest.mark.parametrize(("one", "other"), list(combinations(PLACES, 2)))
def test_places_overlap_as_their_objects_do(one: str, other: str) -> None:
    author = Author()

    @pipeline
    def body() -> None:
        author.call(update(data.at(one, format="parquet")))
        author.call(update(data.at(other, format="parquet")))

    assert len(list(body.plan().edges())) == overlap(one, other)
