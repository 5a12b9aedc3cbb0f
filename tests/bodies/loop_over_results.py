"""`for` over a result: what stands in the iterable's place, targets, and what a turn may do."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import staged
from bodies.tasks import (
    Scale,
    add,
    double,
    fetched,
    filled,
    gathered,
    halved,
    items,
    odd,
    pair,
    record,
    same,
    text,
    total,
)
from glacier import pipeline

SOME = [0, 1, 4]


@staged(n=SOME)
@pipeline
def appending(n: int) -> Any:
    """A list that grows by one in each turn; an empty sequence gives an empty list."""
    made = []
    for x in items(n):
        made.append(double(x))
    return made


@staged(n=SOME)
@pipeline
def appended_to_more(n: int) -> Any:
    """A list that held something before the loop, and gets more after it."""
    made = [same(n), "plain"]
    for x in items(n):
        made.append(double(x))
    made.append(text(n))
    return [gathered(*[1]), gathered(made), made]


@staged(n=SOME)
@pipeline
def for_its_effect(n: int) -> Any:
    """A loop whose calls nobody takes."""
    for x in items(n):
        text(x)
    return n


@staged(n=SOME)
@pipeline
def several_calls(n: int) -> Any:
    """Several calls in a turn, some of them on plain values and results from outside."""
    by, made = same(n), []
    for x in items(n):
        y = add(x, by)
        z = add(y, double(x))
        made.append(gathered(x, y, z, [x, {"k": y}], key=n))
    return made


@staged(n=SOME)
@pipeline
def expressions(n: int) -> Any:
    """Operators and items of the loop's variable."""
    made = []
    for x in same([{"n": k, "row": [k, k + 1]} for k in range(n)]):
        made.append(double(x["n"] + x["row"][-1]))
        made.append(x["n"] * 2)
    return made


@staged(n=SOME)
@pipeline
def unchanged(n: int) -> Any:
    """The item itself, and a plain value, appended in each turn."""
    made, plain = [], []
    for x in items(n):
        made.append(x)
        plain.append("turn")
    return [made, plain]


@staged(n=SOME)
@pipeline
def tuple_targets(n: int) -> Any:
    """Tuple targets, nested."""
    made = []
    for a, (b, c) in same([(k, (k + 1, "x")) for k in range(n)]):
        made.append(gathered(a, b, c))
    return made


@staged(n=SOME)
@pipeline
def enumerated(n: int) -> Any:
    """`enumerate` of a result, with a start."""
    made = []
    for k, x in enumerate(items(n)):
        made.append(add(x, k))
    for place, x in enumerate(items(n), 10):
        made.append(add(x, place))
    return made


@staged(n=SOME)
@pipeline
def zipped(n: int) -> Any:
    """`zip` of results, and of a result and a plain list; the shorter one ends the loop."""
    made = []
    for a, b in zip(items(n), items(n + 1)):
        made.append(add(a, b))
    for a, name in zip(items(n), ["x", "y"]):
        made.append(gathered(a, name))
    for k, (a, c) in enumerate(zip(items(n), [same(5), same(6), same(7)])):
        made.append(gathered(k, a, c))
    return made


@staged(n=SOME)
@pipeline
def turned(n: int) -> Any:
    """`reversed` and `sorted` of a result."""
    made = []
    for x in reversed(items(n)):
        made.append(double(x))
    for x in sorted(same([3, 1, 2][:n])):
        made.append(double(x))
    for x in sorted(items(n), reverse=True):
        made.append(double(x))
    return made


@staged(n=SOME)
@pipeline
def ranges(n: int) -> Any:
    """`range` of a result, and of two."""
    made = []
    for k in range(same(n)):
        made.append(double(k))
    for step in range(1, same(n), 2):
        made.append(add(step))
    return made


@staged(n=SOME)
@pipeline
def of_a_dict(n: int) -> Any:
    """The keys, `.items()`, `.values()` and `.keys()` of a result."""
    table = same({f"k{k}": k for k in range(n)})
    made: list[Any] = []
    for key in table:
        made.append(text(key))
    for key, value in table.items():
        made.append(gathered(key, value))
    for value in table.values():
        made.append(double(value))
    for key in table.keys():
        made.append(text(key))
    return made


