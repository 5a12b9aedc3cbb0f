# Dask is in its own environment only
# mypy: disable-error-code="import-not-found, no-any-return"
"""Dask: dask.delayed, one call per monthly file, as its documentation loops over files; its collections are pandas."""

import dask
import polars as pl
from dask.delayed import Delayed

from benchmarks.peers import query
from benchmarks.peers.measure import Build, Run, Runner, Work, main


def step(x: int) -> int:
    return x


def step_of_two(x: int, y: int) -> int:
    return x + y


def chain(work: Work) -> Build:
    def build() -> Run:
        value = dask.delayed(1)
        for _ in range(work.size):
            value = dask.delayed(step)(value)
        return value.compute

    return build


def fan_out(work: Work) -> Build:
    def build() -> Run:
        source = dask.delayed(step)(1)
        leaves = [dask.delayed(step)(source) for _ in range(work.size)]
        return lambda: sum(dask.compute(*leaves))

    return build


def plan(work: Work) -> Build:
    def build() -> Run:
        nodes = [dask.delayed(step)(0)]
        for i in range(1, work.size):
            nodes.append(dask.delayed(step_of_two)(nodes[i // 2], nodes[i // 3]))
        leaves = dask.optimize(*nodes[work.size // 2 :])
        return lambda: len(leaves)

    return build


def linear(work: Work) -> Build:
    def build() -> Run:
        result = dask.delayed(query.by_segment)(_enriched(work))
        return result.compute

    return build


def outputs(work: Work) -> Build:
    def build() -> Run:
        enriched = _enriched(work)
        written = [
            dask.delayed(_write)(dask.delayed(total)(enriched), work, total.__name__)
            for total in (query.by_segment, query.by_month, query.by_product)
        ]

        def run() -> object:
            dask.compute(*written)
            return work.out

        return run

    return build


def linear_lazy(work: Work) -> Build:
    def build() -> Run:
        result = dask.delayed(query.by_segment)(_enriched_lazily(work))
        return lambda: result.compute().collect()

    return build


def outputs_lazy(work: Work) -> Build:
    def build() -> Run:
        enriched = _enriched_lazily(work)
        written = [
            dask.delayed(_sink)(dask.delayed(total)(enriched), work, total.__name__)
            for total in (query.by_segment, query.by_month, query.by_product)
        ]

        def run() -> object:
            dask.compute(*written)
            return work.out

        return run

    return build


def _enriched(work: Work) -> Delayed:
    customers = dask.delayed(pl.read_parquet)(work.data / "customers.parquet")
    products = dask.delayed(pl.read_csv)(work.data / "products.csv")
    months = [
        dask.delayed(query.enrich)(dask.delayed(query.clean)(dask.delayed(pl.read_parquet)(path)), customers, products)
        for path in sorted((work.data / "sales").iterdir())
    ]
    return dask.delayed(pl.concat)(months)


def _enriched_lazily(work: Work) -> Delayed:
    cleaned = dask.delayed(query.clean)(dask.delayed(query.scan_sales)(work.data))
    customers = dask.delayed(query.scan_customers)(work.data)
    return dask.delayed(query.enrich)(cleaned, customers, dask.delayed(query.scan_products)(work.data))


def _write(frame: pl.DataFrame, work: Work, name: str) -> None:
    frame.write_parquet(work.out / f"{name}.parquet")


def _sink(frame: pl.LazyFrame, work: Work, name: str) -> None:
    frame.sink_parquet(work.out / f"{name}.parquet")


RUNNER = Runner(
    packages=("dask", "polars"),
    executor="dask.delayed on the threaded scheduler (its default for delayed), workers = cores",
    cases={
        "chain": chain,
        "fan_out": fan_out,
        "plan": plan,
        "linear:idiom (delayed per file, DataFrames)": linear,
        "linear:LazyFrame by hand": linear_lazy,
        "outputs:idiom (delayed per file, DataFrames)": outputs,
        "outputs:LazyFrame by hand": outputs_lazy,
    },
)

if __name__ == "__main__":
    main(RUNNER)
