"""Loops over results in loops, in branches and the reverse."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import staged
from bodies.tasks import add, double, gathered, items, odd, same, text, total
from glacier import pipeline

SOME = [0, 1, 3]


@staged(n=SOME)
@pipeline
def nested(n: int) -> Any:
    """A loop over what an item gives; one list for all."""
    made = []
    for x in items(n):
        for y in items(x):
            made.append(gathered(x, y))
    return made


@staged(n=SOME)
@pipeline
def nested_lists(n: int) -> Any:
    """A list of lists, each made in a turn, and summed up there."""
    rows, sums = [], []
    for x in items(n):
        row = []
        for y in items(x + 1):
            row.append(add(x, y))
        rows.append(row)
        sums.append(total(row))
    return [rows, sums]


@staged(n=SOME)
@pipeline
def two_results(n: int) -> Any:
    """Two independent results, each pair once."""
    others, made = items(2), []
    for x in items(n):
        for y in others:
            made.append(add(x, y))
    return made


@staged(n=SOME)
@pipeline
def three_deep(n: int) -> Any:
    """Three loops, with something done at each depth."""
    made: list[Any] = []
    for x in items(n):
        made.append(text(x))
        for y in items(x):
            made.append(double(y))
            for z in items(y + 1):
                made.append(gathered(x, y, z))
    return made


@staged(n=SOME)
@pipeline
def carried_through(n: int) -> Any:
    """A variable carried through both loops."""
    x = same(0)
    for a in items(n):
        for b in items(a):
            x = add(x, b)
        x = add(x, 100)
    return x


@staged(n=SOME)
@pipeline
def plain_inside(n: int) -> Any:
    """A plain loop in a loop over a result."""
    made = []
    for x in items(n):
        y = same(x)
        for k in range(3):
            y = add(y, k)
            made.append(y)
    return made


@staged(n=SOME)
@pipeline
def inside_a_plain_one(n: int) -> Any:
    """A loop over a result in plain loops."""
    made, left = [], 2
    for k in range(2):
        for x in items(n):
            made.append(add(x, k))
    while left:
        left -= 1
        for x in items(left):
            made.append(double(x))
    return made


@staged(n=SOME)
@pipeline
def branches_inside(n: int) -> Any:
    """Branches on results in each turn: variables of both sides, nested, conditional expressions."""
    made = []
    for x in items(n):
        label = "none"
        if odd(x):
            y = text(x)
            if same(n) > 2:
                label = text("many")
        else:
            y = double(x)
        made.append(gathered(y, label, text(x) if x > 1 else "few", x and odd(x)))
    return made


@staged(n=SOME)
@pipeline
def inside_a_branch(n: int) -> Any:
    """A loop over a result on each side of a branch."""
    made = []
    if odd(n):
        for x in items(n):
            made.append(text(x))
    else:
        y = same(0)
        for x in items(n):
            y = add(y, x)
        made = [y]
    return [made, gathered(made)]


@staged(n=SOME)
@pipeline
def in_other_blocks(n: int) -> Any:
    """Loops over results in `with`, in `try` with `finally`, and in a case of a `match` on a plain value."""
    import contextlib

    made, notes = [], []
    with contextlib.nullcontext(items(n)) as rows:
        for x in rows:
            made.append(double(x))
    try:
        for x in items(n):
            made.append(add(x))
    finally:
        notes.append("end")
    match n:
        case 0:
            made.append(text("zero"))
        case _:
            for x in items(n):
                made.append(text(x))
    return [made, notes]


@staged(n=SOME)
@pipeline
def grid(n: int) -> Any:
    """A loop over a list of results that a comprehension over plain values made."""
    made = []
    for rows in [items(k) for k in range(n)]:
        for x in rows:
            made.append(double(x))
    return made