@staged(n=[0, 1, 3])
@pipeline
def part_of_a_result(n: int) -> Any:
    """An item, a slice, an operator and a choice of results as the iterable."""
    found, made = record(n), []
    for x in found["names"]:
        made.append(text(x))
    for x in items(n + 3)[1:]:
        made.append(double(x))
    for x in items(n) + [9]:
        made.append(double(x))
    for x in items(n) if odd(n) else items(2):
        made.append(add(x))
    return made


@staged(n=SOME)
@pipeline
def of_a_call(n: int) -> Any:
    """A list that a loop made as the iterable of another."""
    made, more = [], []
    for x in items(n):
        made.append(double(x))
    for y in made:
        more.append(add(y))
    return [more, total(more)]


@staged(n=SOME)
@pipeline
def methods(n: int) -> Any:
    """Methods that are tasks, keyword arguments, `pipe`-like helpers and lambdas in a turn."""
    scale, made = Scale(10), []

    def helper(value: Any, by: Any = 2) -> Any:
        return add(double(value), by)

    for x in items(n):
        made.append(scale.apply(x))
        made.append(scale(n=x))
        made.append(helper(x))
        made.append((lambda value: helper(value, by=x))(n))
    return made


@staged(n=SOME)
@pipeline
async def awaited(n: int) -> Any:
    """`await` in a loop over a result, and in its iterable."""
    made = []
    for x in items(n):
        made.append(await fetched(x))
    for k in range(await fetched(n) - 98):
        made.append(double(k))
    return made


@staged(n=SOME)
@pipeline
def pipelines(n: int) -> Any:
    """A pipeline called in each turn, directly and by `run`, one with a branch in it."""

    @pipeline
    def part(k: int, by: int = 1) -> Any:
        if odd(k):
            return add(k, by)
        return text(k)

    made = []
    for x in items(n):
        made.append(part(x))
        made.append(part.run(inputs={"k": x, "by": n}))
    return made


@staged(n=SOME)
@pipeline
def with_an_else(n: int) -> Any:
    """`else` of a loop that is never left."""
    made = []
    for x in items(n):
        made.append(double(x))
    else:
        made.append(text("end"))
    return made


@staged(n=SOME)
@pipeline
def passing(n: int) -> Any:
    """A loop that does nothing, and one that ends each turn with `continue`."""
    for _ in items(n):
        pass
    for x in items(n):
        double(x)
        continue
    return n


@staged(n=[3])
@pipeline
def of_pairs(n: int) -> Any:
    """A tuple as the result that is looped over."""
    made = []
    for x in pair(n):
        made.append(double(x))
    return made


@staged(values=[[1, 2], [], (3,), {"a": 1}, "xy", 5, None])
@pipeline
def of_anything(values: Any) -> Any:
    """What is iterable and what is not is known in the run; what is not fails as in the plain call."""
    made = []
    for x in same(values):
        made.append(text(x))
    return made


@staged(values=[[4, 2], [4, 3, 2], [1]])
@pipeline
def failing(values: Any) -> Any:
    """A turn whose task fails."""
    made = []
    for x in same(values):
        made.append(halved(x))
    return made


@staged(n=SOME)
@pipeline
def returned_early(n: int) -> Any:
    """A loop after an early return, and on the side of a branch."""
    made = [same(0)]
    if n and odd(n):
        return made
    if same(n) > 2:
        for x in items(n):
            double(x)
        return text(n)
    rest = []
    for x in items(n + 2):
        rest.append(double(x))
    return rest


@staged(n=SOME)
@pipeline
def left_as_what_is_outside(n: int) -> Any:
    """A variable that turns leave as a result from outside, which turns use too."""
    a, b = same(1), same(2)
    latest = [a]
    for _ in items(n):
        add(b)
        a = b
        latest = [b]
    return gathered(a, b, latest)


@staged(n=SOME)
@pipeline
def left_as_the_item_around(n: int) -> Any:
    """An inner loop that leaves the item of the loop around it."""
    made, last = [], same(9)
    for x in items(n):
        for y in items(2):
            add(x, y)
            last = x
        made.append(add(last))
    return gathered(made, last)


@staged(n=SOME)
@pipeline
def given_a_list_of_its_own(n: int) -> Any:
    """Each turn gives its task a list, which the task makes longer."""
    return [filled(x, [], {"seen": []}) for x in items(n)]
