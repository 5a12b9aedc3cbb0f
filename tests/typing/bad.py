"""What the type checkers must refuse; each such line ends in the mark `# refused`. Checked, never run."""

import polars as pl

from glacier import Bucket, composite_resource, context, observe, pipeline, task
from glacier.config import AzureBlobConfig, GCSConfig, LambdaConfig, S3Config
from glacier.providers import AWSProvider, AzureProvider, GCPProvider, LocalProvider

provider = LocalProvider()


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def height(df: pl.DataFrame, column: str = "") -> int:
    return df.height


class Model:
    @task
    def score(self, df: pl.DataFrame) -> float:
        return float(df.height)


@composite_resource
def lake(provider: LocalProvider, name: str) -> dict[str, Bucket]:
    return {"raw": provider.bucket(name, path="data.parquet")}


@pipeline
def report() -> int:
    df = load("sales")  # refused
    height(df)  # refused
    height()  # refused
    height(df.collect(), colunm="a")  # refused
    Model().score(1)  # refused
    load.after(df)(1)  # refused
    wrong: str = height(df.collect())  # refused
    return len(wrong)


lake("sales")  # refused
member: int = lake(provider, "sales")["raw"]  # refused
report.run(mode="locla")  # refused
report.run(executor="thread")  # refused
report.run(mode="analyze", max_workers=2)  # refused
provider.bucket("sales", path="sales.parquet", format="xlsx")  # refused
provider.bucket("sales")  # refused
task(depends_on=load)  # refused
task(materialize="always")  # refused
task(takes=["df"])  # refused
report.check(schema={})  # refused
provider.bucket("sales", path="sales.parquet", schema=["amount"])  # refused
text: str = report.run()  # refused

aws = AWSProvider(region="us-east-1")
aws.bucket("raw", path="a.parquet", config=GCSConfig())  # refused
GCPProvider().bucket("raw", path="a.parquet", config=AzureBlobConfig())  # refused
AzureProvider().bucket("raw", path="a.parquet", config=S3Config())  # refused
provider.bucket("raw", path="a.parquet", config=LambdaConfig())  # refused
S3Config(storage_class="STANDARD-IA")  # refused
S3Config(lifecycle_rules=[{"days": 30, "transition": "NEARLINE"}])  # refused
S3Config(lifecycle_rules=[{"day": 30, "expiration": True}])  # refused
AWSProvider("us-east-1")  # refused
aws.bucket("raw", path="a.parquet").copy_from("s3://other/a.parquet")  # refused
aws.serverless("sums", handler="job.sums", config=S3Config())  # refused
aws.serverless("sums")  # refused
provider.serverless("sums", handler="job.sums", env={"A": 1})  # refused
provider.serverless("sums", handler="job.sums").invoke(wait="no")  # refused

observe(metrics=["speed"])  # refused
observe(metrics=["duration"])(load)("raw")  # refused
run_id: str = context().run_id  # refused
context().metric("nulls", "3")  # refused
context().metric("nulls", 3, combine="mean")  # refused
