# in its own environment only
# mypy: disable-error-code="import-not-found, no-any-return, untyped-decorator"
"""Prefect: tasks called in a flow, on the temporary server it starts for itself when no API URL is set."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from benchmarks.peers import query
from benchmarks.peers.measure import Build, Run, Runner, Work, main


@task
def step(x: int) -> int:
    return x


def chain(work: Work) -> Build:
    def build() -> Run:
        @flow
        def steps() -> int:
            value = 1
            for _ in range(work.size):
                value = step(value)
            return value

        return steps

    return build


def fan_out(work: Work) -> Build:
    def build() -> Run:
        @flow
        def steps() -> int:
            given = step(1)
            return sum(step.map([given] * work.size).result())

        return steps

    return build


def linear(*, lazy: bool, cached: bool) -> Callable[[Work], Build]:
    def case(work: Work) -> Build:
        def build() -> Run:
            sales = _sales_tasks(lazy=lazy, cached=cached)

            @flow
            def report() -> object:
                return sales["by_segment"](_enriched(sales, work.data))

            def run() -> object:
                result = report()
                return result.collect() if isinstance(result, pl.LazyFrame) else result

            return run

        return build

    return case


def outputs(*, lazy: bool, cached: bool) -> Callable[[Work], Build]:
    def case(work: Work) -> Build:
        def build() -> Run:
            sales = _sales_tasks(lazy=lazy, cached=cached)

            @flow
            def report() -> None:
                enriched = _enriched(sales, work.data)
                for name in query.OUTPUTS:
                    sales["write"](sales[name](enriched), work.out / f"{name}.parquet")

            def run() -> object:
                report()
                return work.out

            return run

        return build

    return case


def _without_heartbeat(case: Callable[[Work], Build]) -> Callable[[Work], Build]:
    """The case without the heartbeat, whose thread a flow waits for at its end: up to a second, whatever it did."""

    def quiet(work: Work) -> Build:
        build = case(work)

        def built() -> Run:
            run = build()

            def quiet_run() -> object:
                with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
                    return run()

            return quiet_run

        return built

    return quiet


def _sales_tasks(*, lazy: bool, cached: bool) -> dict[str, Callable[..., pl.DataFrame]]:
    functions = {
        "sales": query.scan_sales if lazy else _read_sales,
        "customers": query.scan_customers if lazy else _read_customers,
        "products": query.scan_products if lazy else _read_products,
        "clean": query.clean,
        "enrich": query.enrich,
        "by_segment": query.by_segment,
        "by_month": query.by_month,
        "by_product": query.by_product,
        "write": _sink if lazy else _write,
    }
    options = {} if cached else {"cache_policy": NO_CACHE}
    return {name: task(function, **options) for name, function in functions.items()}


def _enriched(sales: dict[str, Callable[..., pl.DataFrame]], data: Path) -> pl.DataFrame:
    cleaned = sales["clean"](sales["sales"](data))
    return sales["enrich"](cleaned, sales["customers"](data), sales["products"](data))


def _read_sales(data: Path) -> pl.DataFrame:
    return pl.read_parquet(data / "sales" / "*.parquet")


def _read_customers(data: Path) -> pl.DataFrame:
    return pl.read_parquet(data / "customers.parquet")


def _read_products(data: Path) -> pl.DataFrame:
    return pl.read_csv(data / "products.csv")


def _write(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path)


def _sink(frame: pl.LazyFrame, path: Path) -> None:
    frame.sink_parquet(path)


RUNNER = Runner(
    packages=("prefect", "polars"),
    executor="tasks called in the flow's thread, fan-out by .map on its default ThreadPoolTaskRunner; the temporary "
    "server on loopback it starts itself (SQLite in a temporary home, started in the warm-up); results not persisted "
    "(its default); its default cache policy hashes the inputs of every task, which NO_CACHE switches off; a flow "
    "ends by joining its heartbeat thread, which sleeps in steps of 1 s, so its time is rounded up to about a second",
    cases={
        "chain": chain,
        "chain:no heartbeat": _without_heartbeat(chain),
        "fan_out": fan_out,
        "fan_out:no heartbeat": _without_heartbeat(fan_out),
        "linear:idiom (DataFrames, default cache policy)": linear(lazy=False, cached=True),
        "linear:DataFrames, NO_CACHE": linear(lazy=False, cached=False),
        "linear:LazyFrame by hand, NO_CACHE": linear(lazy=True, cached=False),
        "linear:LazyFrame by hand, NO_CACHE, no heartbeat": _without_heartbeat(linear(lazy=True, cached=False)),
        "outputs:idiom (DataFrames, default cache policy)": outputs(lazy=False, cached=True),
        "outputs:DataFrames, NO_CACHE": outputs(lazy=False, cached=False),
        "outputs:LazyFrame by hand, NO_CACHE": outputs(lazy=True, cached=False),
        "outputs:LazyFrame by hand, NO_CACHE, no heartbeat": _without_heartbeat(outputs(lazy=True, cached=False)),
    },
    settle=5.0,
    missing={"plan": "none: a flow is run, there is no graph before"},
)

if __name__ == "__main__":
    main(RUNNER)
