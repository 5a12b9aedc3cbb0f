"""A pipeline made of pipelines. `glacier graph examples/pipeline_composition.py:end_to_end`."""

import polars as pl

from glacier import Bucket, pipeline, task
from providers import provider


@task
def extract_and_validate(source: Bucket) -> pl.LazyFrame:
    return source.scan().filter(pl.col("amount") > 0)


@task
def compute_metrics(df: pl.LazyFrame) -> pl.DataFrame:
    return df.select(pl.len().alias("orders"), pl.col("amount").sum().alias("amount")).collect()


@pipeline
def ingestion_pipeline() -> pl.LazyFrame:
    source = provider.bucket("raw", path="data.parquet")
    return extract_and_validate(source)


@pipeline
def analytics_pipeline(df: pl.LazyFrame) -> pl.DataFrame:
    return compute_metrics(df)


@pipeline
def end_to_end() -> pl.DataFrame:
    """Compose multiple pipelines."""
    df = ingestion_pipeline.run(mode="local")
    result = analytics_pipeline.run(mode="local", inputs={"df": df})
    return result


if __name__ == "__main__":
    print(end_to_end.run(mode="local"))
