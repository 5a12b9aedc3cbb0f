"""`match` on a result is refused, also where the result lies in a plain tuple."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import refused
from bodies.tasks import add, nothing, odd, pair, record, same, text
from glacier import pipeline


@refused("`match`", n=[2])
@pipeline
def literal(n: int) -> Any:
    """A literal pattern."""
    match same(n):  # here
        case 2:
            return text("two")
        case _:
            return text("other")


@refused("`match`", n=[2])
@pipeline
def sequence(n: int) -> Any:
    """A sequence pattern, which today never matches: the wildcard is taken."""
    match pair(n):  # here
        case [a, b]:
            return add(a, b)
        case _:
            return text("other")


@refused("`match`", n=[2])
@pipeline
def mapping(n: int) -> Any:
    """A mapping pattern."""
    match record(n):  # here
        case {"n": a}:
            return text(a)
        case _:
            return text("other")


@refused("`match`", n=[2])
@pipeline
def of_a_class(n: int) -> Any:
    """A class pattern."""
    match same(n):  # here
        case int():
            return text("int")
        case _:
            return text("other")


@refused("`match`", n=[2])
@pipeline
def none(n: int) -> Any:
    """`None`, which Python compares by `is`."""
    match nothing(n):  # here
        case None:
            return text("none")
        case _:
            return text("other")


@refused("`match`|needs its value", n=[2])
@pipeline
def guard(n: int) -> Any:
    """A guard that a result decides."""
    match n:
        case 2 if odd(n):  # here
            return text("two")
        case _:
            return text("other")


@refused("`match`|needs its value", n=[2])
@pipeline
def inside_a_plain_list(n: int) -> Any:
    """A pattern that looks into a result inside a plain list."""
    match [nothing(n), 1]:  # here
        case [None, 1]:
            return text("none")
        case _:
            return text("other")
