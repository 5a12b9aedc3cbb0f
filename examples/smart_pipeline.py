"""A check that nobody wired to anything: what uses the same data waits for it, and is skipped if it returns False."""

# mypy: disable-error-code="no-untyped-def"
# pyright: reportUnusedVariable=false
# The least a pipeline needs: its body has no annotation, and nothing takes the result of the check.

import polars as pl

from glacier import Bucket, pipeline, task
from providers import provider


@task
def validate(source: Bucket) -> bool:
    # Returns validation result
    return True


@task
def process(source: Bucket) -> pl.LazyFrame:
    # Should wait for validate() even though no data flows
    return source.scan()


@pipeline
def smart_pipeline():
    source = provider.bucket("data", path="input.parquet")

    # Glacier infers: process should wait for validate
    # because both use the same source resource
    valid = validate(source)
    df = process(source)

    return df


if __name__ == "__main__":
    print(smart_pipeline.run(mode="analyze"))
