"""What the code of a staged body keeps: private names, annotations that are never evaluated, any number of branches."""

# pyright: basic
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bodies.corpus import refused, staged
from bodies.tasks import add, double, odd, same, text
from glacier import pipeline

if TYPE_CHECKING:
    from decimal import Decimal


class Flow:
    __secret = 5

    @staged(n=[1, 2])
    @pipeline
    def private_names(n: int) -> Any:  # pyright: ignore[reportGeneralTypeIssues]
        """A name with two underscores in a body that stands in a class."""
        if odd(n):
            return add(n, Flow.__secret)
        return double(n)

    @staged(n=[1, 2])
    @pipeline
    def private_names_of_every_kind(n: int) -> Any:  # pyright: ignore[reportGeneralTypeIssues]
        """Variables, arguments, functions, classes and imports with two underscores, in such a body."""
        import operator as __operator

        def __more(__by: int, **__named: int) -> Any:
            return add(n, __by * __named["__times"])

        class __Box:
            __held = 3

            def held(self) -> int:
                return self.__held

        x: Any = 0
        name = ""
        if odd(n):
            x = __more(__Box().held(), __times=2)
        try:
            __operator.truediv(1, 0)
        except ZeroDivisionError as __error:
            name = type(__error).__name__
        return [x, name]


private_names = Flow.private_names
private_names_of_every_kind = Flow.private_names_of_every_kind


@staged(n=[1, 2])
@pipeline
def postponed_annotations(n: int) -> Any:
    """Annotations inside the body name what only a type checker imports."""

    def inner(value: Decimal) -> Any:
        return add(value)

    class Holder:
        value: Decimal

    if odd(n):
        return inner(n)  # type: ignore[arg-type]
    return [text(n), Holder.__annotations__]


@staged(n=[0, 7, 21, 30])
@pipeline
def many_early_returns(n: int) -> Any:  # noqa: C901
    """More early returns than Python nests blocks."""
    x = same(n)
    if x == 0:
        return text(0)
    if x == 1:
        return text(1)
    if x == 2:
        return text(2)
    if x == 3:
        return text(3)
    if x == 4:
        return text(4)
    if x == 5:
        return text(5)
    if x == 6:
        return text(6)
    if x == 7:
        return text(7)
    if x == 8:
        return text(8)
    if x == 9:
        return text(9)
    if x == 10:
        return text(10)
    if x == 11:
        return text(11)
    if x == 12:
        return text(12)
    if x == 13:
        return text(13)
    if x == 14:
        return text(14)
    if x == 15:
        return text(15)
    if x == 16:
        return text(16)
    if x == 17:
        return text(17)
    if x == 18:
        return text(18)
    if x == 19:
        return text(19)
    if x == 20:
        return text(20)
    if x == 21:
        return text(21)
    return x


@refused("the branches and loops of `many_elifs` are too many", n=[0])
@pipeline
def many_elifs(n: int) -> Any:  # noqa: C901  # here
    """More `elif`s than Python nests blocks."""
    x = same(n)
    if x == 0:
        y = text(0)
    elif x == 1:
        y = text(1)
    elif x == 2:
        y = text(2)
    elif x == 3:
        y = text(3)
    elif x == 4:
        y = text(4)
    elif x == 5:
        y = text(5)
    elif x == 6:
        y = text(6)
    elif x == 7:
        y = text(7)
    elif x == 8:
        y = text(8)
    elif x == 9:
        y = text(9)
    elif x == 10:
        y = text(10)
    elif x == 11:
        y = text(11)
    elif x == 12:
        y = text(12)
    elif x == 13:
        y = text(13)
    elif x == 14:
        y = text(14)
    elif x == 15:
        y = text(15)
    elif x == 16:
        y = text(16)
    elif x == 17:
        y = text(17)
    elif x == 18:
        y = text(18)
    elif x == 19:
        y = text(19)
    elif x == 20:
        y = text(20)
    elif x == 21:
        y = text(21)
    else:
        y = text("many")
    return y
