"""What a staged body asks while it is planned: is this condition known, and if not, plan both sides of it."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

from glacier.errors import GraphError, Site
from glacier.growth import container_of, noted
from glacier.regions import Region
from glacier.trace import Handle, Plan, calling, current_plan
from glacier.work import Absent, Expression, Select, Unset

_NOT = Expression(operator.not_, "not")
_SAME = Expression(operator.is_, "is")
_NOT_SAME = Expression(operator.is_not, "is not")
lt, le, gt, ge = operator.lt, operator.le, operator.gt, operator.ge
_COMPARABLE = (type(None), bool, int, float, str, bytes)


def _is_within(item: object, items: Any) -> bool:
    return item in items


def _is_not_within(item: object, items: Any) -> bool:
    return item not in items


_EQUAL = Expression(operator.eq, "==")
_UNEQUAL = Expression(operator.ne, "!=")
_WITHIN = Expression(_is_within, "in")
_NOT_WITHIN = Expression(_is_not_within, "not in")
_IS_INSTANCE = Expression(isinstance, "isinstance")


class Branch:
    """One `if`. Iterating gives the sides to plan: the one that a plain condition names, or both of a handle.

    Attributes:
        planned: whether the condition is a handle, so that both sides are planned.
    """

    def __init__(self, test: object, variables: Mapping[str, object]) -> None:
        """Takes the condition and the variables of the body before the branch."""
        self.planned = type(test) is Handle
        self._test = test
        if self.planned:
            self._before = dict(variables)
            self._region = Region(variables, sys._getframe(1))
            self._then: dict[str, object] | None = None

    def __iter__(self) -> Iterator[bool]:
        if not self.planned:
            yield bool(self._test)
            return
        test = cast("Handle", self._test)
        plan = test.glacier_plan
        for side in (True, False):
            plan.guards.append((test.glacier_node.index, side))
            plan.regions.append(self._region)
            yield side  # `turn`, the last call of the side, takes both away

    def turn(self, variables: Mapping[str, object], names: tuple[str, ...]) -> tuple[object, ...]:
        """Ends a side: gives the variables as before the branch, and after the second side both sides' merged."""
        frame = sys._getframe(1)
        _check_unchanged(self._region)
        test = cast("Handle", self._test)
        test.glacier_plan.guards.pop()
        test.glacier_plan.regions.pop()
        now = {name: variables.get(name, Unset(name)) for name in names}
        if self._then is None:
            self._then = now
            return tuple(self._before.get(name, Unset(name)) for name in names)
        return tuple(_merged(test, name, self._then[name], now[name], frame) for name in names)


branch = Branch


def choose(test: object, then: Callable[[], object], other: Callable[[], object]) -> object:
    """`then() if test else other()`."""
    if type(test) is not Handle:
        return then() if test else other()
    region = Region((frame := sys._getframe(1)).f_locals, frame)
    with _guarded(test, region, wanted=True):
        first = then()
    with _guarded(test, region, wanted=False):
        second = other()
    return _merged(test, "", first, second, frame)


def both(left: object, right: Callable[[], object]) -> object:
    """`left and right()`."""
    if type(left) is not Handle:
        return right() if left else left
    region = Region((frame := sys._getframe(1)).f_locals, frame)
    with _guarded(left, region, wanted=True):
        value = right()
    return _merged(left, "", value, left, frame)


def either(left: object, right: Callable[[], object]) -> object:
    """`left or right()`."""
    if type(left) is not Handle:
        return left or right()
    region = Region((frame := sys._getframe(1)).f_locals, frame)
    with _guarded(left, region, wanted=False):
        value = right()
    return _merged(left, "", left, value, frame)


def negated(value: object) -> object:
    """`not value`."""
    return _recorded(_NOT, value) if type(value) is Handle else not value


def same(left: object, right: object) -> object:
    """`left is right`."""
    return _recorded(_SAME, left, right) if _is_handle(left) or _is_handle(right) else left is right


def not_same(left: object, right: object) -> object:
    """`left is not right`."""
    return _recorded(_NOT_SAME, left, right) if _is_handle(left) or _is_handle(right) else left is not right


