"""`python -m benchmarks.caching`: what taking a result of a gigabyte from the cache costs, beside computing it."""

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import polars as pl

from glacier import pipeline, task

ROWS = 2**27  # of eight bytes: a gigabyte


@task(cache=True)
def large(rows: int) -> pl.LazyFrame:
    return pl.LazyFrame({"n": pl.int_range(rows, eager=True)})


@task
def small() -> int:
    return 1


@pipeline
def cached(rows: int) -> pl.LazyFrame:
    return large(rows)


@pipeline
def bare() -> int:
    return small()


def main() -> None:
    """Prints the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.caching", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeat", type=int, default=15)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as home:
        os.environ["GLACIER_HOME"] = home
        bare.run()
        missed = seconds(args.rows)
        hits, runs = [], []
        for _ in range(args.repeat):
            hits.append(seconds(args.rows))
            started = time.perf_counter()
            bare.run()
            runs.append(time.perf_counter() - started)
        size = sum(file.stat().st_size for file in Path(home).rglob("*.arrow")) / 2**30
    print(f"{platform.system()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, medians of {args.repeat}\n")
    print("| run of one task | ms |\n| --- | ---: |")
    print(f"| computed and kept, {size:.2f} GiB | {missed * 1e3:,.0f} |")
    print(f"| taken from the cache, as a scan | {median(hits) * 1e3:.1f} |")
    print(f"| an empty task, no cache | {median(runs) * 1e3:.1f} |")


def seconds(rows: int) -> float:
    """How long a run takes."""
    started = time.perf_counter()
    cached.run(inputs={"rows": rows})
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
