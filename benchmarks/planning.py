"""Planning and running of branches and loops: time per branch, turn or item at growing sizes, printed as tables.

`python -m benchmarks.planning`
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from glacier import Pipeline, pipeline, task
from glacier.execution.options import RunOptions
from glacier.execution.scheduler import execute

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = 5


@task
def numbers(n: int) -> list[int]:
    return list(range(n))


@task
def odd(x: int) -> bool:
    return x % 2 == 1


@task
def step(x: int) -> int:
    return x


@pipeline
def branches(n: int) -> int:
    x = step(0)
    for k in range(n):
        if odd(k):
            x = step(x)
    return x


@pipeline
def growing_branches(n: int) -> list[int]:
    found: list[int] = []
    for k in range(n):
        if odd(k):
            found.append(step(k))  # noqa: PERF401  # the statement is what is measured
    return found


@pipeline
def chain(n: int) -> int:
    x = step(0)
    for _ in range(n - 1):
        x = step(x)
    return x


@pipeline
def constant_loop(n: int) -> list[int]:
    return [step(k) for k in range(n)]


@pipeline
def dynamic_loop(n: int) -> list[int]:
    return [step(k) for k in numbers(n)]


@pipeline
def dynamic_map(n: int) -> list[int]:
    return step.map(numbers(n))


def planned(body: Pipeline[[int], object], size: int) -> float:
    begun = time.perf_counter()
    body.plan(inputs={"n": size})
    return time.perf_counter() - begun


def whole(body: Pipeline[[int], object], size: int) -> float:
    begun = time.perf_counter()
    execute(body.plan(inputs={"n": size}), RunOptions())
    return time.perf_counter() - begun


def medians(
    bodies: list[Pipeline[[int], object]], measure: Callable[[Pipeline[[int], object], int], float]
) -> dict[tuple[str, int], float]:
    """Gives the median seconds of each body at each size, measured turn about."""
    found: dict[tuple[str, int], list[float]] = {}
    for size in SIZES:
        for turn in range(ROUNDS + 1):
            for body in bodies:
                seconds = measure(body, size)
                if turn:  # the first one warms up
                    found.setdefault((body.name, size), []).append(seconds)
    return {key: statistics.median(seconds) for key, seconds in found.items()}


def main() -> None:
    plans = medians([branches, growing_branches, constant_loop], planned)
    print("Planning alone, µs for each branch or turn\n")
    print("| body | " + " | ".join(f"{size:,}" for size in SIZES) + " |")
    print("| --- |" + " ---: |" * len(SIZES))
    for body in (branches, growing_branches, constant_loop):
        cells = [f"{1e6 * plans[body.name, size] / size:.1f}" for size in SIZES]
        print(f"| {body.name} | " + " | ".join(cells) + " |")
    runs = medians([constant_loop, dynamic_loop, dynamic_map, chain], whole)
    print("\nPlanning and running an empty task for each item, µs an item; beside the constant loop\n")
    print("| body | " + " | ".join(f"{size:,}" for size in SIZES) + " |")
    print("| --- |" + " ---: |" * len(SIZES))
    for body in (constant_loop, dynamic_loop, dynamic_map, chain):
        cells = [
            f"{1e6 * runs[body.name, size] / size:.1f} ({runs[body.name, size] / runs[constant_loop.name, size]:.2f})"
            for size in SIZES
        ]
        print(f"| {body.name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
