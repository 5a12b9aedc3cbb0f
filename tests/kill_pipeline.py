"""A pipeline of some thirty tasks with effects, run by the children of `test_kill`."""

from __future__ import annotations

import os
import sys
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import polars as pl

from glacier import Bucket, context, pipeline, task
from glacier.errors import InputError
from glacier.providers import LocalProvider

PARTS = 6


def effect(turn: int | None = None) -> None:
    """Leaves a trace that this task was begun, which no later end of the process undoes."""
    name = context().task or ""
    place = Path(os.environ["KILL_EFFECTS"], (name if turn is None else f"{name}/{turn}").replace("/", "%"))
    trace = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(trace, b".")
    os.close(trace)
    time.sleep(0.002)


@dataclass(frozen=True)
class Model:
    part: int
    mean: float


@task
def seed() -> pl.DataFrame:
    effect()
    return pl.DataFrame({"id": range(3000), "part": [n % PARTS for n in range(3000)]})


@task
def cleaned(sales: pl.DataFrame, part: int) -> pl.LazyFrame:
    effect()
    return sales.lazy().filter(pl.col("part") == part).with_columns(amount=pl.col("id") * 1.5)


@task
def fitted(sales: pl.LazyFrame, part: int) -> Model:
    effect()
    return Model(part, sales.select(pl.col("amount").mean()).collect().item())


@task
def stored(sales: pl.LazyFrame, target: Bucket) -> int:
    effect()
    target.write(sales)
    return target.read().height


@task
def numbers(models: list[Model]) -> list[int]:
    effect()
    return [model.part for model in models]


@task
def checked(counts: list[int]) -> bool:
    effect()
    return sum(counts) == 3000


@task
def step(total: int, turn: int) -> int:
    effect(turn)
    return total + turn


@task
def squared(turn: int) -> int:
    effect(turn)
    return turn * turn


@task
def counted(target: Bucket) -> pl.LazyFrame:
    """One more than what lies there: done twice, it would be two more."""
    effect()
    return target.scan().with_columns(pl.col("n") + 1)


@task
def report(models: list[Model], total: int, squares: list[int]) -> pl.DataFrame:
    effect()
    rows = {"part": [model.part for model in models], "mean": [model.mean for model in models]}
    return pl.DataFrame(rows).with_columns(total=pl.lit(total), squares=pl.lit(sum(squares)))


@pipeline(checkpoint=True)
def killed(folder: str) -> int:
    out = LocalProvider(folder).bucket("out", path="./")
    counter = out.at("counter.parquet")
    sales = seed()
    models: list[Model] = []
    counts: list[int] = []
    for part in range(PARTS):
        clean = cleaned(sales, part)
        models.append(fitted(clean, part))
        counts.append(stored(clean, out.at(f"parts/{part}.parquet")))
    turns = numbers(models)
    total = 0
    squares: list[int] = []
    for turn in turns:
        total = step(total, turn)
        squares.append(squared(turn))
    counter.write(counted(counter))
    if checked(counts):
        made = report(models, total, squares)
    else:
        made = sales
    out.at("report.csv").write(made)
    return total


def run(folder: str) -> None:
    """Resumes the last run in a folder; begins one where there is none."""
    os.environ["GLACIER_HOME"] = f"{folder}/home"
    os.environ["KILL_EFFECTS"] = f"{folder}/effects"
    inputs = {"folder": folder}
    try:
        killed.run(inputs=inputs, max_workers=4, resume="last")
    except InputError:
        killed.run(inputs=inputs, max_workers=4)


def serve() -> None:
    """For each folder that is read, runs in a child; writes the child's number, and when it has ended, its status.

    The number stays the child's until the next folder is read, so that whoever kills it late kills nobody else.

    All that a run imports, and the reading of the pipeline's code, is done once, before children are forked. No query
    is, since Polars' threads would be lost in them.
    """
    for name in ("execution.resuming", "history.recording", "telemetry.telemetry", "report.outcome"):
        import_module(f"glacier.{name}")
    killed.plan({"folder": "/nowhere"})
    unread = 0
    for line in sys.stdin:
        if unread:
            os.waitpid(unread, 0)
        child = os.fork()
        if not child:
            try:
                run(line.strip())
            except BaseException:  # noqa: BLE001  # told to whoever reads the test's output
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        print(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status, flush=True)
        unread = child


if __name__ == "__main__":
    sys.modules["kill_pipeline"] = sys.modules["__main__"]
    serve()
