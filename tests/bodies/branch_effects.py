"""What a side of a branch on a result does besides assigning variables."""

# pyright: basic, reportUnusedExpression=false
from __future__ import annotations

import contextlib
from array import array
from collections import defaultdict, deque
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from bodies.corpus import refused, staged
from bodies.tasks import add, double, gathered, items, odd, same, text
from glacier import pipeline

setting: Any = 0
names_seen: list[str] = []
doubled: dict[int, Any] = {}


def remembered(n: int) -> Any:
    if n not in doubled:
        doubled[n] = double(n)
    return doubled[n]


class Counted:
    """What counts its calls."""

    kind = "any"

    def __init__(self) -> None:
        self.count = 0

    def increase(self) -> None:
        self.count += 1

    @cached_property
    def limit(self) -> int:
        return self.count + 10


@staged(n=[2, 3])
@pipeline
def captures(n: int) -> Any:
    """Names that patterns bind: `as`, starred, the rest of a mapping, in cases on a side of a branch."""
    a: Any = "none"
    b: Any = "none"
    c: Any = "none"
    if odd(n):
        match [7, 8, 9]:
            case [int() as a, *b]:
                pass
        match {"k": 1, "l": 2}:
            case {"k": 1, **c}:
                pass
    return gathered(a, b, c)


@staged(n=[2, 3])
@pipeline
def else_after_a_return(n: int) -> Any:
    """The `else` of a `try` whose body may have returned."""
    found, x = odd(n), double(n)
    try:
        if found:
            return x
    except ValueError:
        return 1
    else:
        return text("else")


@refused("a loop inside a branch on a result, or below one, is left by `return`", n=[2])
@pipeline
def loop_after_a_return(n: int) -> Any:
    """A plain loop that returns, below an early return on a result."""
    if odd(n):
        return text(1)
    for k in range(3):
        if k == n:
            return double(k)  # here
    return text(2)


@refused("a branch that assigns `setting` of another scope needs its value", n=[2])
@pipeline
def globals_of_the_module(n: int) -> Any:
    """A global that a side assigns."""
    global setting
    setting = 5
    if odd(n):  # here
        setting = double(n)
    found, setting = setting, 0
    return text(found)


@staged(n=[2, 3])
@pipeline
def deleted(n: int) -> Any:
    """A variable that a side deletes, used on the other and no more."""
    x = same(n)
    if odd(n):
        y = double(x)
        del x
    else:
        y = text(x)
    return y


@refused("branch", n=[2])
@pipeline
def exception_that_leaves_a_branch(n: int) -> Any:
    """A plain exception raised on a side and caught outside of the branch: today all that follows is guarded."""
    x = same(n)
    try:
        if odd(n):  # here
            int("no number")
    except ValueError:
        x = text("handled")
    return text(x)


@refused("branch", n=[2])
@pipeline
def exception_that_is_suppressed(n: int) -> Any:
    """The same with `suppress`."""
    with contextlib.suppress(ValueError):
        if odd(n):  # here
            int("no number")
    return text(n)


@refused("`box.value`", n=[2])
@pipeline
def attribute_assigned(n: int) -> Any:
    """An attribute of an object that is older than the branch."""
    box = SimpleNamespace(value=0)
    if odd(n):
        box.value = double(n)  # here
    return text(box.value)


@staged(n=[2, 3])
@pipeline
def attribute_of_a_side(n: int) -> Any:
    """An object that lives on one side may be changed there."""
    x = same(n)
    if odd(n):
        box = SimpleNamespace(value=0)
        box.value = double(n)
        x = text(box.value)
    return x


@refused("changed inside a branch", n=[2])
@pipeline
def nested_container(n: int) -> Any:
    """A dict inside a dict that is older than the branch."""
    table: dict[str, dict[str, Any]] = {"a": {"b": 0}}
    if odd(n):  # here
        table["a"]["b"] = double(n)
    return text(table)


@refused("changed inside a branch", n=[2])
@pipeline
def default_dict(n: int) -> Any:
    """A `defaultdict` that is older than the branch."""
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    if odd(n):  # here
        groups["a"].append(double(n))
    return text(dict(groups))


