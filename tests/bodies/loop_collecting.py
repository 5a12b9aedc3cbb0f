"""What grows or is carried from turn to turn in a `for` over a result."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import staged
from bodies.tasks import add, double, gathered, items, merge, nothing, odd, same, text, total
from glacier import pipeline

SOME = [0, 1, 4]


@staged(n=SOME)
@pipeline
def extending(n: int) -> Any:
    """`extend` and `+=` with several items, with a result, and with what is plain."""
    made: list[Any] = ["first"]
    for x in items(n):
        made.extend([double(x), text(x)])
        made += [add(x)]
        made.extend(items(x))
        made += ["plain", "twice"]
    return made


@staged(n=SOME)
@pipeline
def sets(n: int) -> Any:
    """`add` to a set."""
    made: set[Any] = set()
    for x in items(n):
        made.add(x % 2)
        made.add(double(x))
    return made


@staged(n=SOME)
@pipeline
def dict_items(n: int) -> Any:
    """Items of a dict by keys that are known in the run; a later one replaces an earlier one."""
    made: dict[Any, Any] = {"a": 0}
    for x in items(n):
        made[x] = double(x)
        made[x % 2] = text(x)
    return made


@staged(n=SOME)
@pipeline
def several_lists(n: int) -> Any:
    """Two lists that grow in one loop, the lengths of which differ."""
    evens, every = [], []
    for x in items(n):
        if x % 2 == 0:
            evens.append(double(x))
        every.append(add(x))
    return [evens, every, gathered(*[same(1)])]


@staged(n=SOME)
@pipeline
def under_a_branch(n: int) -> Any:
    """Appends on the sides of a branch on a result, in the order of the turns."""
    made = []
    for x in items(n):
        if odd(x):
            made.append(text(x))
        elif x > 1:
            made.append(double(x))
            made.append("plain")
    return made


@staged(n=SOME)
@pipeline
def under_a_plain_branch(n: int) -> Any:
    """Appends under a plain condition."""
    made = []
    for x in items(n):
        if n > 2:
            made.append(text(x))
        else:
            made.append(double(x))
    return made


@staged(n=SOME)
@pipeline
def in_two_loops(n: int) -> Any:
    """Two loops one after the other fill one list; a task between them gets what is there by then."""
    made = []
    for x in items(n):
        made.append(double(x))
    half = total(made)
    for x in items(n + 1):
        made.append(add(x))
    return [half, total(made), made]


@staged(n=SOME)
@pipeline
def grown_on_a_side(n: int) -> Any:
    """A list, a dict and a set grow on a side of a branch on a result outside of any loop."""
    made, table, seen = [same(n)], {"a": same(0)}, {0}
    if odd(n):
        made.append(double(n))
        made += [text(n)]
    else:
        made.extend([add(n)])
        table["b"] = text(n)
        seen.add(5)
    made.append("last")
    return [made, table, seen]


@staged(n=SOME)
@pipeline
def carried(n: int) -> Any:
    """A variable that goes from turn to turn, and is used after the loop."""
    x = same(1)
    for k in items(n):
        x = add(x, k)
    return [x, double(x)]


@staged(n=SOME)
@pipeline
def carried_from_a_plain_value(n: int) -> Any:
    """A variable that begins plain: a number, a list."""
    count, rows = 0, ["start"]
    for k in items(n):
        count += k
        rows = merge(rows, [k, count])
    return [count, rows]


@staged(n=SOME)
@pipeline
def carried_in_turn(n: int) -> Any:
    """Two variables that need each other's earlier values."""
    a, b = same(0), same(1)
    for _ in items(n):
        a, b = b, add(a, b)
    return [a, b]


@staged(n=SOME)
@pipeline
def carried_under_a_branch(n: int) -> Any:
    """A variable that only some turns assign."""
    last, best = None, nothing(n)
    for x in items(n):
        if odd(x):
            last = text(x)
        best = x if best is None or x > best else best
    return [last, best]


@staged(n=SOME)
@pipeline
def reassigned(n: int) -> Any:
    """A variable that is assigned before the loop, in each turn, and used after it."""
    x = text("before")
    for k in items(n):
        x = double(k)
    return [x, text(x)]


@staged(n=SOME)
@pipeline
def carried_and_collected(n: int) -> Any:
    """A running total, each value of which is kept."""
    x, made = same(0), []
    for k in items(n):
        x = add(x, k)
        made.append(x)
    return [x, made]


@staged(n=SOME)
@pipeline
def every_operator(n: int) -> Any:
    """Augmented assignments of numbers and texts."""
    a, b, c = 100, same(1), ""
    for k in items(n):
        a -= k
        b *= k + 1
        c += text(k)
    return [a, b, c]


@staged(n=SOME)
@pipeline
def continuing(n: int) -> Any:
    """`continue` at the end of an `if` on a result."""
    made, skipped = [], []
    for x in items(n):
        if odd(x):
            skipped.append(x)
            continue
        y = double(x)
        if y > 4:
            continue
        made.append(text(y))
    return [made, skipped]


@staged(n=SOME)
@pipeline
def continuing_in_a_plain_loop(n: int) -> Any:
    """`continue` at the end of an `if` on a result, in a loop over plain values."""
    made = []
    for k in range(4):
        x = add(k, n)
        if odd(x):
            continue
        made.append(text(x))
    return made


@staged(n=SOME)
@pipeline
def broken_by_plain_values(n: int) -> Any:
    """`break` and `continue` on plain values."""
    made = []
    for x in items(n):
        for k in range(5):
            if k == 1:
                continue
            if k == 3:
                break
            made.append(add(x, k))
        if n > 100:
            break
    return made


@staged(n=SOME)
@pipeline
def broken_at_once(n: int) -> Any:
    """A `break` without a condition: one turn, if any."""
    made = []
    for x in items(n):
        made.append(double(x))
        break
    return made


@staged(n=SOME)
@pipeline
def continued_in_the_middle(n: int) -> Any:
    """`continue` in an `if` on a result that is not the last statement of its side."""
    made: list[Any] = []
    for x in items(n):
        if odd(x):
            if x > 1:
                continue
            made.append(text(x))
        made.append(x)
    return made
