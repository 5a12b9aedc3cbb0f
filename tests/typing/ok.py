"""What the type checkers must see through: arguments, results, overloads. Checked, never run."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, assert_type

import polars as pl

from glacier import Bucket, ExecutionMode, composite_resource, pipeline, task
from glacier.checking.check import Check
from glacier.providers import LocalProvider
from glacier.report.analysis import Analysis
from glacier.report.diagram import Diagram
from glacier.report.findings import GroupInfo

provider = LocalProvider()


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task(name="limit", depends_on=[load])
def above(df: pl.LazyFrame, limit: float = 0.0, *, column: str) -> pl.DataFrame:
    return df.filter(pl.col(column) > limit).collect()


@task(reads=["source"], writes=["target", provider.bucket("log", path="log.csv")])
def copy(source: Bucket, target: Bucket) -> int:
    target.write(source.read())
    return 1


@task
async def fetch(url: str) -> bytes:
    return url.encode()


@task(takes={"df": {"amount": pl.Float64}}, gives=pl.Schema({"amount": pl.Float64()}))
def contracted(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.select("amount")


class Model:
    @task
    def score(self, df: pl.DataFrame) -> float:
        return float(df.height)


@pipeline
def report(limit: float = 1.0) -> pl.DataFrame:
    source = provider.bucket("sales", path="sales.parquet")
    assert_type(source, Bucket)
    df = load(source)
    assert_type(df, pl.LazyFrame)
    ordered = above.after(df)(df, limit, column="amount")
    assert_type(ordered, pl.DataFrame)
    piped = df.pipe(above, column="amount")
    assert_type(piped, pl.DataFrame)
    assert_type(Model().score(piped), float)
    assert_type(source.scan(), pl.LazyFrame)
    assert_type(source.read(), pl.DataFrame)
    assert_type(copy(source, source), int)
    source.write(df, partition_by="day", compression="zstd")
    return piped


@pipeline(name="other", infer=False)
async def other() -> bytes:
    content = await fetch("https://example.org")
    assert_type(content, bytes)
    return content


assert_type(report(2.0), pl.DataFrame)
assert_type(report.run(), pl.DataFrame)
assert_type(report.run("local", inputs={"limit": 2.0}, max_workers=2, executor="processes"), pl.DataFrame)
assert_type(report.run(mode=ExecutionMode.LOCAL), pl.DataFrame)
assert_type(report.run(mode="analyze"), Analysis)
assert_type(report.run(mode=ExecutionMode.ANALYZE), Analysis)
assert_type(report.graph(), Diagram)
assert_type(report.check(schemas={"sales": {"amount": pl.Float64}}, strict=True), Check)
assert_type(report.check(inputs={"limit": 1.0}, schemas="schemas.json")["load"], pl.Schema)
assert_type(contracted(pl.LazyFrame()), pl.LazyFrame)
provider.bucket("sales", path="sales.parquet", schema={"amount": pl.Float64})
pending: Coroutine[Any, Any, bytes] = fetch("x")  # to pyright, a CoroutineType
assert_type(other.run(), bytes)

analysis = report.run(mode="analyze")
assert_type(len(analysis["tasks"]), int)
names: list[str] = [str(name) for level in analysis["execution_levels"] for name in level]


@dataclass(frozen=True)
class Zone:
    landing: Bucket
    days: int


@composite_resource
def lake(provider: LocalProvider, name: str, *, stages: int = 2) -> dict[str, Bucket]:
    return {"raw": provider.bucket(f"{name}-raw", path="data.parquet")}


@composite_resource(name="area")
def zone(provider: LocalProvider) -> Zone:
    return Zone(provider.bucket("landing", path="data.parquet"), 30)


assert_type(lake(provider, "sales", stages=3), dict[str, Bucket])
assert_type(zone(provider), Zone)
assert_type(zone(provider).landing, Bucket)


@pipeline
def composed(df: pl.LazyFrame) -> pl.DataFrame:
    whole = report(1.0)
    assert_type(whole, pl.DataFrame)
    assert_type(report.run(mode="local", inputs={"limit": 2.0}), pl.DataFrame)
    return above(df, column="amount")


assert_type(analysis["groups"], list[GroupInfo])
assert_type(analysis["resources"][0]["group"], str | None)
