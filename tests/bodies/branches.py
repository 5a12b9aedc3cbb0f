"""`if` and early returns, on results and on plain values."""

# pyright: basic
from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from bodies.corpus import refused, staged, tried
from bodies.tasks import add, double, gathered, odd, record, same, text, total
from glacier import pipeline


@staged(n=[1, 2])
@pipeline
def two_sides(n: int) -> Any:
    """`if` and `else`, a variable on both sides."""
    if odd(n):
        x = text("odd")
    else:
        x = text("even")
    return add(x, "!")


@staged(n=[1, 2])
@pipeline
def one_side(n: int) -> Any:
    """No `else`: the variable keeps what it was."""
    x = same(n)
    if odd(x):
        x = double(x)
    return add(x)


@staged(n=[1, 2, 4, 7])
@pipeline
def several_sides(n: int) -> Any:
    """`elif` on results and on plain values."""
    found = record(n)
    if found["n"] == 1:
        x = text("one")
    elif n == 2:
        x = text("two")
    elif found["n"] > 5:
        x = "many"
    else:
        x = text("some")
    return [x, text(x)]


@tried(n=[1, 2, 3])
@pipeline
def plain_sides(n: int) -> Any:
    """A plain condition is decided while planning: the other side leaves no node."""
    if n == 1:
        x = double(n)
    elif n == 2:
        x = text(n)
    else:
        return add(n)
    return [x, add(x, x)]


@staged(n=[0, 1, 2, 3, 4, 5])
@pipeline
def nested_sides(n: int) -> Any:
    """Branches in branches, on results and plain values in turn."""
    a = b = c = "none"
    if odd(n):
        a = text("odd")
        if n > 2:
            b = add(a, "b")
            if same(n) > 4:
                c = add(b, "c")
            else:
                b = text("b")
        elif same(n) == 1:
            b = "one"
    else:
        if same(n):
            c = text("even")
        else:
            a = c = text("zero")
    return gathered(a, b, c)


@staged(n=[0, 1, 2, 3, 8])
@pipeline
def early_returns(n: int) -> Any:
    """Returns at several depths, some with what was made before."""
    x = same(n)
    if not x:
        return "nothing"
    y = double(x)
    if odd(n):
        if y > 4:
            return [y, text(y)]
        y = add(y)
    elif n > 5:
        return text("much")
    z = add(y, x)
    return [x, y, z]


@staged(n=[1, 2])
@pipeline
def return_on_every_side(n: int) -> Any:
    """No line is reached after the branch."""
    if odd(n):
        return double(n)
    else:
        return text(n)


@staged(n=[1, 2])
@pipeline
def return_without_a_value(n: int) -> Any:
    """A bare `return`, and the end of the body."""
    if odd(n):
        double(n)
        return
    text(n)


@staged(n=[1, 2])
@pipeline
def pass_on_a_side(n: int) -> Any:
    """A side that does nothing."""
    x = same(n)
    if odd(n):
        pass
    else:
        x = double(x)
    if odd(x):
        ...
    return x


@staged(n=[1, 2])
@pipeline
def unpacking_inside(n: int) -> Any:
    """Tuple and starred targets on the sides of a branch."""
    a, rest = same(n), [same(0)]
    if odd(n):
        a, *rest = double(n), add(n), text(n)
    else:
        (a, b), rest = (add(n), text(n)), [a]
        a = add(b, "!")
    return gathered(a, rest)


@staged(n=[1, 2])
@pipeline
def augmented_inside(n: int) -> Any:
    """An augmented assignment on one side."""
    x = same(n)
    if odd(n):
        x += double(n)
    x *= 10
    if not odd(n):
        x -= 1
    return x


@staged(n=[1, 2])
@pipeline
def annotated_inside(n: int) -> Any:
    """An annotated assignment on each side."""
    if odd(n):
        x: int = double(n)
    else:
        x: int = add(n)  # type: ignore[no-redef]
    return text(x)


