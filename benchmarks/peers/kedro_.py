# Kedro is in its own environment only
# mypy: disable-error-code="import-not-found, no-any-return"
"""Kedro: nodes between data sets of a catalog; intermediate frames are saved as Parquet, as its starters do."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kedro.io import DataCatalog
from kedro.pipeline import node, pipeline
from kedro.runner import SequentialRunner

from benchmarks.peers import query
from benchmarks.peers.measure import Build, Run, Runner, Work, main

logging.disable(logging.INFO)  # one line a node to the terminal is not the tool's work


def step(x: int) -> int:
    return x


def step_of_two(x: int, y: int) -> int:
    return x + y


def chain(work: Work) -> Build:
    def build() -> Run:
        graph = pipeline([node(step, f"t{i}", f"t{i + 1}", name=f"n{i}") for i in range(work.size)])

        def run() -> object:
            results = _run(graph, DataCatalog.from_config({"t0": _in_memory(1)}))
            return results[f"t{work.size}"].load()

        return run

    return build


def fan_out(work: Work) -> Build:
    def build() -> Run:
        consumers = [node(step, "source", f"t{i}", name=f"n{i}") for i in range(work.size)]
        graph = pipeline([node(step, "given", "source", name="source"), *consumers])

        def run() -> int:
            results = _run(graph, DataCatalog.from_config({"given": _in_memory(1)}))
            return sum(results[f"t{i}"].load() for i in range(work.size))

        return run

    return build


def plan(work: Work) -> Build:
    def build() -> Run:
        nodes = [node(step, "given", "t0", name="n0"), node(step, "t0", "t1", name="n1")]
        for i in range(2, work.size):
            inputs = [f"t{i // 2}", f"t{i // 3}"]
            nodes.append(node(step_of_two, inputs, f"t{i}", name=f"n{i}"))
        graph = pipeline(nodes)
        return lambda: len(graph.nodes)

    return build


def linear(*, persist: bool) -> Callable[[Work], Build]:
    def case(work: Work) -> Build:
        def build() -> Run:
            graph = pipeline([*_enriching(), node(query.by_segment, "enriched", "by_segment")])
            catalog = _catalog(work, ["cleaned", "enriched", "by_segment"] if persist else [])

            def run() -> object:
                saved = _run(graph, catalog)["by_segment"]
                return saved.load().collect()

            return run

        return build

    return case


def outputs(*, persist: bool) -> Callable[[Work], Build]:
    def case(work: Work) -> Build:
        def build() -> Run:
            totals = (query.by_segment, query.by_month, query.by_product)
            graph = pipeline([*_enriching(), *(node(total, "enriched", total.__name__) for total in totals)])
            catalog = _catalog(work, [*query.OUTPUTS, *(["cleaned", "enriched"] if persist else [])])

            def run() -> object:
                _run(graph, catalog)
                return work.out

            return run

        return build

    return case


def _enriching() -> list[node]:
    return [
        node(query.clean, "sales", "cleaned"),
        node(query.enrich, ["cleaned", "customers", "products"], "enriched"),
    ]


def _catalog(work: Work, saved: list[str]) -> DataCatalog:
    """The sources and the saved frames as LazyPolarsDataset; every other name is a MemoryDataset by default."""
    config = {
        "sales": _lazy(work.data / "sales", "parquet"),
        "customers": _lazy(work.data / "customers.parquet", "parquet"),
        "products": _lazy(work.data / "products.csv", "csv"),
    }
    config |= {name: _lazy(work.out / f"{name}.parquet", "parquet") for name in saved}
    return DataCatalog.from_config(config)


def _lazy(path: Path, file_format: str) -> dict[str, object]:
    return {"type": "polars.LazyPolarsDataset", "filepath": str(path), "file_format": file_format}


def _in_memory(data: object) -> dict[str, object]:
    return {"type": "MemoryDataset", "data": data}


def _run(graph: pipeline, catalog: DataCatalog) -> dict[str, Any]:
    return SequentialRunner().run(graph, catalog)


RUNNER = Runner(
    packages=("kedro", "kedro-datasets", "polars"),
    executor="SequentialRunner (its default), without a project or session; log lines of INFO off",
    cases={
        "chain": chain,
        "fan_out": fan_out,
        "plan": plan,
        "linear:idiom (LazyPolarsDataset, intermediates saved)": linear(persist=True),
        "linear:LazyFrame by hand (MemoryDataset)": linear(persist=False),
        "outputs:idiom (LazyPolarsDataset, intermediates saved)": outputs(persist=True),
        "outputs:LazyFrame by hand (MemoryDataset)": outputs(persist=False),
    },
)

if __name__ == "__main__":
    main(RUNNER)
