"""Names and where they live: imports, globals, texts, small statements."""

# pyright: basic
from __future__ import annotations

from typing import Any

from bodies.corpus import refused, staged, tried
from bodies.tasks import add, double, gathered, items, odd, same, text, total
from glacier import pipeline

LIMIT = 4
counted = 0


def count() -> int:
    global counted
    counted = counted + 1 if counted < 1 else 1
    return counted


@tried(n=[3])
@pipeline
def imports(n: int) -> Any:
    """Every form of `import` in a body."""
    import math
    import os.path
    from collections import Counter as Tally
    from math import floor, sqrt

    return gathered(math.ceil(1.2), os.path.join("a", "b"), dict(Tally("aab")), floor(sqrt(n)), same(n))


@tried(n=[3])
@pipeline
def globals_of_the_module(n: int) -> Any:
    """A global read in the body, and one that a helper assigns."""
    return [add(n, LIMIT), count(), text(LIMIT)]


@tried(n=[3])
@pipeline
def texts(n: int) -> Any:
    """f-strings, `%` and `format` on plain values."""
    name = "x"
    return [
        text(f"{name}={n!r:>4} {n + 1:03d} {'a' if n else 'b'} {{}}"),
        text("%s-%d" % (name, n)),
        text("{}".format(n)),
    ]


@tried(n=[3])
@pipeline
def literals(n: int) -> Any:
    """Every literal as an argument."""
    return gathered(1, 1.5, 2j, "ab", b"c", True, None, ..., 0x1F, 1_000, r"\d", """d""", n)


@tried(n=[3])
@pipeline
def small_statements(n: int) -> Any:
    """`pass`, expressions, several statements on a line, a docstring, a comment with a type."""
    pass
    ...
    n  # pyright: ignore[reportUnusedExpression]  # what is tried
    x = double(n)
    y = add(x)  # noqa: B018, E702
    z = [x, y]  # type: list[Any]
    "a text"
    return z


@tried(n=[3])
@pipeline
def shadowed(n: int) -> Any:
    """Names that hide builtins and tasks."""
    list, sum = same(n), double(n)
    double_ = add
    return [double_(list, sum)]


@tried(n=[3])
@pipeline
def reflection(n: int) -> Any:
    """`locals`, `getattr`, `type` and `id` of plain things."""
    x = same(n)
    here = locals()
    return [add(here["x"]), getattr(add, "name"), type(n).__name__, callable(add), sorted(here)]


@staged(n=[1, 2])
@pipeline
def names_of_a_staged_body(n: int) -> Any:
    """Globals, builtins and imports stay what they are in a body that is staged."""
    import math as m

    x = m.floor(LIMIT + 0.5) if odd(n) else len("abc")
    if odd(n):
        x = max(LIMIT, n)
    return [text(x), sorted(name for name in locals() if not name.startswith("__"))]


@tried(n=[3])
@pipeline
def long_calls(n: int) -> Any:
    """Calls over several lines, with brackets, backslashes and calls in calls."""
    x = add(
        double(
            n,
        ),
        right=same(n),
    )
    y = add(x, 1) + add(x, 2)
    return [(x), (y)]


@refused("an f-string or `format` needs its value", n=[3])
@pipeline
def result_in_an_f_string(n: int) -> Any:
    """A result in an f-string."""
    return text(f"{same(n)} rows")  # here


@refused("`str` or `print` needs its value", n=[3])
@pipeline
def str_of_a_result(n: int) -> Any:
    """`str` of a result."""
    return str(same(n))  # here


@refused("`str` or `print` needs its value", n=[3])
@pipeline
def result_in_a_percent_format(n: int) -> Any:
    """A result in a `%` format."""
    return "%s rows" % same(n)  # here


@refused("`str` or `print` needs its value", n=[3])
@pipeline
def printed_result(n: int) -> Any:
    """`print` of a result."""
    print(same(n))  # here


@refused("a number is made of its value", n=[3])
@pipeline
def int_of_a_result(n: int) -> Any:
    """`int` of a result."""
    return int(same(n))  # here


@refused("a number is made of its value", n=[3])
@pipeline
def rounded_result(n: int) -> Any:
    """`round` of a result."""
    return round(same(n), 2)  # here


@refused("`len` needs its value", n=[3])
@pipeline
def len_of_a_result(n: int) -> Any:
    """`len` of a result."""
    return len(items(n))  # here


@refused("a loop or an unpacking needs its items|`sorted`", n=[3])
@pipeline
def sorted_result(n: int) -> Any:
    """`sorted` of a result anywhere but in a loop."""
    return total(sorted(items(n)))  # here


@refused("a loop or an unpacking needs its items|`list`", n=[3])
@pipeline
def list_of_a_result(n: int) -> Any:
    """`list` of a result."""
    return list(items(n))  # here


@refused("a loop or an unpacking needs its items|`max`", n=[3])
@pipeline
def largest_of_a_result(n: int) -> Any:
    """`max` of a result."""
    return max(items(n))  # here


@refused("a branch .* needs its value|`max`", n=[3])
@pipeline
def largest_of_results(n: int) -> Any:
    """`max` of several results."""
    return max(same(n), double(n))  # here


@refused("a loop or an unpacking needs its items", n=[3])
@pipeline
def splat_of_a_result(n: int) -> Any:
    """A result cannot be spread over arguments."""
    return gathered(*items(n))  # here


@refused("`repr`, or the text of a container that holds it, needs its value", n=[3])
@pipeline
def repr_of_a_result(n: int) -> Any:
    """`repr` of a result, in an f-string."""
    return text(f"{same(n)!r} rows")  # here


@refused("`repr`, or the text of a container that holds it, needs its value", n=[3])
@pipeline
def text_of_a_list_of_results(n: int) -> Any:
    """`str` of a plain list that holds results."""
    return text(str([same(n), double(n)]))  # here


@refused("raised TypeError while it was planned: sequence item 0: expected str instance", n=[3])
@pipeline
def joined_results(n: int) -> Any:
    """`join` of results."""
    return ",".join([text(n)])  # here


@refused("a branch .* needs its value", n=[3])
@pipeline
def results_sorted_among_each_other(n: int) -> Any:
    """A plain list of results cannot be sorted."""
    return sorted([same(n), double(n)])  # here


@refused("a branch .* needs its value", n=[3])
@pipeline
def result_looked_for_in_a_list(n: int) -> Any:
    """`index`, `count` and `remove` of a plain list compare with the results in it."""
    return [same(n), double(n)].index(3)  # here


@tried(n=[3])
@pipeline
def global_of_the_body(n: int) -> Any:
    """A body that assigns a global."""
    global counted
    counted = double(n)
    x, counted = add(counted), 0
    return x
