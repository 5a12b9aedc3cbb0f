"""What loops over results cannot do."""

# pyright: basic
from __future__ import annotations

from array import array
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from bodies.corpus import refused
from bodies.tasks import add, double, gathered, items, odd, same, text
from glacier import pipeline

turns_seen: list[int] = []


@refused("`while`", n=[3])
@pipeline
def while_loop(n: int) -> Any:
    """`while` on a result."""
    x = same(n)
    while x > 0:  # here
        x = add(x, -1)
    return x


@refused("`while`", n=[3])
@pipeline
def while_loop_partly_plain(n: int) -> Any:
    """`while` on a condition that a result takes part in."""
    k, x = 0, same(n)
    while k < 3 and x:  # here
        k += 1
    return k


@refused("`break`", n=[3])
@pipeline
def broken(n: int) -> Any:
    """`break` in an `if` on a result."""
    made = []
    for x in items(n):
        if odd(x):  # here
            break
        made.append(double(x))
    return made


@refused("`break`", n=[3])
@pipeline
def broken_with_an_else(n: int) -> Any:
    """A search: `break` in an `if` on a result, and `else`."""
    for x in items(n):
        if x == 1:  # here
            found = text(x)
            break
    else:
        found = "none"
    return found


@refused("`return`", n=[3])
@pipeline
def returned(n: int) -> Any:
    """`return` in an `if` on a result in a loop."""
    for x in items(n):
        if odd(x):  # here
            return double(x)
    return n


@refused("`return`", n=[3])
@pipeline
def returned_at_once(n: int) -> Any:
    """`return` in a loop over a result, without a condition: whether it is reached is not known."""
    for x in items(n):
        return double(x)  # here
    return n


@refused("`y` .*(loop|assigned)", n=[3])
@pipeline
def assigned_only_inside(n: int) -> Any:
    """A variable that only the loop assigns, used after it."""
    for x in items(n):
        y = double(x)
    return text(y)  # type: ignore[possibly-undefined]  # here


@refused("`x` .*(loop|assigned)", n=[3])
@pipeline
def target_used_after(n: int) -> Any:
    """The loop's variable used after it."""
    for x in items(n):
        double(x)
    return text(x)  # here


@refused("a loop or an unpacking needs its items", n=[3])
@pipeline
def in_a_helper(n: int) -> Any:
    """A helper function is traced, so a loop over a result in it is refused."""

    def helper(rows: Any) -> Any:
        return [double(x) for x in rows]  # here

    return helper(items(n))


@refused("a loop or an unpacking needs its items", n=[3])
@pipeline
def in_a_generator(n: int) -> Any:
    """A generator function is traced too."""

    def made(rows: Any) -> Iterator[Any]:
        for x in rows:  # here
            yield double(x)

    return [*made(items(n))]


@refused("raised ValueError while it was planned", n=[3])
@pipeline
def raised(n: int) -> Any:
    """A `raise` in a loop over a result."""
    for x in items(n):
        double(x)
        raise ValueError("x")  # here
    return n


@refused("`box.value`", n=[3])
@pipeline
def attribute_assigned(n: int) -> Any:
    """An attribute assigned in a loop over a result."""
    box = SimpleNamespace(value=0)
    for x in items(n):
        box.value = double(x)  # here
    return text(box.value)


@refused("`made`", n=[3])
@pipeline
def list_shortened(n: int) -> Any:
    """A plain list that loses items in a loop over a result."""
    made = [1, 2, 3, 4]
    for x in items(n):
        double(x)
        made.pop()  # here
    return gathered(made)


@refused("`made`", n=[3])
@pipeline
def list_read_while_it_grows(n: int) -> Any:
    """The length of a list that grows in a loop over a result."""
    made: list[Any] = []
    for x in items(n):
        made.append(gathered(x, len(made)))  # here
    return made


@refused("a set member or dict key needs its value|made from results|is not known until the run", n=[3])
@pipeline
def counted_by_a_plain_list(n: int) -> Any:
    """A plain list indexed by the loop's variable."""
    names, made = ["a", "b", "c"], []
    for x in items(n):
        made.append(text(names[x]))  # here
    return made


