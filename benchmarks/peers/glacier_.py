"""Glacier itself, by its default executor."""

from typing import cast

import polars as pl

from benchmarks.peers import query
from benchmarks.peers.measure import Build, Run, Runner, Work, main
from glacier import Bucket, Pipeline, pipeline, task
from glacier.config import Compute
from glacier.execution.options import RunOptions
from glacier.execution.scheduler import execute
from glacier.generation.generate import Draft, draft, generate
from glacier.providers import AWSProvider, LocalProvider

AWS = AWSProvider(region="eu-north-1", name_prefix="acme-")


@task
def step(x: int) -> int:
    return x


@task
def step_of_two(x: int, y: int) -> int:
    return x + y


def chain(work: Work) -> Build:
    @pipeline
    def steps() -> int:
        value = step(1)
        for _ in range(work.size - 1):
            value = step(value)
        return value

    return lambda: _planned(steps)


def fan_out(work: Work) -> Build:
    @pipeline
    def steps() -> list[int]:
        given = step(1)
        return [step(given) for _ in range(work.size)]

    def build() -> Run:
        run = _planned(steps)
        return lambda: sum(cast("list[int]", run()))

    return build


def plan(work: Work) -> Build:
    @pipeline
    def steps() -> int:
        nodes = [step(0)]
        for i in range(1, work.size):
            nodes.append(step_of_two(nodes[i // 2], nodes[i // 3]))
        return nodes[-1]

    def build() -> Run:
        graph = steps.plan()
        return lambda: len(graph.nodes)

    return build


def _planned(steps: Pipeline[..., object]) -> Run:
    """What `steps.run()` does, with the plan as the build."""
    graph = steps.plan()
    return lambda: execute(graph, RunOptions())


sales = task(query.scan_sales)
customers = task(query.scan_customers)
products = task(query.scan_products)


@task
def clean(sales: pl.LazyFrame) -> pl.LazyFrame:
    return query.clean(sales)


@task
def enrich(sales: pl.LazyFrame, customers: pl.LazyFrame, products: pl.LazyFrame) -> pl.LazyFrame:
    return query.enrich(sales, customers, products)


@task
def by_segment(sales: pl.LazyFrame) -> pl.LazyFrame:
    return query.by_segment(sales)


@task
def by_month(sales: pl.LazyFrame) -> pl.LazyFrame:
    return query.by_month(sales)


@task
def by_product(sales: pl.LazyFrame) -> pl.LazyFrame:
    return query.by_product(sales)


@task
def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect()


def linear(work: Work) -> Build:
    def build() -> Run:
        @pipeline
        def report() -> pl.DataFrame:
            enriched = enrich(clean(sales(work.data)), customers(work.data), products(work.data))
            return collect(by_segment(enriched))

        return report.run

    return build


def outputs(work: Work) -> Build:
    def build() -> Run:
        bucket = LocalProvider(base_path=work.out.parent).bucket(work.out.name, path="./")

        @pipeline
        def report() -> None:
            enriched = enrich(clean(sales(work.data)), customers(work.data), products(work.data))
            for name, total in zip(query.OUTPUTS, (by_segment, by_month, by_product), strict=True):
                bucket.at(f"{name}.parquet").write(total(enriched))

        def run() -> object:
            report.run()
            return work.out

        return run

    return build


def fill(target: Bucket) -> None:
    target.write(pl.DataFrame({"n": [1]}))


FILLS = [task(compute=Compute(name=f"part-{part}"))(fill) for part in range(10)]
"""On machines of their own: the policies of one role on AWS have room for some 200 buckets."""


@pipeline
def buckets(count: int) -> None:
    for number in range(count):
        FILLS[number % len(FILLS)](AWS.bucket(f"bucket-{number}", path="part.parquet"))


def synth(work: Work) -> Build:
    def build() -> Run:
        source = buckets.source((f"count={work.size}",))
        drafts: dict[str | None, Draft] = {None: draft(buckets.plan({"count": work.size}), source, work.out)}

        def run() -> int:
            generate(drafts, work.out)
            records = 1
            return (work.out / "storage.tf").read_text().count('resource "aws_s3_bucket" ') - records

        return run

    return build


RUNNER = Runner(
    packages=("glacier-pipelines", "polars"),
    executor="run() on its default executor, threads; in chain and fan-out the build is the plan, the run the rest",
    cases={
        "chain": chain,
        "fan_out": fan_out,
        "plan": plan,
        "linear:LazyFrames between tasks": linear,
        "outputs:LazyFrames between tasks, sinks in the body": outputs,
        "synth:hardened, and the jobs that fill them with their permissions": synth,
    },
)

if __name__ == "__main__":
    main(RUNNER)
