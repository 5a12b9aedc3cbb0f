"""What recording runs costs: a chain of empty tasks, a pipeline over 10 million rows, and listing 10,000 runs.

`python -m benchmarks.recording`
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

import polars as pl

from benchmarks.data import make_sales
from benchmarks.peers import query
from glacier import Pipeline, pipeline, task
from glacier.history.database import connected
from glacier.history.store import History

WORK = Path(__file__).parent / ".work"
RUNS = 10_000
GLACIER = str(Path(sys.executable).with_name("glacier"))


@task
def step(x: int) -> int:
    return x


@pipeline
def chain(n: int) -> int:
    x = step(0)
    for _ in range(n - 1):
        x = step(x)
    return x


@task
def sales(data: Path) -> pl.LazyFrame:
    return query.clean(query.scan_sales(data))


@task
def enrich(sales: pl.LazyFrame, data: Path) -> pl.LazyFrame:
    return query.enrich(sales, query.scan_customers(data), query.scan_products(data))


@task
def totals(enriched: pl.LazyFrame) -> pl.DataFrame:
    return query.by_segment(enriched).collect()


@pipeline
def report(data: Path) -> pl.DataFrame:
    return totals(enrich(sales(data), data))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--repeat", type=int, default=11, help="rounds of each case; medians are reported")
    parser.add_argument("--rows", type=int, default=10_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="glacier-benchmark-") as folder:
        os.environ["GLACIER_HOME"] = folder
        print(f"Medians of {given.repeat} rounds, with and without recording in turn.\n")
        print("| run | without | with | difference | of processor time |\n| --- | ---: | ---: | ---: | ---: |")
        for tasks in (10, 1_000, 10_000):
            without, recorded = timed(chain, {"n": tasks}, given.repeat)
            shown = [f"{one.wall * 1e3:.1f} ms" for one in (without, recorded)]
            each = (f"{(b - a) / tasks * 1e6:.0f} µs a task" for a, b in zip(without, recorded, strict=True))
            print(f"| chain of {tasks:,} empty tasks | {' | '.join([*shown, *each])} |", flush=True)
        data = make_sales(WORK / "data" / f"{given.rows}", given.rows)
        without, recorded = timed(report, {"data": data}, given.repeat)
        shown = [f"{one.wall:.3f} s" for one in (without, recorded)]
        ratios = (f"× {b / a:.3f}" for a, b in zip(without, recorded, strict=True))
        print(f"| sales, {given.rows:,} rows | {' | '.join([*shown, *ratios])} |\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="glacier-benchmark-") as folder:
        os.environ["GLACIER_HOME"] = folder
        fill(Path(folder), RUNS)
        listing(Path(folder), given.repeat)


class Seconds(NamedTuple):
    """How long a run took, and how long all processors together worked for it."""

    wall: float
    processors: float


def now() -> Seconds:
    """Gives the clocks as they are: of this process, with the children that it has waited for."""
    used = os.times()
    return Seconds(time.perf_counter(), time.process_time() + used.children_user + used.children_system)


def since(began: Seconds) -> Seconds:
    """Gives what has passed."""
    after = now()
    return Seconds(after.wall - began.wall, after.processors - began.processors)


def timed(pipeline: Pipeline[..., object], inputs: Mapping[str, object], repeat: int) -> tuple[Seconds, Seconds]:
    """Gives the medians of a run without recording, and with it. A first pair of runs is not counted."""
    seconds: dict[bool, list[Seconds]] = {False: [], True: []}
    for turn in range(repeat + 1):
        for record in (False, True) if turn % 2 else (True, False):
            began = now()
            pipeline.run(inputs=inputs, record=record)
            if turn:
                seconds[record].append(since(began))
    without, recorded = ([median(one) for one in zip(*seconds[record], strict=True)] for record in (False, True))
    return Seconds(*without), Seconds(*recorded)


def fill(home: Path, runs: int) -> None:
    """Makes a history of so many runs of 20 tasks, as copies of one that was recorded."""
    chain.run(inputs={"n": 20})
    store = connected(home, timeout=1)
    numbers = "WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
    own = {"runs": {"seq": "n", "id": "printf('20240517-101112-%06d-%08x', n, n)"}, "tasks": {"run": "n"}}
    store.execute("BEGIN")
    for table, keys in own.items():
        others = [name for _, name, *_ in store.execute(f"PRAGMA table_info({table})") if name not in keys]
        columns, values = (
            ", ".join([*keys, *others]),
            ", ".join([*keys.values(), *(f"first.{name}" for name in others)]),
        )
        first = f"(SELECT * FROM {table} WHERE {next(iter(keys))} = 1) AS first"
        store.execute(f"{numbers} INSERT INTO {table} ({columns}) SELECT {values} FROM numbers, {first}", (runs,))
    store.execute("COMMIT")
    store.close()


def listing(home: Path, repeat: int) -> None:
    """Prints how long the list of all runs takes, and the command beside one that does nothing."""
    size = sum(file.stat().st_size for file in home.iterdir())
    print(f"A history of {RUNS:,} runs with {RUNS * 20:,} tasks, {size / 2**20:.0f} MiB:\n")
    seconds: dict[str, list[Seconds]] = {}
    commands = {
        "glacier --help": [GLACIER, "--help"],
        "glacier runs ls": [GLACIER, "runs", "ls"],
        "glacier runs ls --all --json": [GLACIER, "runs", "ls", "--all", "--json"],
    }
    for _ in range(repeat):
        began = now()
        with History(home) as history:
            found = history.runs()
        seconds.setdefault("History(home).runs()", []).append(since(began))
        assert len(found) == RUNS
        for name, command in commands.items():
            began = now()
            told = subprocess.run(command, check=True, capture_output=True, cwd=home).stdout
            seconds.setdefault(name, []).append(since(began))
            assert "--json" not in command or len(json.loads(told)) == RUNS
    print("| | ms | of processor time |\n| --- | ---: | ---: |")
    for name, ones in seconds.items():
        print(f"| `{name}` | {' | '.join(f'{median(one) * 1e3:.0f}' for one in zip(*ones, strict=True))} |")


if __name__ == "__main__":
    main()
