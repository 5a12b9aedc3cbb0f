"""Extract, transform, load: a CSV file becomes a Parquet file. `glacier run examples/simple_etl.py`."""

import polars as pl

from glacier import Bucket, pipeline, task
from providers import provider


@task
def extract(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def transform(df: pl.LazyFrame) -> pl.LazyFrame:
    return df.filter(pl.col("amount") > 0).with_columns(pl.col("date").str.to_date())


@task
def load(df: pl.LazyFrame, target: Bucket) -> None:
    df.collect().write_parquet(target.get_uri())


@pipeline
def simple_etl() -> None:
    source = provider.bucket("raw", path="data.csv", format="csv")
    target = provider.bucket("processed", path="data.parquet")

    df = extract(source)
    df = transform(df)
    load(df, target)


if __name__ == "__main__":
    simple_etl.run(mode="local")
