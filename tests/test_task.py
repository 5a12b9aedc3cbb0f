"""A task is its function outside a plan and a node inside one."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pickle
import time
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any, NamedTuple
from weakref import WeakSet

import polars as pl
import pytest

from glacier import Task, pipeline, task
from glacier.errors import GraphError, TaskError


@task
def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


@task(name="thrice")
def triple(x: int, *, plus: int = 0) -> int:
    return 3 * x + plus


@task
async def later(x: int) -> int:
    await asyncio.sleep(0.001)
    return x + 1


class Scaler:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    @task
    def scale(self, x: int) -> int:
        return x * self.factor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scaler) and other.factor == self.factor

    __hash__ = None  # type: ignore[assignment]  # how Python spells unhashable


def test_plain_call() -> None:
    assert double(4) == 8
    assert triple(2, plus=1) == 7
    assert Scaler(3).scale(5) == 15
    assert asyncio.run(later(1)) == 2


def test_looks_like_its_function() -> None:
    assert (double.name, triple.name) == ("double", "thrice")
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice as much."
    assert double.__module__ == __name__
    assert str(inspect.signature(triple)) == "(x: 'int', *, plus: 'int' = 0) -> 'int'"
    assert inspect.unwrap(double) is double.function
    assert repr(double) == "<task double>"


def test_pickles_by_its_import_path() -> None:
    assert pickle.loads(pickle.dumps(double)) is double
    assert pickle.loads(pickle.dumps(Scaler.scale)) is Scaler.scale
    bound = pickle.loads(pickle.dumps(Scaler(4).scale))
    assert bound(2) == 8

    @task
    def local(x: int) -> int:
        return x

    with pytest.raises(pickle.PicklingError, match="`local` is defined inside a function"):
        pickle.dumps(local)


def test_calls_in_a_body_become_nodes() -> None:
    @pipeline
    def body() -> int:
        a = double(1)
        b = triple(a, plus=double(a))
        return Scaler(10).scale(b)

    graph = body.plan()
    assert graph.names == ["double[a]", "double[#1]", "thrice", "scale"]
    assert [node.data for node in graph.nodes] == [(), (0,), (0, 1), (2,)]
    assert body.run() == body() == 100


def test_the_same_task_many_times_and_in_many_pipelines() -> None:
    @pipeline
    def one() -> int:
        x = 1
        for _ in range(50):
            x = double(x)
        return x

    @pipeline
    def other() -> list[int]:
        return [double(i) for i in range(50)]

    assert one.run() == one()
    assert other.run() == other()


def test_async_tasks_are_awaited_by_the_run() -> None:
    @pipeline
    async def body() -> int:
        one = await later(1)
        return await later(one)

    assert body.run() == asyncio.run(body()) == 3
    assert body.run(executor="sync") == 3

    async def in_a_loop() -> int:
        return body.run()

    assert asyncio.run(in_a_loop()) == 3


def test_async_tasks_share_one_loop() -> None:
    loops: list[int] = []

    @task
    async def where(n: int) -> None:
        loops.append(id(asyncio.get_running_loop()))

    @pipeline
    async def body() -> None:
        for n in range(4):
            await where(n)

    body.run()
    assert len(loops) == 4
    assert len(set(loops)) == 1


def test_handles_inside_containers() -> None:
    @task
    def total(groups: dict[str, list[int]], pair: tuple[int, int]) -> int:
        return sum(sum(group) for group in groups.values()) + sum(pair)

    @pipeline
    def body() -> int:
        a, b = double(1), double(2)
        return total({"x": [a, 1], "y": [b]}, (a, b))

    assert body.run() == body() == 2 + 1 + 4 + 6


class Row(list[int]):
    pass


def test_containers_of_other_kinds() -> None:
    @task
    def kinds(*groups: Any) -> list[str]:
        return [f"{type(group).__name__} of {type(next(iter(group))).__name__}" for group in groups]

    @pipeline
    def body() -> list[str]:
        one = double(1)
        return kinds(Row([one]), deque([one]), Pair(one, 2), {"a": one}.values() and [one])

    assert body.run() == ["Row of int", "deque of int", "Pair of int", "list of int"]


class Pair(NamedTuple):
    one: int
    other: int


class Box:
    def __init__(self, inside: object) -> None:
        self.inside = inside


def test_a_result_inside_an_unknown_object_is_refused_when_it_is_used() -> None:
    @task
    def unpack(box: Box) -> object:
        return box.inside == 2

    @pipeline
    def body() -> object:
        return unpack(Box(double(1)))

    with pytest.raises(TaskError, match="is used outside its body, inside an object that planning cannot look into"):
        body.run()


def test_generators_and_endless_containers_are_refused() -> None:
    @task
    def total(values: Any) -> int:
        return sum(values)

    endless: list[Any] = []
    endless.append(endless)

    @pipeline
    def lazy() -> int:
        return total(double(n) for n in range(3))

    @pipeline
    def circular() -> int:
        return total(endless)

    with pytest.raises(GraphError, match="a generator is passed to a task"):
        lazy.plan()
    with pytest.raises(GraphError, match="100 deep, or one that holds itself"):
        circular.plan()


def test_a_list_changed_after_the_call_stays_what_the_task_got() -> None:
    @task
    def total(items: list[int]) -> int:
        return sum(items)

    @pipeline
    def body() -> tuple[int, int]:
        items = [double(1)]
        first = total(items)
        items.append(double(2))
        return first, total(items)

    assert body.run() == body() == (2, 6)


def test_expressions_of_handles() -> None:
    @task
    def stats() -> dict[str, int]:
        return {"rows": 10, "bad": 3}

    @task
    def share(part: float, *, low: bool) -> str:
        return f"{part:.1f} {low}"

    @pipeline
    def body() -> str:
        s = stats()
        return share(1 - s["bad"] / s["rows"], low=(s["rows"] < 5) | (s["bad"] == 3))

    assert body.run() == body() == "0.7 True"
    assert body.run(mode="analyze")["tasks"] == ["stats", "share"]


def test_every_operator_and_slices_of_results() -> None:
    @task
    def row(n: int) -> list[int]:
        return list(range(n))

    @task
    def number(n: int) -> int:
        return n

    @pipeline
    def body() -> list[object]:
        n = number(3)
        return [n << 1, n >> 1, 1 << n, 900 >> n, +n, row(9)[number(2) : n + 2], row(9)[: -n : number(2)]]

    assert body.run() == body() == [6, 1, 8, 112, 3, [2, 3, 4], [0, 2, 4]]


def test_pipe_reads_the_same_in_a_plain_call() -> None:
    @task
    def load() -> pl.LazyFrame:
        return pl.LazyFrame({"a": [1, 2, 3]})

    @task
    def above(df: pl.LazyFrame, limit: int) -> pl.LazyFrame:
        return df.filter(pl.col("a") > limit)

    @pipeline
    def body() -> pl.LazyFrame:
        return load().pipe(above, limit=1).pipe(above, 2)

    assert body.run().collect().equals(body().collect())
    assert len(body.plan().nodes) == 3


class TestMissingArguments:
    """The document's pattern 1: parameters left out come from `depends_on` and from the body's resource variables."""

    def test_dependencies_are_called_where_the_body_calls_none(self) -> None:
        @task
        def first(n: int = 1) -> pl.LazyFrame:
            return pl.LazyFrame({"amount": [50, 150]})

        @task(depends_on=[first])
        def second(df: pl.LazyFrame) -> pl.LazyFrame:
            return df.filter(pl.col("amount") > 100)

        @task(depends_on=[second])
        def third(df: pl.LazyFrame) -> pl.DataFrame:
            return df.collect()

        @pipeline
        def body() -> pl.DataFrame:
            return third()  # type: ignore[call-arg]  # the document's pattern 1

        assert body.run().to_dicts() == [{"amount": 150}]
        assert [node.work.name for node in body.plan().nodes] == ["first", "second", "third"]

    def test_filled_in_order_by_type(self) -> None:
        @task
        def number() -> int:
            return 7

        @task
        def text() -> str:
            return "x"

        @task(depends_on=[text, number])
        def both(n: int, s: str) -> str:
            return f"{n}{s}"

        @pipeline
        def body() -> str:
            number()
            text()
            return both()  # type: ignore[call-arg]  # the document's pattern 1

        assert body.run() == "7x"
        assert len(body.plan().nodes) == 3


def test_after_orders_one_call() -> None:
    order: list[str] = []

    @task
    def note(text: str) -> str:
        order.append(text)
        return text

    @pipeline
    def body() -> None:
        last = note("b")
        note.after(last)("c")
        note("a")

    graph = body.plan()
    assert [(e.source, e.target, e.kind) for e in graph.edges()] == [(0, 1, "explicit")]
    body()
    assert order == ["b", "c", "a"]


def test_after_takes_handles_and_tasks_only() -> None:
    @pipeline
    def body() -> None:
        double.after("x")(1)

    with pytest.raises(GraphError, match=r"`double.after\(...\)` takes results of calls or tasks, but got 'x'"):
        body.plan()


def test_wrong_number_of_arguments() -> None:
    @pipeline
    def body() -> object:
        return double(1, 2)  # type: ignore[call-arg]  # what is tested

    with pytest.raises(GraphError, match="task `double` is called with the wrong arguments: too many positional"):
        body.plan()


def test_names_that_do_not_resolve_are_unknown() -> None:
    namespace: dict[str, object] = {"task": task}
    source = "from __future__ import annotations\n@task\ndef load(source: Bucket) -> 'Nowhere': return source\n"
    exec(compile(source, "<made>", "exec"), namespace)
    load = namespace["load"]
    assert isinstance(load, Task)
    assert [str(p.type) for p in load.signature.parameters] == ["unknown"]
    assert str(load.signature.returns) == "unknown"


def test_nothing_is_kept_of_a_run_whose_task_is_a_method() -> None:
    class Model:
        @task
        def predict(self, x: int) -> int:
            return x + 1

    @task
    def use(y: int) -> int:
        return y

    @pipeline
    def once() -> int:
        model = Model()
        alive.add(model)
        return use(model.predict(1))

    alive: WeakSet[Model] = WeakSet()
    for _ in range(3):
        assert once.run() == 2
    gc.collect()
    assert len(alive) == 0


class Following(NamedTuple):
    first: int
    second: int

    @classmethod
    def of(cls, first: int) -> Following:
        return cls(first, first + 1)


class Fixed(dict[str, int]):
    def __setitem__(self, key: str, value: int) -> None:
        raise TypeError("it is fixed")


class Pairs(tuple[int, int]):
    def __new__(cls, only: int) -> Pairs:
        return super().__new__(cls, (only, only))


OF_CLASSES_OF_THEIR_OWN: list[object] = [
    time.gmtime(0),
    Following.of(1),
    Pairs(2),
    Fixed(a=1),
    OrderedDict(a=1),
    Counter("aab"),
    defaultdict(list[int], a=[1]),
]


@pytest.mark.parametrize("value", OF_CLASSES_OF_THEIR_OWN, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("nested", [False, True])
def test_an_argument_keeps_its_class(value: object, *, nested: bool) -> None:
    @task
    def same(given: object) -> object:
        return given

    @pipeline
    def passing() -> object:
        return same([value] if nested else value)

    found: Any = passing.run()
    found = found[0] if nested else found
    assert (type(found), found) == (type(value), value)
