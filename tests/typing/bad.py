"""What the type checkers must refuse; each such line ends in the mark `# refused`. Checked, never run."""

import polars as pl

from glacier import Bucket, composite_resource, pipeline, task
from glacier.providers import LocalProvider

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
