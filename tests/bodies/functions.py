"""Functions, classes and calls: helpers, closures, methods, decorators, arguments."""

# pyright: basic
from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

from bodies.corpus import refused, staged, tried
from bodies.tasks import Scale, add, double, gathered, items, odd, record, same, text
from glacier import pipeline, task


def helper(value: Any, by: int = 3, *more: Any, last: Any = 1) -> Any:
    return gathered(add(value, by), *more, last=same(last))


def down(n: int, x: Any) -> Any:
    """Calls itself on a plain value."""
    return x if n == 0 else down(n - 1, add(x, n))


@task
def applied(function: Callable[..., Any], value: Any) -> Any:
    return function(value)


def twice(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def both(*args: Any, **kwargs: Any) -> list[Any]:
        return [function(*args, **kwargs), function(*args, **kwargs)]

    return both


@tried(n=[3])
@pipeline
def helpers(n: int) -> Any:
    """A module's function is followed by being called, also with its defaults."""
    return [helper(n), helper(same(n), 4, 5, double(6), last=text(7))]


@tried(n=[0, 4])
@pipeline
def recursion(n: int) -> Any:
    """A helper that calls itself on a plain value."""
    return down(n, same(n))


@tried(n=[3])
@pipeline
def nested_functions(n: int) -> Any:
    """Functions in the body: defaults, keyword-only, several deep, called before and after reassignment."""
    x = same(n)

    def inner(value: Any, by: Any = x, *, more: Any = 2) -> Any:
        def deeper() -> Any:
            return add(value, by) + more

        return deeper()

    first = inner(x)
    x = double(x)
    return [first, inner(x), inner(1, more=x)]


@tried(n=[3])
@pipeline
def closures(n: int) -> Any:
    """A closure sees the variable as it is when it is called."""
    x = same(n)

    def read() -> Any:
        return add(x)

    first = read()
    x = double(n)
    adders: list[Any] = [lambda value, k=k: add(value, k) for k in range(3)]
    return [first, read(), [adder(x) for adder in adders]]


@staged(n=[1, 2])
@pipeline
def closures_over_branches(n: int) -> Any:
    """A closure that is called on both sides and after a branch on a result."""
    x = same(n)

    def read() -> Any:
        return add(x)

    if odd(n):
        x = double(x)
        y = read()
    else:
        y = read()
    return [y, read()]


@tried(n=[3])
@pipeline
def nonlocals(n: int) -> Any:
    """A nested function assigns a variable of the body."""
    count, x = 0, same(n)

    def more() -> None:
        nonlocal count, x
        count += 1
        x = add(x, count)

    more()
    more()
    return [count, x]


@tried(n=[3])
@pipeline
def lambdas(n: int) -> Any:
    """Lambdas that call tasks."""
    step: Any = lambda value, by=2, *more, **named: gathered(add(double(value), by), *more, **named)
    return [step(n), step(same(n), 3, 4, key=text(n)), (lambda: text(n))()]


@tried(n=[3])
@pipeline
def classes(n: int) -> Any:
    """A class in the body: attributes, methods, properties, class and static methods that call tasks."""

    class Steps:
        start = same(n)

        def __init__(self, by: Any) -> None:
            self.by = by

        def step(self, value: Any) -> Any:
            return add(value, self.by)

        @property
        def doubled(self) -> Any:
            return double(self.by)

        @classmethod
        def first(cls) -> Any:
            return text(cls.start)

        @staticmethod
        def last(value: Any) -> Any:
            return text(value)

    steps = Steps(same(5))
    return [steps.step(Steps.start), steps.doubled, Steps.first(), steps.last(n)]


@tried(n=[3])
@pipeline
def methods(n: int) -> Any:
    """Tasks that are methods, bound and called on the class."""
    scale = Scale(10)
    apply = scale.apply
    return [scale.apply(n), scale(same(n)), apply(double(n)), Scale.apply(scale, n)]


@tried(n=[3])
@pipeline
def methods_of_objects_that_change(n: int) -> Any:
    """An object whose attributes are assigned between the calls of its methods."""
    scale, found = Scale(1), [applied(Scale(5).times, n)]
    for factor in range(n):
        scale.factor = factor
        found += [scale.apply(n), scale(same(n)), applied(scale.times, n)]
    scale.factor = 10
    return found


@tried(n=[3])
@pipeline
def tasks_over_variables_that_change(n: int) -> Any:
    """Tasks that take variables of the body from around them, which are assigned again after their calls."""
    found = []
    for i in range(n):

        @task
        def local(value: int = i, *, by: int = 1) -> int:
            """Takes `i` twice."""
            return value * i + by

        found.append(local(by=n))
    base = 5

    @task
    def shifted(value: int) -> int:
        return value + base

    first = shifted(same(n))
    base = 7
    return [*found, first, shifted(n)]


@tried(n=[3])
@pipeline
def functions_over_variables_that_change(n: int) -> Any:
    """Functions given to tasks, by themselves and in a list, over variables that are assigned again."""
    found, base = [], 1

    def shifted(value: int, *, by: int = 2) -> int:
        return value + base + by

    for i in range(n):
        found.append(applied(lambda value: value + i, 1))
    found.append(applied(shifted, same(n)))
    base = 7
    return [*found, applied(shifted, n)]


@tried(n=[3])
@pipeline
def variables_that_tasks_change(n: int) -> Any:
    """A variable that tasks share and assign, and the body does not after their calls."""
    count = n

    @task(max_concurrency=1)
    def more(before: Any) -> int:
        nonlocal count
        count += 1
        return count

    return more(more(0))


@tried(n=[3])
@pipeline
def decorators(n: int) -> Any:
    """Decorators inside a body, one of them with arguments."""

    @twice
    def one(value: Any) -> Any:
        return double(value)

    @functools.cache
    def plain(k: int) -> int:
        return k + 1

    @functools.partial(twice)
    @twice
    def four() -> Any:
        return same(n)

    return [one(n), add(plain(n)), four()]


@tried(n=[3])
@pipeline
def tasks_inside(n: int) -> Any:
    """Tasks and pipelines declared in a body."""

    @task
    def local(value: int) -> int:
        return value + n

    @pipeline
    def part(value: int) -> int:
        return local(double(value))

    return [local(1), part(2), part.run(inputs={"value": 3})]


@tried(n=[3])
@pipeline
def tasks_as_values(n: int) -> Any:
    """Tasks in dicts, as arguments, with `partial` and `reduce`."""
    steps: dict[str, Any] = {"add": add, "double": double}
    by_two = functools.partial(add, right=2)
    return [
        steps["add"](n),
        by_two(same(n)),
        functools.reduce(add, [same(1), double(n), 5]),
        twice(text)(n),
        functools.reduce(operator.add, [same(1), double(n), 5]),
    ]


@tried(n=[3])
@pipeline
def splats(n: int) -> Any:
    """Starred and double-starred arguments, of results and plain values, in turn."""
    values, named = [same(n), 2], {"a": double(n), "b": 3}
    return gathered(0, *values, 1, *values[:1], *(), x=4, **named, **{"c": text(n)})


@tried(n=[3])
@pipeline
def keywords(n: int) -> Any:
    """Arguments by keyword, in another order, and left to their defaults."""
    return [add(right=n, left=same(1)), add(same(n)), add(n, right=double(n))]


@tried(n=[3])
@pipeline
def pipes(n: int) -> Any:
    """`pipe` on what a plain call would give as a frame: here on results of tasks that have `pipe`."""

    class Piped(int):
        def pipe(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            return function(self, *args, **kwargs)

    @task
    def piped(value: int) -> Any:
        return Piped(value)

    return piped(n).pipe(add, right=4), piped(double(n)).pipe(lambda x: helper(x, 1))


@tried(n=[3])
@pipeline
def generators(n: int) -> Any:
    """A generator function whose results are collected."""

    def made() -> Iterator[Any]:
        got = yield same(n)
        yield from [double(n), got]

    return gathered(*made())


@tried(n=[3], k=[4])
@pipeline
def parameters(n: int, k: int = 2, *, last: Any = (1, 2), empty: Any = None) -> Any:
    """Parameters with defaults and by keyword only."""
    return gathered(n, k, last, empty)


@tried(n=[3])
@pipeline
def positional_only(n: int, k: int = 5, /) -> Any:
    """Positional-only parameters are inputs too."""
    return add(n, k)


@staged(n=[1, 2])
@pipeline
def positional_only_with_a_branch(n: int, k: int = 5, /) -> Any:
    """Positional-only parameters of a body that is staged."""
    if odd(n):
        return add(n, k)
    return n


@staged(n=[1, 2])
@pipeline
def parameters_of_a_staged_body(n: int, k: int = 2, *more: Any, last: Any = (1, 2), **named: Any) -> Any:
    """Defaults and variadic parameters of a body that is staged."""
    if odd(n):
        return gathered(n, k, *more, last=last, **named)
    return [last, more, named]


@tried(n=[3])
@pipeline
def pipelines(n: int) -> Any:
    """Pipelines called in a body, directly and by `run`, some in each other."""
    return [
        keywords.pipeline(n),
        recursion.pipeline.run(inputs={"n": 2}),
        gathered(splats.pipeline(same(n))),
    ]


@staged(n=[1, 2])
@pipeline
def staged_pipelines(n: int) -> Any:
    """A pipeline with branches called in a body, with a result for its input."""

    @pipeline
    def part(k: int) -> Any:
        if odd(k):
            return text("odd")
        return double(k)

    return [part(n), part(same(n) + 1), part.run(inputs={"k": n})]


@tried(n=[3])
@pipeline
def results_of_every_form(n: int) -> Any:
    """What a body returns may hold results and plain values, deep inside."""
    return {"a": [same(n), (double(n), None)], "b": {"c": record(n)["n"]}, "d": n, "e": items(n)}


@tried()
@pipeline
def no_result() -> None:
    """A body that returns nothing."""
    text("alone")


@tried(n=[3])
@pipeline
def no_task(n: int) -> int:
    """A body that calls no task."""
    return n + 1


@refused("raised RecursionError while it was planned|calls itself", n=[3])
@pipeline
def endless(n: int) -> Any:
    """A helper without an end."""

    def again(x: Any) -> Any:
        return again(x)  # here

    return again(same(n))


@refused("task `add` is called with the wrong arguments", n=[3])
@pipeline
def wrong_arguments(n: int) -> Any:
    """Arguments that do not fit."""
    return add(same(n), 2, 3)  # type: ignore[call-arg]  # here


@refused("`items` is a task, not its result", n=[3])
@pipeline
def uncalled(n: int) -> Any:
    """A task where its result is meant."""
    return double.map(items)  # type: ignore[arg-type]  # here


@refused("a set member or dict key needs its value", n=[3])
@pipeline
def cached_helper(n: int) -> Any:
    """A cache asks for the hash of a result."""

    @functools.cache
    def plain(value: Any) -> Any:
        return add(value)

    return plain(same(n))  # here


@refused("`isinstance`, or a class pattern of a `match`, needs its value", n=[3])
@pipeline
def type_check_in_a_helper(n: int) -> Any:
    """A helper that asks for the type of a result would be told a wrong one."""

    def helper(value: Any) -> Any:
        return double(value) if isinstance(value, int) else text(value)  # here

    return helper(same(n))


@tried(n=[3])
@pipeline
def type_check_of_an_operand(n: int) -> Any:
    """A class whose operators ask for the type of what they are given, and leave a result to the run."""

    class Money(int):
        def __add__(self, other: Any) -> Any:
            return Money(int(self) + int(other)) if isinstance(other, int) else NotImplemented

    @task
    def paid(value: Any) -> Money:
        return Money(value)

    return [Money(2) + paid(n), Money(2) + 3, paid(n) + Money(2)]


@tried(n=[3])
@pipeline
def none_in_a_helper(n: int) -> Any:
    """A helper that is given a result does not take it for an argument left out."""

    def inner(value: Any, more: Any = None) -> Any:
        return add(value, 1 if more is None else more)

    return [inner(n), inner(n, same(4))]
