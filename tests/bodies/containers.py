"""Results in displays, dataclasses and other containers, as arguments and as results."""

# pyright: basic
from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bodies.corpus import refused, tried
from bodies.tasks import Setting, add, described, double, gathered, items, odd, pair, same, text, total
from glacier import pipeline, task

Point = namedtuple("Point", "x y")  # noqa: PYI024


class Row(NamedTuple):
    name: str
    value: Any = 0


@dataclass
class Box:
    value: Any
    inner: Setting | None = None


class Spot:
    inner: Any

    def __init__(self, value: Any) -> None:
        self.value = value


class Narrow:
    """Without a `__dict__`."""

    __slots__ = ("inner", "value")
    inner: Any

    def __init__(self, value: Any) -> None:
        self.value = value


class Single(Spot):
    def __copy__(self) -> Single:
        return self


class Rows(list[int]):
    """A list of a class of its own."""


@task
def boxed(box: Any) -> str:
    """Tells what a dataclass, or another object, holds while the task runs."""
    return f"{getattr(box, 'value', box)} {getattr(box, 'inner', None)}"


@tried(n=[3])
@pipeline
def displays(n: int) -> Any:
    """List, tuple, set and dict displays with results as members and values."""
    x = same(n)
    return gathered([x, [double(x)]], (x, ("a", x)), {"k": x, "l": {"m": [x]}}, {1, 2}, [], (), {}, (x,))


@tried(n=[3])
@pipeline
def splats(n: int) -> Any:
    """Displays made from others, and from slices and merges of plain ones."""
    rows, table = [same(n), double(n)], {"a": add(n)}
    return gathered([*rows, *rows[1:], 9], (*rows,), {**table, "b": rows}, table | {"c": rows[0]}, rows * 2, rows + [1])


@tried(n=[3])
@pipeline
def dataclasses(n: int) -> Any:
    """Dataclasses with results in them: frozen, nested, replaced."""
    setting = Setting("a", same(n), [double(n), 4])
    other = replace(setting, name="b")
    box = Box(1, Setting("c", add(n)))
    box.value = text(n)
    return [described(setting), described(other), gathered(box)[0], described(setting=Setting("d", n))]


@tried(n=[3])
@pipeline
def tuples_with_names(n: int) -> Any:
    """Named tuples of both kinds."""
    return [gathered(Point(same(n), double(n))), Row("a", text(n)), total(Point(1, same(n)))]


@tried(n=[3])
@pipeline
def collections(n: int) -> Any:
    """Deques, default dicts, ordered dicts and ranges."""
    queue = deque([same(n)], maxlen=2)
    queue.append(double(n))
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    groups["a"].append(add(n))
    ordered = OrderedDict(b=same(n), a=1)
    return [gathered(queue)[0], total(queue), gathered(groups, ordered), total(range(n))]


@tried(n=[3])
@pipeline
def results_of_results(n: int) -> Any:
    """Results that hold containers are passed on whole and by item."""
    found = pair(n)
    return [found, found[0], add(found[0], found[1]), total(found), items(found[1])]


@tried(n=[3])
@pipeline
def lists_of_lists(n: int) -> Any:
    """A grid of results, changed and read by plain indices."""
    grid = [[same(a + b) for a in range(n)] for b in range(2)]
    grid[0][1] = double(grid[1][2])
    rows = list(zip(*grid, strict=True))
    return [[total(row) for row in grid], total(rows[1]), len(grid), grid[-1][-1]]


@tried(n=[3])
@pipeline
def same_object_twice(n: int) -> Any:
    """One list in two places stays what it is to each task."""
    rows = [same(n)]
    both = [rows, rows]
    first = text(both)
    rows.append(double(n))
    return [first, text(both), rows is both[0]]


@tried(n=[3])
@pipeline
def dataclasses_that_change(n: int) -> Any:
    """A dataclass whose attributes are assigned between the calls that get it: results, plain values, in containers."""
    box, found = Box(same(n)), []
    for step in (1, 10):
        box.inner = Setting("s", step)
        found.append(boxed(box))
        box.value = add(box.value, step)
    outer = {"box": Box(box)}
    found.append(boxed(outer["box"]))
    outer["box"].value, box.value = 0, same(0)
    return [*found, boxed(outer["box"]), boxed(box)]


@tried(n=[3])
@pipeline
def objects_that_change(n: int) -> Any:
    """An object of the user's whose attributes come, change and go between the calls that get it."""
    spot, found = Spot(1), [boxed(1)]
    for step in range(n):
        spot.value = step
        found.append(boxed(spot))
    spot.inner = 5
    found.append(boxed(spot))
    del spot.inner
    narrow = Narrow(n)
    found.append(boxed(narrow))
    narrow.value, narrow.inner = 0, 1
    return [*found, boxed(spot), boxed(narrow)]


@tried(n=[3])
@pipeline
def queues_that_change(n: int) -> Any:
    """A deque, and a list of a class of its own, that grow between the calls that get them."""
    queue, rows, found = deque([same(n)], maxlen=2), Rows([1]), []
    for _ in range(n):
        found.append([total(queue), total(rows)])
        queue.append(double(n))
        rows.append(2)
    return found


@refused(r"an object \(`Single`\) is changed after `boxed` got it, .* it cannot be copied", n=[3])
@pipeline
def changed_and_never_copied(n: int) -> Any:
    """An object whose class makes no copies, changed after a task got it."""
    single = Single(n)
    found = boxed(single)  # here
    single.value = 4
    return found


@refused(r"an object \(`Spot`\) is changed after `spot` got it, .* may have taken it", n=[3])
@pipeline
def changed_after_a_choice(n: int) -> Any:
    """An object that is changed after a branch on a result may have chosen it."""
    other = Spot(n)
    spot = Spot(1)
    if odd(n):  # here
        spot = other
    other.value = 4
    return boxed(spot)


@tried(n=[3])
@pipeline
def methods_of_plain_containers(n: int) -> Any:
    """Methods of dicts and lists that hold results."""
    table = dict(a=same(n), b=double(n))
    table.update(c=add(n))
    table.setdefault("d", text(n))
    popped = table.pop("a")
    return [popped, list(table), list(table.values()), gathered(*table.items()), "a" in table, table.get("x", add(n))]


@refused("a set member or dict key needs its value", n=[3])
@pipeline
def in_a_set(n: int) -> Any:
    """A result in a set display."""
    return gathered({same(n), 2})  # here


@refused("a set member or dict key needs its value", n=[3])
@pipeline
def as_a_key(n: int) -> Any:
    """A result as a key of a dict display."""
    return gathered({same(n): 2})  # here


@refused("or one that holds itself", n=[3])
@pipeline
def in_itself(n: int) -> Any:
    """A list that holds itself."""
    rows: list[Any] = [same(n)]
    rows.append(rows)
    return gathered(rows)  # here
