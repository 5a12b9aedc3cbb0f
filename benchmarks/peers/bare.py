"""No tool: Polars by hand, a thread pool, graphlib; what the others are measured against."""

from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter

import polars as pl

from benchmarks.peers.measure import Build, Run, Runner, Work, main
from benchmarks.peers.query import (
    OUTPUTS,
    by_month,
    by_product,
    by_segment,
    clean,
    enrich,
    scan_customers,
    scan_products,
    scan_sales,
)


def step(x: int) -> int:
    return x


def chain(work: Work) -> Build:
    def run() -> int:
        value = 1
        with ThreadPoolExecutor() as pool:
            for _ in range(work.size):
                value = pool.submit(step, value).result()
        return value

    return lambda: run


def fan_out(work: Work) -> Build:
    def run() -> int:
        source = step(1)
        with ThreadPoolExecutor() as pool:
            return sum(future.result() for future in [pool.submit(step, source) for _ in range(work.size)])

    return lambda: run


def plan(work: Work) -> Build:
    def build() -> Run:
        graph = {i: (i // 2, i // 3) for i in range(1, work.size)}
        order = list(TopologicalSorter(graph).static_order())
        return lambda: len(order)

    return build


def _enriched(work: Work) -> pl.LazyFrame:
    return enrich(clean(scan_sales(work.data)), scan_customers(work.data), scan_products(work.data))


def linear(work: Work) -> Build:
    def build() -> Run:
        query = by_segment(_enriched(work))
        return query.collect

    return build


def outputs_collect_all(work: Work) -> Build:
    def build() -> Run:
        sinks = [
            frame.sink_parquet(work.out / f"{name}.parquet", lazy=True) for name, frame in _outputs(_enriched(work))
        ]

        def run() -> object:
            pl.collect_all(sinks)
            return work.out

        return run

    return build


def outputs_three_sinks(work: Work) -> Build:
    def build() -> Run:
        frames = _outputs(_enriched(work))

        def run() -> object:
            for name, frame in frames:
                frame.sink_parquet(work.out / f"{name}.parquet")
            return work.out

        return run

    return build


def outputs_three_collects(work: Work) -> Build:
    def build() -> Run:
        frames = _outputs(_enriched(work))

        def run() -> object:
            for name, frame in frames:
                frame.collect().write_parquet(work.out / f"{name}.parquet")
            return work.out

        return run

    return build


def outputs_collect_once(work: Work) -> Build:
    def build() -> Run:
        query = _enriched(work)

        def run() -> object:
            for name, frame in _outputs(query.collect().lazy()):
                frame.collect().write_parquet(work.out / f"{name}.parquet")
            return work.out

        return run

    return build


def _outputs(sales: pl.LazyFrame) -> list[tuple[str, pl.LazyFrame]]:
    return list(zip(OUTPUTS, (by_segment(sales), by_month(sales), by_product(sales)), strict=True))


RUNNER = Runner(
    packages=("polars",),
    executor="Polars alone; chain and fan-out through one ThreadPoolExecutor, planning by graphlib",
    cases={
        "chain": chain,
        "fan_out": fan_out,
        "plan": plan,
        "linear:one lazy query": linear,
        "outputs:collect_all over lazy sinks": outputs_collect_all,
        "outputs:three sinks": outputs_three_sinks,
        "outputs:three collects": outputs_three_collects,
        "outputs:cleaned frame collected once": outputs_collect_once,
    },
)

if __name__ == "__main__":
    main(RUNNER)