@staged(n=[1, 2])
@pipeline
def new_list_inside(n: int) -> Any:
    """A list is made anew on one side."""
    made = [same(n)]
    if odd(n):
        made = [*made, double(n)]
    else:
        made = made + [text(n), add(n)]
    return [gathered(*[1, 2]), gathered(made)]


@staged(n=[1, 2])
@pipeline
def list_of_a_side(n: int) -> Any:
    """A list that lives on one side may be changed there."""
    count = same(0)
    if odd(n):
        made = []
        made.append(same(n))
        made.append(double(n))
        count = total(made)
    return count


@staged(n=[1, 2, 3])
@pipeline
def loops_inside(n: int) -> Any:
    """Plain loops on the sides of a branch, with `break`, `continue` and `else`."""
    x = same(0)
    if odd(n):
        for k in range(5):
            if k == 1:
                continue
            if k > n:
                break
            x = add(x, k)
        else:
            x = double(x)
    else:
        left = n
        while left:
            x, left = add(x, 10), left - 1
    return x


@staged(n=[1, 2, 3, 4])
@pipeline
def inside_loops(n: int) -> Any:
    """Branches on results in a plain loop that carries variables."""
    x, label = same(n), "none"
    for k in range(4):
        if odd(add(k, n)):
            x = add(x, k)
        elif x > 6:
            label = text(x)
    return [x, label]


@staged(n=[1, 2])
@pipeline
def definitions_inside(n: int) -> Any:
    """A function, a class, a lambda and an import on the sides of a branch."""
    if odd(n):
        import math

        def made(value: Any) -> Any:
            return add(value, math.floor(1.5))

    else:
        from math import ceil as up

        made = lambda value: add(value, up(1.5))  # noqa: E731

    class Holder:
        value = same(n)

    return [made(1) if n else None, Holder.value] if n < 1 else Holder.value


@staged(n=[1, 2])
@pipeline
def with_inside(n: int) -> Any:
    """A context manager on a side of a branch, with a return from it."""
    x = same(n)
    if odd(n):
        with nullcontext(double(n)) as y, nullcontext():
            x = add(x, y)
            if y > 100:
                return x
    return [x]


@staged(n=[1, 2, 3])
@pipeline
def inside_with(n: int) -> Any:
    """A return on a result from a context manager."""
    with nullcontext(text(n)) as y:
        if odd(n):
            return add(y, "!")
        x = double(n)
    return [x, y]


@staged(n=[1, 2])
@pipeline
def try_inside(n: int) -> Any:
    """`try` around plain things on a side of a branch."""
    x = same(n)
    if odd(n):
        try:
            k = int("no number")
        except ValueError:
            k = 7
        finally:
            m = 1
        x = add(k, m)
    return x


@refused("raised ValueError while it was planned", n=[1])
@pipeline
def raise_on_a_side(n: int) -> Any:
    """A `raise` cannot depend on a result."""
    if odd(n):
        raise ValueError("odd")  # here
    return double(n)


@refused(r"a branch that leaves a loop \(`break`, `return`\) needs its value", n=[1])
@pipeline
def break_on_a_result(n: int) -> Any:
    """A plain loop cannot be left on a result."""
    x = same(n)
    for k in range(3):
        if odd(x):  # here
            break
        x = add(x, k)
    return x


@refused(r"a branch that leaves a loop \(`break`, `return`\) needs its value", n=[1])
@pipeline
def return_from_a_loop_on_a_result(n: int) -> Any:
    """A plain loop cannot be left on a result."""
    for k in range(3):
        if odd(k):  # here
            return double(k)
    return n


@refused("`made` is changed inside a branch on a result", n=[1])
@pipeline
def list_changed_on_a_side(n: int) -> Any:
    """A plain list that is older than the branch loses an item on a side."""
    made = [same(n), double(n)]
    if odd(n):  # here
        del made[0]
    return made


@refused("`x` is used where no side of the branch has assigned it", n=[1])
@pipeline
def used_on_the_side_that_never_assigned(n: int) -> Any:
    """A variable of one side used on the other."""
    if odd(n):
        x = double(n)
    else:
        x = add(x)  # pyright: ignore[reportUnboundVariable]  # here
    return x