def within(item: Any, items: Any) -> object:
    """`item in items`; a plain container of handles is looked through during the run."""
    return _recorded(_WITHIN, item, items) if _holds_handle(item) or _holds_handle(items) else item in items


def not_within(item: Any, items: Any) -> object:
    """`item not in items`."""
    return _recorded(_NOT_WITHIN, item, items) if _holds_handle(item) or _holds_handle(items) else item not in items


def equal(left: Any, right: Any) -> object:
    """`left == right`; plain containers of handles are compared during the run."""
    return _recorded(_EQUAL, left, right) if _holds_handle(left) or _holds_handle(right) else left == right


def unequal(left: Any, right: Any) -> object:
    """`left != right`."""
    return _recorded(_UNEQUAL, left, right) if _holds_handle(left) or _holds_handle(right) else left != right


def _holds_handle(value: object) -> bool:
    """Whether a value is a handle, or a list or tuple with one among its members."""
    if type(value) in (list, tuple):
        return any(_holds_handle(member) for member in cast("list[object]", value))
    return _is_handle(value)


def _is_handle(value: object) -> bool:
    """Whether a value is a handle.

    Raises:
        GraphError: it is of a variable that nothing has surely assigned.
    """
    if type(value) is Unset:
        raise value.glacier_refusal()
    return type(value) is Handle


def chained(left: object, *links: Any) -> object:
    """`a < b < c`: links are, in turn, a comparison and a function that gives what is compared next."""
    compared, following, *rest = links
    right = following()
    found = compared(left, right)
    return both(found, lambda: chained(right, *rest)) if rest else found


def asked(function: Callable[[object], object], value: object) -> object:
    """`type(value)`, `callable(value)`.

    Raises:
        GraphError: it is a handle, of which the answer would be Glacier's.
    """
    if type(value) is Handle:
        raise value.glacier_refusal(f"`{function.__name__}` needs its value")
    return function(value)


def awaited(value: Any) -> object:
    """`await value` where no `await` can stand: gives a handle at once, and what a pipeline in the body gives."""
    if type(value) is Handle:
        return value
    try:
        value.send(None)
    except StopIteration as stop:
        return cast("object", stop.value)
    raise GraphError(
        "something that is not a task is awaited in a branch",
        site=Site.of_caller(sys._getframe(1)),
        fix="await it inside an `async def` task",
    )


def is_instance(value: object, kinds: Any) -> object:
    """`isinstance(value, kinds)`."""
    return _recorded(_IS_INSTANCE, value, kinds) if _is_handle(value) else isinstance(value, kinds)


def plain(test: object, why: str) -> object:
    """Gives a condition whose side does what only one side may do: leave a loop, or assign a global.

    Raises:
        GraphError: it is a handle.
    """
    if type(test) is Handle:
        raise test.glacier_refusal(f"a branch that {why} needs its value")
    return test


@contextmanager
def _guarded(test: Handle, region: Region, wanted: bool) -> Generator[None]:  # noqa: FBT001  # the side of a branch
    plan = test.glacier_plan
    plan.guards.append((test.glacier_node.index, wanted))
    plan.regions.append(region)
    yield
    _check_unchanged(region)
    plan.guards.pop()
    plan.regions.pop()


def _check_unchanged(region: Region) -> None:
    changed = region.changed()
    if changed is not None:
        raise GraphError(
            f"`{changed.name}` is changed inside a branch on a result, so it would be changed whichever side is taken",
            site=region.site,
            fix=changed.fix,
        )


def _merged(test: Handle, name: str, then: object, other: object, frame: FrameType) -> object:
    """Gives what a variable is after a branch: what both sides agree on, or a node that selects."""
    if then is other or (isinstance(then, Unset) and isinstance(other, Unset)):
        return then
    if type(then) is type(other) and isinstance(then, _COMPARABLE) and then == other:
        return then
    sides = (Absent(side.name) if isinstance(side, Unset) else side for side in (then, other))
    kinds = {container_of(then), container_of(other)}
    chosen = test.glacier_plan.record(Select(name), (test, *sides), {}, frame)
    return noted(chosen, kinds.pop() if len(kinds) == 1 else None)


def _recorded(expression: Expression, *operands: object) -> Handle:
    plan = cast("Plan", current_plan())
    return plan.record(expression, operands, {}, calling(sys._getframe(2)))
