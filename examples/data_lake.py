"""Buckets that belong together, declared by one call. `glacier analyze examples/data_lake.py`."""

import polars as pl

from glacier import Bucket, composite_resource, pipeline, task
from providers import Provider, provider


@composite_resource
def create_data_lake(provider: Provider, name: str) -> dict[str, Bucket]:
    """Create a complete data lake with multiple buckets."""
    return {
        "raw": provider.bucket(f"{name}-raw", path="data.parquet"),
        "processed": provider.bucket(f"{name}-processed", path="data.parquet"),
        "analytics": provider.bucket(f"{name}-analytics", path="data.parquet"),
    }


@task
def load_data(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def transform(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.filter(pl.col("amount") > 0)


@task
def summarize(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.select(pl.len().alias("orders"), pl.col("amount").sum())


@pipeline
def data_lake_pipeline() -> None:
    lake = create_data_lake(provider, "sales")

    raw_df = load_data(lake["raw"])
    processed_df = transform(raw_df)
    lake["processed"].write(processed_df)
    lake["analytics"].write(summarize(processed_df))


if __name__ == "__main__":
    data_lake_pipeline.run(mode="local")
