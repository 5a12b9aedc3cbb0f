"""One variable moves it: `GLACIER_ENV=aws python examples/portable_pipeline.py`. So it is for every example here.

In a cloud, its buckets and data are made first: `GLACIER_ENV=aws glacier generate examples/portable_pipeline.py`, then
`terraform apply`, then `GLACIER_ENV=aws python examples/make_data.py`.
"""

import polars as pl

from glacier import Bucket, pipeline, task
from providers import provider


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
