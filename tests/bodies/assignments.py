"""Assignments of every form."""

# pyright: basic
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bodies.corpus import refused, staged, tried
from bodies.tasks import add, double, gathered, odd, pair, same, total
from glacier import pipeline


@tried(n=[3])
@pipeline
def chained(n: int) -> Any:
    """`a = b = call()` calls once."""
    a = b = double(n)
    return [a, b, add(a, b)]


@tried(n=[3])
@pipeline
def tuples(n: int) -> Any:
    """Tuple targets, parenthesized and nested, and a swap."""
    a, b = double(n), same(n)
    a, b = b, a
    (c, [d, e]) = add(a, b), (double(a), double(b))
    return a, b, c, d, e


@tried(n=[3])
@pipeline
def tuples_in_turn(n: int) -> Any:
    """What stands behind a tuple among the targets is assigned after its parts."""
    rows = [0, 0, 0]
    (a, b), a = (double(n), same(n)), add(n)
    (k, _), rows[k], *c = (1, 2), 3, a, b
    for (d, _), d in [((same(n), 0), double(n))]:
        c = [*c, d]
    return a, b, rows, c


@tried(n=[3])
@pipeline
def starred(n: int) -> Any:
    """A starred target takes results from a plain list."""
    first, *rest = [double(n), same(n), add(n)]
    *most, last = rest
    return [first, total(rest), most, last]


@tried(n=[3])
@pipeline
def augmented(n: int) -> Any:
    """Each augmented assignment on a result."""
    x = double(n)
    x += same(n)
    x *= 3
    x -= 1
    x //= 2
    x %= 7
    x **= 2
    y = x
    y &= 6
    y |= 9
    y ^= 5
    y <<= 2
    y >>= 1
    y /= 4
    return [x, y]


@tried(n=[3])
@pipeline
def augmented_list(n: int) -> Any:
    """`+=` on a plain list of results, which other names for it see too."""
    made = [same(n)]
    other = made
    made += [double(n)]
    made += (add(n),)
    return total(other)


@tried(n=[3])
@pipeline
def annotated(n: int) -> Any:
    """Annotated targets, with and without a value."""
    x: int = double(n)
    later: int
    later = add(x)
    return later


@tried(n=[3])
@pipeline
def attributes_and_items(n: int) -> Any:
    """Attributes, items and slices of plain objects as targets."""
    box = SimpleNamespace()
    box.value = double(n)
    rows: list[Any] = [0, 0, 0]
    rows[0] = same(n)
    rows[1:] = [add(n), add(n, 2)]
    table: dict[str, Any] = {}
    table["x"], table["y"] = box.value, rows[2]
    table["x"] += 1
    return gathered(box.value, *rows, **table)


@tried(n=[3])
@pipeline
def walrus(n: int) -> Any:
    """An assignment inside an expression."""
    y = add((x := double(n)), x)
    return [x, y, (z := same(y)), z]


@staged(n=[3, 4])
@pipeline
def walrus_in_a_condition(n: int) -> Any:
    """An assignment inside the condition of an `if` on a result."""
    if not (found := odd(n)):
        return [found, double(n)]
    if (x := same(n)) > 2:
        x = add(x)
    return [found, x]


@tried(n=[3])
@pipeline
def reassigned(n: int) -> Any:
    """One name for several results, one after the other."""
    x = same(n)
    x = double(x)
    x = add(x, x)
    return x


@tried(n=[3])
@pipeline
def deleted(n: int) -> Any:
    """`del` of a name, an item, a slice and an attribute of plain objects."""
    x = double(n)
    rows = [x, same(n), add(n)]
    box = SimpleNamespace(x=x, y=x)
    del x, rows[0], box.y
    del rows[1:]
    return [total(rows), sorted(vars(box))]


@tried(n=[3])
@pipeline
def list_that_grows(n: int) -> Any:
    """A task keeps the list as it was when it was called."""
    made = [same(n)]
    before = total(made)
    made.append(double(n))
    made.extend([add(n)])
    made.insert(0, before)
    made.reverse()
    return [total(made), before, made.pop(), len(made)]


@tried(n=[3])
@pipeline
def result_of_a_helper(n: int) -> Any:
    """A plain function's tuple of results is unpacked."""

    def both(value: Any) -> tuple[Any, Any]:
        return same(value), double(value)

    a, b = both(n)
    return add(a, b)


@refused("an item of it is assigned or deleted", n=[3])
@pipeline
def item_of_a_result(n: int) -> Any:
    """An item of a result cannot be assigned."""
    found: Any = pair(n)
    found[0] = 1  # here
    return found


@refused("an item of it is assigned or deleted", n=[3])
@pipeline
def deleted_item_of_a_result(n: int) -> Any:
    """An item of a result cannot be deleted."""
    found: Any = pair(n)
    del found[0]  # here
    return found


@refused("raised AttributeError while it was planned: 'Handle' object has no attribute 'name'", n=[3])
@pipeline
def attribute_of_a_result(n: int) -> Any:
    """An attribute of a result cannot be assigned."""
    found: Any = same(n)
    found.name = "x"  # here
    return found
