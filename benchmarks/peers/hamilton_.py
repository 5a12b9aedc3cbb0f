# Hamilton is in its own environment only
# mypy: disable-error-code="import-not-found, no-any-return"
"""Hamilton: functions wired by their parameter names, run by the default driver."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import polars as pl
from hamilton import ad_hoc_utils, driver

from benchmarks.peers import query
from benchmarks.peers.measure import Build, Run, Runner, Work, main


def chain(work: Work) -> Build:
    lines = ["def t0() -> int: return 1"]
    lines += [f"def t{i}(t{i - 1}: int) -> int: return t{i - 1}" for i in range(1, work.size)]
    last = f"t{work.size - 1}"
    return _built(_module(lines), [last], work, lambda results: results[last])


def fan_out(work: Work) -> Build:
    lines = ["def source() -> int: return 1"]
    lines += [f"def t{i}(source: int) -> int: return source" for i in range(work.size)]
    names = [f"t{i}" for i in range(work.size)]
    return _built(_module(lines), names, work, lambda results: sum(results.values()))


def plan(work: Work) -> Build:
    lines = ["def t0() -> int: return 0"]
    for i in range(1, work.size):
        parameters = ", ".join(f"t{n}: int" for n in sorted({i // 2, i // 3}))
        lines.append(f"def t{i}({parameters}) -> int: return 0")
    module = _module(lines)

    def build() -> Run:
        dr = driver.Builder().with_modules(module).build()
        return lambda: len(dr.graph.nodes)

    return build


def linear(work: Work) -> Build:
    module = ad_hoc_utils.create_temporary_module(
        sales, customers, products, cleaned, enriched, by_segment, module_name="sales_pipeline_" + str(len(sys.modules))
    )

    def build() -> Run:
        dr = driver.Builder().with_modules(module).build()

        def run() -> object:
            return dr.execute(["by_segment"], inputs={"data": work.data})["by_segment"].collect()

        return run

    return build


def outputs(work: Work) -> Build:
    module = ad_hoc_utils.create_temporary_module(
        sales,
        customers,
        products,
        cleaned,
        enriched,
        by_segment,
        by_month,
        by_product,
        module_name="sales_pipeline_" + str(len(sys.modules)),
    )

    def build() -> Run:
        dr = driver.Builder().with_modules(module).build()

        def run() -> object:
            results = dr.execute(list(query.OUTPUTS), inputs={"data": work.data})
            for name in query.OUTPUTS:
                results[name].sink_parquet(work.out / f"{name}.parquet")
            return work.out

        return run

    return build


def sales(data: Path) -> pl.LazyFrame:
    return query.scan_sales(data)


def customers(data: Path) -> pl.LazyFrame:
    return query.scan_customers(data)


def products(data: Path) -> pl.LazyFrame:
    return query.scan_products(data)


def cleaned(sales: pl.LazyFrame) -> pl.LazyFrame:
    return query.clean(sales)


def enriched(cleaned: pl.LazyFrame, customers: pl.LazyFrame, products: pl.LazyFrame) -> pl.LazyFrame:
    return query.enrich(cleaned, customers, products)


def by_segment(enriched: pl.LazyFrame) -> pl.LazyFrame:
    return query.by_segment(enriched)


def by_month(enriched: pl.LazyFrame) -> pl.LazyFrame:
    return query.by_month(enriched)


def by_product(enriched: pl.LazyFrame) -> pl.LazyFrame:
    return query.by_product(enriched)


def _built(module: ModuleType, names: list[str], work: Work, fold: Callable[[dict[str, int]], int]) -> Build:
    def build() -> Run:
        sys.setrecursionlimit(10 * work.size + 10_000)  # its executor walks a chain by recursion
        dr = driver.Builder().with_modules(module).build()
        return lambda: fold(dr.execute(names))

    return build


def _module(lines: list[str]) -> ModuleType:
    """A module of these functions, as if the user had written the file."""
    module = ModuleType(f"generated_{len(lines)}_{len(sys.modules)}")
    sys.modules[module.__name__] = module
    exec("\n".join(lines), module.__dict__)
    return module


RUNNER = Runner(
    packages=("sf-hamilton", "polars"),
    executor="driver.Builder().build(): synchronous, in one thread; recursion limit raised by hand, as it recurses",
    cases={
        "chain": chain,
        "fan_out": fan_out,
        "plan": plan,
        "linear:idiom (LazyFrames between functions)": linear,
        "outputs:idiom (LazyFrames between functions)": outputs,
    },
)

if __name__ == "__main__":
    main(RUNNER)