@refused("`append` changes `waiting` in a branch or loop over a result", n=[2])
@pipeline
def queue(n: int) -> Any:
    """A `deque` that is older than the branch."""
    waiting: deque[Any] = deque()
    if odd(n):
        waiting.append(double(n))  # here
    return gathered(waiting)


@staged(n=[2, 3])
@pipeline
def nonlocals(n: int) -> Any:
    """A nested function that assigns a variable of the body, called on a side."""
    x = same(n)

    def more() -> None:
        nonlocal x
        x = add(x)

    if odd(n):
        more()
    return text(x)


@staged(n=[2, 3])
@pipeline
def both_sides_in_a_plain_list(n: int) -> Any:
    """A plain value looked for among results, and containers that hold results compared."""
    rows = [same(n), same(5)]
    label = text("two") if 2 in rows else text("none")
    if [same(n), 1] == [2, 1]:
        label = add(label, "!")
    return [label, 9 not in rows, items(n) == [0, 1]]


@refused("`type`|needs its value", n=[2])
@pipeline
def type_of_a_result(n: int) -> Any:
    """`type` of a result, which today is Glacier's own."""
    if type(same(n)) is int:  # here
        return text("int")
    return text("other")


@refused("`found` is changed inside a branch", n=[2])
@pipeline
def taken_by_an_expression(n: int) -> Any:
    """A conditional expression whose value is what it takes off a list."""
    found = [1, 2]
    x = found.pop() if odd(n) else 0  # here
    return gathered(found, x)


@refused("`found` is changed inside a branch", n=[2])
@pipeline
def taken_by_an_operand(n: int) -> Any:
    """The same in an operand of `and`."""
    found = [1, 2]
    x = odd(n) and found.pop()  # here
    return gathered(found, x)


@refused("`found` is changed inside a branch", n=[2])
@pipeline
def taken_by_a_comparison(n: int) -> Any:
    """The same in a chained comparison."""
    found = [1, 2]
    x = 0 < same(n) < found.pop()  # here
    return gathered(found, x)


@refused("`counted` is changed inside a branch", n=[2])
@pipeline
def changed_by_a_method(n: int) -> Any:
    """A method that changes the attributes of an older object."""
    counted = Counted()
    if odd(n):  # here
        counted.increase()
    return text(counted.count)


@refused("`box` is changed inside a branch", n=[2])
@pipeline
def list_in_an_object(n: int) -> Any:
    """A list in an object that is older than the branch."""
    box = SimpleNamespace(names=[])
    if odd(n):  # here
        box.names.append("odd")
    return text(box.names)


@refused("`row` is changed inside a branch", n=[2])
@pipeline
def list_in_a_tuple(n: int) -> Any:
    """A list in a tuple that is older than the branch."""
    row: tuple[list[Any], int] = ([], 1)
    if odd(n):  # here
        row[0].append("odd")
    return text(row)


@refused("`names_seen` is changed inside a branch", n=[2])
@pipeline
def list_of_the_module(n: int) -> Any:
    """A list that is a global of the module."""
    if odd(n):  # here
        names_seen.append("odd")
    return text(names_seen)


@refused("`doubled` is changed inside a branch", n=[2])
@pipeline
def remembered_by_a_helper(n: int) -> Any:
    """A helper that keeps in a dict of the module what it made before."""
    x = remembered(n) if odd(n) else 0  # here
    return [x, remembered(n)]


@staged(n=[2, 3])
@pipeline
def worked_out_once(n: int) -> Any:
    """A `cached_property` is worked out on a side, and an object's attributes are read."""
    counted = Counted()
    if odd(n):
        x = text(counted.limit)
    else:
        x = text(counted.count)
    return [x, counted.limit]


@staged(n=[2, 3])
@pipeline
def grown_by_expressions(n: int) -> Any:
    """Lists that conditional expressions, `and` and `or` make longer, where nobody takes their value."""
    found: Any = []
    lengths: Any = set()
    found.append(double(n)) if odd(n) else None
    odd(n) and found.append("and")
    odd(n) or (n == 2 and found.append("or"))
    n > 0 and odd(n) and lengths.add(n)
    for x in items(n):
        found.append(x) if odd(x) else found.append(text(x))
    return [found, gathered(lengths)]


