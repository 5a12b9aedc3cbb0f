"""What the type checkers must see through: arguments, results, overloads. Checked, never run."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, assert_type

import polars as pl

from glacier import Bucket, ExecutionMode, Serverless, composite_resource, context, observe, pipeline, task
from glacier.checking.check import Check
from glacier.config import AzureBlobConfig, GCSConfig, LambdaConfig, S3Config, S3LifecycleRule
from glacier.providers import AWSProvider, AzureProvider, GCPProvider, LocalProvider
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

config = S3Config(
    versioning=True,
    encryption="AES256",
    storage_class="INTELLIGENT_TIERING",
    lifecycle_rules=[{"days": 30, "transition": "GLACIER"}, {"days": 90, "expiration": True}],
)
S3Config(lifecycle_rules=[S3LifecycleRule(days=30, transition="GLACIER")])
LambdaConfig(memory=3008, timeout=900)
clouds: list[AWSProvider | GCPProvider | AzureProvider | LocalProvider] = [
    AWSProvider(region="us-east-1"),
    GCPProvider(project_id=None, region="us-central1"),
    AzureProvider(subscription_id="s", resource_group="g", storage_account="acme", location="westeurope"),
    provider,
]
anywhere = clouds[0].bucket("sales", path="sales.parquet")
assert_type(anywhere, Bucket)
anywhere.copy_from(AWSProvider(region="us-east-1").bucket("raw", path="a.parquet", config=config, existing=True))
GCPProvider().bucket("raw", path="a.parquet", config=GCSConfig(storage_class="NEARLINE"))
AzureProvider().bucket("raw", path="a.parquet", config=AzureBlobConfig(access_tier="Cool"))
provider.bucket("raw", path="a.parquet", config=config)

fn = clouds[0].serverless("sums", handler="job.sums", runtime="python3.12", requirements=["polars"], env={"A": "b"})
assert_type(fn, Serverless)
AWSProvider(region="us-east-1").serverless("sums", handler="job.sums", config=LambdaConfig(memory=3008))
provider.serverless("sums", handler="job.sums", config=LambdaConfig(), source="functions")


@task
def invoking(fn: Serverless) -> dict[str, int]:
    counted: dict[str, int] = fn.invoke(payload={"n": [1, 2]})
    fn.invoke(wait=False)
    return counted


@task
@observe(metrics=["duration", "memory", "rows_processed"])
def observed_below(df: pl.LazyFrame, limit: float = 0.0) -> pl.LazyFrame:
    context().metric("limit", limit, combine="last")
    assert_type(context().run_id, str | None)
    assert_type(context().attempt, int)
    context().logger.info("limit %s", limit)
    return df


@observe(metrics=["cpu", "rows_in", "rows_out", "bytes_in", "bytes_out"])
@task
def observed_above(df: pl.LazyFrame, limit: float = 0.0) -> pl.LazyFrame:
    return df


@observe
@task(name="named")
def observed_plainly(df: pl.LazyFrame) -> pl.DataFrame:
    return df.collect()


@observe(metrics=["duration"])
@pipeline(name="observed")
def observed_pipeline(limit: float = 1.0) -> pl.DataFrame:
    df = observed_above(observed_below(pl.LazyFrame(), limit), limit=limit)
    assert_type(df, pl.LazyFrame)
    assert_type(observed_above.after(df)(df), pl.LazyFrame)
    return observed_plainly(df)


@pipeline
@observe
def observed_body() -> pl.DataFrame:
    return observed_pipeline(2.0)


assert_type(observed_pipeline.run(inputs={"limit": 2.0}), pl.DataFrame)
assert_type(observed_body.run(), pl.DataFrame)
assert_type(observed_body.get_metrics(), dict[str, dict[str, int | float | None]])
