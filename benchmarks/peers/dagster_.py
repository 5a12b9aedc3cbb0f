# in its own environment only
# mypy: disable-error-code="import-not-found, no-any-return, untyped-decorator"
"""Dagster: ops in a job for empty tasks; assets with the Parquet IO manager of dagster-polars for the sales."""

import logging
from collections.abc import Callable
from typing import Any

import polars as pl
from dagster import AssetsDefinition, JobDefinition, asset, job, materialize, mem_io_manager, op
from dagster_polars import PolarsParquetIOManager

from benchmarks.peers import query
from benchmarks.peers.measure import Build, Run, Runner, Work, main

logging.disable(logging.INFO)  # its event log goes to stderr, several lines a step


@op
def source() -> int:
    return 1


@op
def step(x: int) -> int:
    return x


@op
def step_of_two(x: int, y: int) -> int:
    return x + y


def chain(work: Work) -> Build:
    def body() -> None:
        value = source()
        for i in range(work.size):
            value = step.alias(f"t{i}")(value)

    return _job(body, lambda job: job.execute_in_process().output_for_node(f"t{work.size - 1}"))


def fan_out(work: Work) -> Build:
    def body() -> None:
        given = source()
        for i in range(work.size):
            step.alias(f"t{i}")(given)

    def fold(result: Any) -> int:
        return sum(result.output_for_node(f"t{i}") for i in range(work.size))

    return _job(body, lambda job: fold(job.execute_in_process()))


def plan(work: Work) -> Build:
    def body() -> None:
        nodes = [source()]
        nodes.append(step.alias("t1")(nodes[0]))
        for i in range(2, work.size):
            nodes.append(step_of_two.alias(f"t{i}")(nodes[i // 2], nodes[i // 3]))

    return _job(body, lambda job: len(job.nodes))


def linear(*, lazy: bool) -> Callable[[Work], Build]:
    def case(work: Work) -> Build:
        def build() -> Run:
            assets = [*_enriching(work), _total("by_segment", query.by_segment)]

            def run() -> object:
                result = materialize(assets, resources=_resources(work, lazy=lazy))
                return result.asset_value("by_segment").collect() if lazy else _stored(work, "by_segment")

            return run

        return build

    return case


def outputs(*, lazy: bool) -> Callable[[Work], Build]:
    def case(work: Work) -> Build:
        def build() -> Run:
            totals = {name: getattr(query, name) for name in query.OUTPUTS}
            assets = [*_enriching(work), *(_total(name, total) for name, total in totals.items())]

            def run() -> object:
                result = materialize(assets, resources=_resources(work, lazy=lazy))
                if lazy:
                    for name in query.OUTPUTS:
                        result.asset_value(name).sink_parquet(work.out / f"{name}.parquet")
                return work.out

            return run

        return build

    return case


def _enriching(work: Work) -> list[AssetsDefinition]:
    @asset(io_manager_key="frames")
    def cleaned() -> pl.LazyFrame:
        return query.clean(query.scan_sales(work.data))

    @asset(io_manager_key="frames")
    def enriched(cleaned: pl.LazyFrame) -> pl.LazyFrame:
        return query.enrich(cleaned, query.scan_customers(work.data), query.scan_products(work.data))

    return [cleaned, enriched]


def _total(name: str, total: Callable[[pl.LazyFrame], pl.LazyFrame]) -> AssetsDefinition:
    @asset(name=name, io_manager_key="frames")
    def totalled(enriched: pl.LazyFrame) -> pl.LazyFrame:
        return total(enriched)

    return totalled


def _resources(work: Work, *, lazy: bool) -> dict[str, object]:
    return {"frames": mem_io_manager if lazy else PolarsParquetIOManager(base_dir=str(work.out))}


def _stored(work: Work, name: str) -> pl.DataFrame:
    return pl.read_parquet(work.out / f"{name}.parquet")


def _job(body: Callable[[], None], run: Callable[[JobDefinition], int]) -> Build:
    def build() -> Run:
        definition = job(body)
        return lambda: run(definition)

    return build


RUNNER = Runner(
    packages=("dagster", "dagster-polars", "polars"),
    executor="in process (execute_in_process, materialize), ephemeral instance; the default executor of a deployed job "
    "starts a process per step and is slower; log lines of INFO off",
    cases={
        "chain": chain,
        "fan_out": fan_out,
        "plan": plan,
        "linear:idiom (assets, PolarsParquetIOManager, LazyFrames sunk)": linear(lazy=False),
        "linear:LazyFrame by hand (mem_io_manager)": linear(lazy=True),
        "outputs:idiom (assets, PolarsParquetIOManager, LazyFrames sunk)": outputs(lazy=False),
        "outputs:LazyFrame by hand (mem_io_manager)": outputs(lazy=True),
    },
)

if __name__ == "__main__":
    main(RUNNER)