@refused("`box.value`", n=[2])
@pipeline
def attribute_increased(n: int) -> Any:
    """An attribute of an older object that is increased."""
    box = SimpleNamespace(value=0)
    if odd(n):
        box.value += 1  # here
    return text(box.value)


@refused("`box.value`", n=[2])
@pipeline
def attribute_among_targets(n: int) -> Any:
    """An attribute of an older object among several targets."""
    box = SimpleNamespace(value=0)
    if odd(n):
        box.value, x = 1, 2  # here
        text(x)
    return text(box.value)


@refused("`box.value`", n=[2])
@pipeline
def attribute_after_a_name(n: int) -> Any:
    """An attribute of an older object that gets the value of a variable too."""
    box = SimpleNamespace(value=0)
    if odd(n):
        x = box.value = 1  # here
        text(x)
    return text(box.value)


@refused("`box.value`", n=[2])
@pipeline
def attribute_annotated(n: int) -> Any:
    """An attribute of an older object, assigned with an annotation."""
    box = SimpleNamespace(value=0)
    if odd(n):
        box.value: int = 1  # type: ignore[misc]  # pyright: ignore[reportInvalidTypeForm]  # here
    return text(box.value)


@refused("`box.value`", n=[2])
@pipeline
def attribute_deleted(n: int) -> Any:
    """An attribute of an older object that a side deletes."""
    box = SimpleNamespace(value=0)
    if odd(n):
        del box.value  # here
    return text(vars(box))


@refused("`Counted.kind`", n=[2])
@pipeline
def attribute_of_a_class(n: int) -> Any:
    """An attribute of a class of the module."""
    if odd(n):
        Counted.kind = "odd"  # here
    return text(Counted.kind)


@refused("`SimpleNamespace.value`", n=[2])
@pipeline
def attribute_of_a_member(n: int) -> Any:
    """An attribute of an object in an older list."""
    boxes = [SimpleNamespace(value=0)]
    if odd(n):
        boxes[0].value = 1  # here
    return text(boxes[0].value)


@refused("`values` in a branch or loop over a result", n=[2])
@pipeline
def bytes_in_place(n: int) -> Any:
    """An item of an older container that is no list, dict or set."""
    values = bytearray(b"ab")
    if odd(n):
        values[0] = 1  # here
    return text(values)


@refused("`values` in a branch or loop over a result", n=[2])
@pipeline
def array_in_place(n: int) -> Any:
    """An older array that is changed in place."""
    values = array("i", [1, 2])
    if odd(n):
        values *= 2  # here
    return text(list(values))


@refused("`values` in a branch or loop over a result", n=[2])
@pipeline
def array_made_longer(n: int) -> Any:
    """An older array that `+=` makes longer."""
    values = array("i", [1, 2])
    if odd(n):
        values += array("i", [3])  # here
    return text(list(values))


@refused("`values` in a branch or loop over a result", n=[2])
@pipeline
def swapped_in_a_long_list(n: int) -> Any:
    """Two items of a long list swapped on a side."""
    values = list(range(100))
    if odd(n):
        values[0], values[1] = values[1], values[0]  # here
    return text(values[0])


@refused("`values` in a branch or loop over a result", n=[2])
@pipeline
def several_in_a_long_dict(n: int) -> Any:
    """Two items of a long dict that get one value."""
    values = dict.fromkeys(range(100), 0)
    if odd(n):
        values[0] = values[1] = 9  # here
    return text(values[0])


@staged(n=[2, 3])
@pipeline
def targets_of_a_side(n: int) -> Any:
    """Targets of every kind, of what a side made itself, and outside of any branch."""
    outer = SimpleNamespace(a=1, b=2)
    outer.a, outer.b = outer.b, outer.a
    outer.a *= 5
    x: Any = outer.a
    if odd(n):
        box = SimpleNamespace(value=0)
        values = list(range(100))
        values[0], box.value = 5, double(n)
        values[1] = box.more = 7
        values[2] -= 2
        values *= 1
        del values[3:], box.more
        for box.last in [1, 2]:
            values[0] += box.last
        x = gathered(box.value, values)
    return [x, outer.b]
