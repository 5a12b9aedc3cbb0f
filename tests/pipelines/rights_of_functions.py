"""A pipeline with more rights than the examples have: functions that read and write, several stages, other paths."""

import polars as pl

from glacier import Bucket, Serverless, pipeline, task
from glacier.config import Compute, DeployConfig
from glacier.providers import LocalProvider

provider = LocalProvider("./data")
orders = provider.bucket("orders", path="2024/", existing=True)
mails = provider.bucket("mails", path="sent/latest.parquet")
mail = provider.serverless("mail", handler="process.handler", env={"LEVEL": "info"}, reads=[orders], writes=[mails])
audit = provider.serverless("audit", handler="process.handler", reads=[mails])


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task(compute=Compute(cpu=2, memory=8192))
def train(frame: pl.LazyFrame, target: Bucket) -> pl.DataFrame:
    found = frame.collect()
    target.write(found, partition_by="day")
    return found


@task(compute=Compute(cpu=4, memory=8192))
def publish(frame: pl.DataFrame, target: Bucket, source: Bucket) -> None:
    target.copy_from(source)


@task
def call(fn: Serverless) -> None:
    fn.invoke()


@task
def unclear(target: Bucket) -> None:
    getattr(target, "write")(None)  # noqa: B009  # on purpose: nothing tells what is done


@pipeline(schedule="0 6 * * *", deploy=DeployConfig(overlap=True))
def rights_of_functions() -> None:
    trained = train(load(orders), provider.bucket("models", path="by-day/"))
    publish(trained, provider.bucket("reports", path="a/b/"), provider.bucket("models", path="by-day/"))
    call(mail)
    call(audit)
    unclear(provider.bucket("scratch", path="any.parquet"))
