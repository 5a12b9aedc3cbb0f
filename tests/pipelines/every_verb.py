"""A pipeline that does to buckets all that can be done, for tests of what it needs to be permitted."""

import polars as pl

from glacier import Bucket, pipeline, task
from glacier.providers import LocalProvider

provider = LocalProvider("./data")


@task
def is_there(source: Bucket) -> bool:
    return source.exists()


@task
def is_missing(source: Bucket) -> bool:
    return not source.exists()


@task
def counted(source: Bucket) -> int:
    return len(source.list())


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def read(source: Bucket) -> pl.DataFrame:
    return source.read()


@task
def large() -> pl.DataFrame:
    """More than one part of an upload: 24 MiB that do not compress."""
    ids = pl.int_range(3 * 1024**2, eager=True).hash(seed=1)
    return pl.DataFrame({"id": ids})


@task
def save(frame: pl.DataFrame, target: Bucket) -> None:
    target.write(frame)


@task
def save_by_day(frame: pl.DataFrame, target: Bucket) -> None:
    target.write(frame, partition_by="day")


@task
def save_with_polars(frame: pl.DataFrame, target: Bucket) -> None:
    frame.write_parquet(target.get_uri())


@task
def copy(target: Bucket, source: Bucket) -> None:
    target.copy_from(source)


@task
def drop(target: Bucket) -> None:
    target.delete()


@task
def tidy(target: Bucket) -> None:
    with target:
        target.write(pl.DataFrame({"id": [1]}))


@pipeline
def every_verb() -> None:
    raw = provider.bucket("raw", path="2024/a.parquet")
    out = provider.bucket("out", path="latest.parquet")
    is_there(raw)
    is_missing(provider.bucket("raw", path="2023/none.parquet"))
    is_missing(provider.bucket("raw", path="none/"))
    counted(provider.bucket("raw", path="2024/"))
    frame = read(provider.bucket("raw", path="2024/*.parquet"))
    save(frame, out)
    save(read(raw), out)  # over what is there
    save_with_polars(frame, provider.bucket("out", path="polars/own.parquet"))
    save(large(), provider.bucket("out", path="large/whole.parquet"))
    save_by_day(frame, provider.bucket("days", path="by-day/"))
    save_by_day(frame, provider.bucket("days", path="by-day/"))
    provider.bucket("days", path="one/").write(load(raw))
    copy(provider.bucket("copies", path="one/a.parquet"), raw)
    copy(provider.bucket("copies", path="all/"), provider.bucket("raw", path="2024/*.parquet"))
    copy(provider.bucket("copies", path="all/"), provider.bucket("raw", path="2024/*.parquet"))
    drop(provider.bucket("old", path="a.parquet"))
    drop(provider.bucket("old", path="tree/"))
    drop(provider.bucket("old", path="globbed/*.parquet"))
    drop(provider.bucket("old", path="never/was.parquet"))
    tidy(provider.bucket("tidy", path="deep/a.parquet"))