@refused("an f-string or `format` needs its value", n=[3])
@pipeline
def text_of_an_item(n: int) -> Any:
    """The loop's variable in an f-string."""
    made = []
    for x in items(n):
        made.append(text(f"{x}!"))  # here
    return made


@refused("`len` needs its value", n=[3])
@pipeline
def length_of_what_grew(n: int) -> Any:
    """The length of a list that a loop over a result filled is not known."""
    made = []
    for x in items(n):
        made.append(double(x))
    return len(made)  # here


@refused("`last` is used after a loop", n=[3])
@pipeline
def unset_compared(n: int) -> Any:
    """A variable that only a loop over a result assigns, compared after it."""
    for x in items(n):
        last = add(x)
    return text("yes") if last == 3 else text("no")  # type: ignore[possibly-undefined]  # here


@refused("`last` is used after a loop", n=[3])
@pipeline
def unset_compared_by_size(n: int) -> Any:
    """A variable that only a loop over a result assigns, compared by its size after it."""
    for x in items(n):
        last = add(x)
    return text("yes") if last > 3 else text("no")  # type: ignore[possibly-undefined]  # here


@refused("`last` is used after a loop", n=[3])
@pipeline
def unset_looked_for(n: int) -> Any:
    """A variable that only a loop over a result assigns, looked for after it."""
    for x in items(n):
        last = add(x)
    return text("yes") if last in (1, 2) else text("no")  # type: ignore[possibly-undefined]  # here


@refused("`last` is used after a loop", n=[3])
@pipeline
def unset_asked_for_its_type(n: int) -> Any:
    """A variable that only a loop over a result assigns, asked for its type after it."""
    for x in items(n):
        last = add(x)
    return text("yes") if isinstance(last, int) else text("no")  # type: ignore[possibly-undefined]  # here


@refused("`last` is used after a loop", n=[3])
@pipeline
def unset_identified(n: int) -> Any:
    """A variable that only a loop over a result assigns, compared by identity after it."""
    for x in items(n):
        last = add(x)
    return text("yes") if last is None else text("no")  # type: ignore[possibly-undefined]  # here


@refused("`last` is used after a loop", n=[3])
@pipeline
def unset_reckoned_with(n: int) -> Any:
    """A variable that only a loop over a result assigns, reckoned with after it."""
    for x in items(n):
        last = add(x)
    return text("yes") if last + 1 else text("no")  # type: ignore[possibly-undefined]  # here


@refused("`last` is used after a loop", n=[3])
@pipeline
def unset_matched(n: int) -> Any:
    """A variable that only a loop over a result assigns, matched after it."""
    for x in items(n):
        last = add(x)
    match last:  # type: ignore[possibly-undefined]  # here
        case 3:
            return text("yes")
        case _:
            return text("no")


@refused("`x` stands for an item of a loop", n=[3])
@pipeline
def unset_item(n: int) -> Any:
    """The item of a loop over a result, compared after it."""
    for x in items(n):
        add(x)
    if x == 2:  # here
        return text("yes")
    return text("no")


@refused("`box` is changed inside a loop", n=[3])
@pipeline
def list_in_an_object(n: int) -> Any:
    """A list in an object, made longer in a loop over a result."""
    box = SimpleNamespace(made=[])
    for x in items(n):  # here
        box.made.append(double(x))
    return text(box.made)


@refused("`turns_seen` is changed inside a loop", n=[3])
@pipeline
def list_of_the_module(n: int) -> Any:
    """A list that is a global of the module, made longer in a loop over a result."""
    for _ in items(n):  # here
        turns_seen.append(1)
    return text(turns_seen)


@refused("`box.value`", n=[3])
@pipeline
def attribute_increased(n: int) -> Any:
    """An attribute that a loop over a result increases."""
    box = SimpleNamespace(value=0)
    for _ in items(n):
        box.value += 1  # here
    return text(box.value)


@refused("`values` in a branch or loop over a result", n=[3])
@pipeline
def array_in_place(n: int) -> Any:
    """An item of an older array that a loop over a result increases."""
    values = array("i", [1, 2])
    for _ in items(n):
        values[0] += 1  # here
    return text(list(values))
