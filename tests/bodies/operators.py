"""Operators on results."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import refused, staged, tried
from bodies.tasks import add, double, items, nothing, odd, record, same, text
from glacier import pipeline


class Vector(list[int]):
    def __matmul__(self, other: Any) -> Any:
        if not isinstance(other, Vector):
            return NotImplemented
        return sum(a * b for a, b in zip(self, other, strict=True))


@tried(n=[3, 8])
@pipeline
def arithmetic(n: int) -> Any:
    """Every arithmetic operator, the result on the left."""
    x = same(n)
    return [x + 1, x - 1, x * 2, x / 2, x // 2, x % 2, x**2, x << 1, x >> 1, x & 6, x | 6, x ^ 6]


@tried(n=[3, 8])
@pipeline
def swapped_arithmetic(n: int) -> Any:
    """Every arithmetic operator, the result on the right."""
    x = same(n)
    return [100 + x, 100 - x, 100 * x, 100 / x, 100 // x, 100 % x, 2**x, 1 << x, 900 >> x, 6 & x, 6 | x, 6 ^ x]


@tried(n=[3])
@pipeline
def matrices(n: int) -> Any:
    """`@` on either side."""
    x = same(Vector([1, n]))
    return [x @ Vector([2, 3]), Vector([2, 3]) @ x, x @ x]


@tried(n=[3])
@pipeline
def between_results(n: int) -> Any:
    """Operators between results, nested, with brackets."""
    x, y = same(n), double(n)
    return [(x + y) * (x - y), x**y % 7, text(x * y)]


@tried(n=[3, -3])
@pipeline
def unary(n: int) -> Any:
    """Unary operators."""
    x = same(n)
    return [-x, +x, ~x, abs(x), -(-x)]


@tried(n=[3])
@pipeline
def sequences(n: int) -> Any:
    """`+` and `*` on lists and texts."""
    rows, word = items(n), text(n)
    return [rows + [9], [9] + rows, rows * 2, 2 * rows, word + "!", "!" + word, "-" * same(n), [word] * 2]


@tried(n=[3, 8])
@pipeline
def comparisons(n: int) -> Any:
    """Every comparison, the result on either side."""
    x = same(n)
    return [x == 3, x != 3, x < 5, x <= 3, x > 5, x >= 8, 3 == x, 5 < x, x == double(n), 8 >= x]


@tried(n=[0, 3])
@pipeline
def chained_comparison_of_plain_values(n: int) -> Any:
    """A chained comparison that no result takes part in is Python's."""
    return [1 < n < 6, double(n), 0 == n != 1]


@staged(n=[0, 3])
@pipeline
def truth(n: int) -> Any:
    """`not`, `and`, `or` give values as Python does, not only truths."""
    x, found = same(n), odd(n)
    return [not x, not found, x and "yes", x or "no", x and found or "none", not (x or found), n and x, n or x]


@staged(n=[0, 3, 4])
@pipeline
def short_circuit(n: int) -> Any:
    """The right side of `and` and `or` runs only if the left one asks for it."""
    x = same(n)
    return [x and 12 // x, not x or 12 % x, x and odd(n) and add(x), x or odd(n) or text("last")]


@tried(n=[0, 3])
@pipeline
def plain_operators(n: int) -> Any:
    """Operators on plain values are decided while planning."""
    return [not n, n and double(n), n or 7, n is None, n in (0, 1), n not in (0, 1), -n, n if n else double(5)]


@staged(n=[0, 2])
@pipeline
def membership(n: int) -> Any:
    """`in` and `not in` with a result on the right."""
    found = record(n)
    return ["x" in found["names"], "z" not in found["names"], "n" in found]


@tried(n=[0, 2])
@pipeline
def subscripts(n: int) -> Any:
    """Items and slices of results, also where the index is a result."""
    found, rows = record(n), items(n + 5)
    return [found["inner"]["n"], rows[0], rows[-1], rows[1:3], rows[::2], rows[:-1], rows[same(n)], rows[n : same(4)]]


@tried(n=[2])
@pipeline
def index_made_of_results(n: int) -> Any:
    """An index that is an expression or a tuple of results."""
    rows, table = items(n + 5), same({(2, 4): "found"})
    return [rows[same(n) + 1], rows[double(n) - n], table[same(n), double(n)]]


@refused("a number is made of its value", n=[2])
@pipeline
def plain_list_indexed_by_a_result(n: int) -> Any:
    """A plain list cannot be indexed by a result."""
    return ["a", "b", "c"][same(n)]  # here


@refused("a set member or dict key needs its value", n=[2])
@pipeline
def plain_dict_indexed_by_a_result(n: int) -> Any:
    """A plain dict cannot be indexed by a result."""
    return {2: "a"}[same(n)]  # here


@refused("`.upper` uses it as a plain value", n=[2])
@pipeline
def method_of_a_result(n: int) -> Any:
    """A method of a result."""
    return text(n).upper()  # here


@refused("it is called as a function", n=[2])
@pipeline
def call_of_a_result(n: int) -> Any:
    """A result that is called."""
    return nothing(n)()  # type: ignore[misc]  # here
