"""A pipeline that runs by itself, the heavy part on a larger machine: `glacier generate examples/nightly_report.py`.

Two machines make two stages, with an identity each: the one that trains cannot write the report, nor read the orders.
"""

import polars as pl

from glacier import Bucket, pipeline, task
from glacier.config import Compute, DeployConfig
from providers import PREFIX, provider


@task
def load_orders(source: Bucket) -> pl.LazyFrame:
    return source.scan().filter(pl.col("amount") > 0)


@task(compute=Compute(cpu=4, memory=16_384))
def forecast(orders: pl.LazyFrame) -> pl.DataFrame:
    """The mean of each month's amounts, in place of a model that needs the machine."""
    return orders.group_by(pl.col("date").dt.month()).agg(pl.col("amount").mean()).sort("date").collect()


@task
def publish(report: pl.DataFrame, target: Bucket) -> None:
    target.write(report)


@pipeline(
    schedule="30 5 * * MON-FRI",
    timezone="Europe/Oslo",
    deploy=DeployConfig(timeout=7200, retries=2, alert="data@acme.com"),
)
def nightly_report() -> None:
    orders = load_orders(provider.bucket(f"{PREFIX}raw-data", path="orders.parquet", existing=True))
    publish(forecast(orders), provider.bucket("reports", path="forecast.parquet"))


if __name__ == "__main__":
    nightly_report.run(mode="local")
