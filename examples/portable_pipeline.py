"""The environment says where the data is: `GLACIER_DATA=/mnt/lake python examples/portable_pipeline.py`."""

import os
from pathlib import Path

import polars as pl

from glacier import Bucket, pipeline, task
from glacier.providers import LocalProvider


def get_provider() -> LocalProvider:
    """Plain Python, decided while planning: any provider this returns runs the pipeline below unchanged."""
    return LocalProvider(base_path=os.getenv("GLACIER_DATA", Path(__file__).parent / "data"))


provider = get_provider()


@task
def load_data(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def transform(df: pl.LazyFrame) -> pl.DataFrame:
    return df.filter(pl.col("amount") > 100).collect()


@pipeline(name="portable_pipeline")
def portable_pipeline() -> pl.DataFrame:
    source = provider.bucket("data", path="sales.parquet")
    df = load_data(source)
    result = transform(df)
    return result


if __name__ == "__main__":
    result = portable_pipeline.run(mode="local")
    print(result)
