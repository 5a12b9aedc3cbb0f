"""What a pipeline needs in a cloud, as its graph tells: buckets, functions, and what each stage may do."""

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest

from glacier.config import GCSConfig
from glacier.deployment.commands import stage_environment
from glacier.deployment.inputs import inputs_as_text
from glacier.deployment.needs import Deployment, Grant
from glacier.deployment.reading import deployment_of
from glacier.errors import ConfigError, UnsupportedError
from glacier.loading import load_pipeline
from glacier.providers import AWSProvider, GCPProvider
from glacier.providers.portable import Provider

HEAD = """
import polars as pl
from glacier import Bucket, Serverless, pipeline, task
from glacier.config import DeployConfig, GCSConfig, S3Config
from glacier.providers import AWSProvider, GCPProvider, LocalProvider

provider = AWSProvider(region="eu-north-1", name_prefix="acme-", environment="prod")
local = LocalProvider("./data")

@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()

@task
def save(df: pl.LazyFrame, target: Bucket) -> None:
    df.collect().write_parquet(target.get_uri())

@task
def drop(target: Bucket) -> None:
    target.delete()

@task
def copy(target: Bucket, source: Bucket) -> None:
    target.copy_from(source)

@task
def unclear(target: Bucket) -> None:
    getattr(target, "write")(None)

@task
def call(fn: Serverless) -> None:
    fn.invoke()
"""


@pytest.fixture
def read(tmp_path: Path) -> Iterator["Reader"]:
    reader = Reader(tmp_path)
    yield reader
    for name in reader.modules:
        sys.modules.pop(name, None)


class Reader:
    """Makes the deployment of a pipeline that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: dict[str, ModuleType] = {}

    def __call__(
        self, body: str, provider: Provider | None = None, inputs: Mapping[str, object] = MappingProxyType({})
    ) -> Deployment:
        name = f"written_{len(self.modules)}_{self.folder.name.replace('-', '_')}"
        file = self.folder / f"{name}.py"
        file.write_text(HEAD + body)
        pipeline = load_pipeline(str(file))
        self.modules[name] = sys.modules[name]
        source = pipeline.source(inputs_as_text(pipeline.name, inputs))
        return deployment_of(pipeline.plan(inputs), source, self.folder / "terraform", provider)


def told(grants: tuple[Grant, ...]) -> list[str]:
    return [f"{' '.join(sorted(grant.verbs))} {grant.target.physical} {grant.keys}" for grant in grants]


def test_one_stage_with_the_rights_of_its_tasks(read: Reader) -> None:
    deployment = read("""
@pipeline(schedule="0 6 * * *", timezone="Europe/Oslo")
def etl() -> None:
    raw = provider.bucket("raw", path="2024/*.parquet", config=S3Config(versioning=True))
    save(load(raw), provider.bucket("clean", path="out.parquet"))
""")
    assert [(b.name, b.physical, b.written, b.existing) for b in deployment.buckets] == [
        ("clean", "acme-clean-prod", True, False),
        ("raw", "acme-raw-prod", False, False),
    ]
    (stage,) = deployment.stages
    assert (stage.name, stage.tasks) == ("main", ("load", "save"))
    assert told(stage.grants) == [
        "write acme-clean-prod out.parquet",
        "list read write acme-etl-runs-prod etl/lease",
        "list read write acme-etl-runs-prod etl/main/*",
        "list read acme-raw-prod 2024/*",
    ]
    because = stage.grants[0].because[0]
    assert (because.what, because.where.partition(":")[2]) == ("save writes clean/out.parquet", "37")
    assert deployment.entry.endswith(":etl")
    assert deployment.environment == "prod"
    assert deployment.tags == {"managed-by": "glacier", "pipeline": "etl", "environment": "prod"}


@pytest.mark.parametrize(
    ("path", "call", "expected"),
    [
        ("a/b.parquet", "load(there)", ["list read acme-x-prod a/b.parquet"]),
        ("a/", "load(there)", ["list read acme-x-prod a/*"]),
        ("./", "load(there)", ["list read acme-x-prod *"]),
        ("a/*/b.parquet", "load(there)", ["list read acme-x-prod a/*"]),
        ("a/b.parquet", "there.write(pl.DataFrame())", ["write acme-x-prod a/b.parquet"]),
        ("a/", "there.write(pl.DataFrame())", ["delete list read write acme-x-prod a/*"]),
        (
            "a/b.parquet",
            "drop(there)",
            ["delete list read acme-x-prod a/b.parquet", "delete list acme-x-prod a/b.parquet/*"],
        ),
        (
            "a/b.parquet",
            "drop(there), save(pl.LazyFrame(), there)",
            ["delete list read write acme-x-prod a/b.parquet", "delete list acme-x-prod a/b.parquet/*"],
        ),
        ("a/", "drop(there)", ["delete list acme-x-prod a/*"]),
        ("a/*.parquet", "drop(there)", ["delete list read acme-x-prod a/*"]),
        ("a/", "load(there), drop(there)", ["delete list read acme-x-prod a/*"]),
        (
            "a/b.parquet",
            "copy(there, there.at('c.parquet'))",
            ["write acme-x-prod a/b.parquet", "list read acme-x-prod c.parquet"],
        ),
        ("a/b.parquet", "load(there), save(pl.LazyFrame(), there)", ["list read write acme-x-prod a/b.parquet"]),
        ("a/b.parquet", "unclear(there)", ["delete list read write acme-x-prod *"]),
    ],
)
def test_rights_follow_what_is_done_and_where(read: Reader, path: str, call: str, expected: list[str]) -> None:
    deployment = read(f"""
@pipeline(deploy=DeployConfig(overlap=True))
def etl() -> None:
    there = provider.bucket("x", path="{path}")
    {call}
""")
    (stage,) = deployment.stages
    assert [line for line in told(stage.grants) if "acme-x-" in line] == expected
    assert [line for line in told(stage.grants) if "acme-x-" not in line] == [
        "list read write acme-etl-runs-prod etl/main/*"
    ]
    assert bool(deployment.warnings) == ("unclear" in call)


def test_a_function_may_do_what_is_stated_and_the_stage_may_invoke_it(read: Reader) -> None:
    deployment = read("""
@pipeline
def etl() -> None:
    staging, results = provider.bucket("staging", path="in.parquet"), provider.bucket("results", path="out/")
    fn = provider.serverless("crunch", handler="crunch.handler", reads=[staging], writes=[results])
    call(fn)
""")
    (function,) = deployment.functions
    assert told(function.grants) == [
        "delete list read write acme-results-prod out/*",
        "list read acme-staging-prod in.parquet",
    ]
    assert told(deployment.stages[0].grants)[-1] == "invoke acme-crunch-prod "
    assert [bucket.name for bucket in deployment.buckets] == ["results", "staging"]


def test_what_a_function_imports_and_does_not_bring_is_told(read: Reader) -> None:
    (read.folder / "crunch.py").write_text(
        "import json, boto3, hypothesis, unheard_of\nimport polars\ndef handler(event, context): import rich\n"
    )
    body = """
@pipeline
def etl() -> None:
    raw = [provider.bucket("raw", path="a.csv")]
    call({}.serverless("crunch", handler="crunch.handler", requirements=["typer>=0.20"], reads=raw))
"""
    brought = f'"typer>=0.20", "hypothesis=={version("hypothesis")}", "polars=={version("polars")}"'
    assert read(body.format("provider")).warnings == (
        "function `crunch` imports `hypothesis`, `polars`, which its requirements do not bring, and may fail in "
        f"the cloud: write requirements=[{brought}]",
    )  # rich comes with typer, and boto3 with Lambda
    assert read(body.format("local").replace("reads=raw", "")).warnings == (
        "function `crunch` is permitted to touch no bucket: what its code touches is not read; state it with "
        "reads=[...] and writes=[...]",
    )  # it has the packages of this Python


def test_a_local_pipeline_is_rebound(read: Reader) -> None:
    body = """
@pipeline
def etl() -> None:
    load(local.bucket("raw", path="a.parquet", config=S3Config(versioning=True)))
"""
    deployment = read(body, AWSProvider(region="us-east-1", name_prefix="b-"))
    assert [(b.physical, b.config.versioning) for b in deployment.buckets] == [("b-raw", True)]
    assert stage_environment(deployment, deployment.stages[0])["GLACIER_REBINDS"] == "1"


def test_a_day_that_every_run_of_a_schedule_is_given_is_told(read: Reader) -> None:
    body = """
@pipeline({})
def etl(day: str = "", region: str = "") -> None:
    load(provider.bucket("raw", path=f"{{day}}a.parquet"))
"""
    given = {"day": "2024-05-17", "region": "north"}
    deployment = read(body.format('schedule="0 6 * * *"'), inputs=given)
    assert deployment.warnings == (
        "every run of the schedule is given `day=2024-05-17`, and has rights for that alone: "
        "let a task find the day of its run, and leave the input its default",
    )
    assert read(body.format('schedule="0 6 * * *"'), inputs={"region": "north"}).warnings == ()
    assert read(body.format(""), inputs=given).warnings == ()


def test_a_config_of_another_cloud_goes_with_a_local_pipeline_and_is_told(read: Reader) -> None:
    body = """
@pipeline
def etl() -> None:
    load(local.bucket("raw", path="a.parquet", config=S3Config(versioning=True, encryption="AES256")))
"""
    deployment = read(body, GCPProvider(project_id="acme-data", region="europe-north1", name_prefix="acme-"))
    assert [bucket.config for bucket in deployment.buckets] == [GCSConfig(versioning=True)]
    assert deployment.warnings == (
        "bucket `raw` has a S3Config, read as GCSConfig(versioning=True): `encryption` is left out",
    )


def test_a_key_of_another_cloud_is_refused_at_its_bucket(read: Reader) -> None:
    body = """
@pipeline
def etl() -> None:
    load(local.bucket("raw", path="a.parquet", config=S3Config(encryption="aws:kms", kms_key="alias/data")))
"""
    with pytest.raises(ConfigError, match="S3Config names a key of its cloud in kms_key=") as caught:
        read(body, GCPProvider(project_id="acme-data", region="europe-north1"))
    assert caught.value.site is not None
    assert 'local.bucket("raw"' in caught.value.site.text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            """    load(provider.bucket("raw", path="a.parquet"))
    load(GCPProvider(project_id="acme-data", region="europe-north1").bucket("raw", path="a.parquet"))""",
            "pipeline `etl` cannot be deployed: it touches `raw/a.parquet` on AWSProvider and `raw/a.parquet` on "
            "GCPProvider, and an identity of one cloud has no rights in another",
        ),
        (
            """    load(provider.bucket("raw", path="a.parquet", config=S3Config(versioning=True)))
    load(provider.bucket("raw", path="b.parquet", config=S3Config()))""",
            "bucket `acme-raw-prod` is declared twice with another `config`",
        ),
        (
            """    load(provider.bucket("raw-prod", path="a.parquet"))
    load(AWSProvider(region="eu-north-1", name_prefix="acme-raw-").bucket("prod-prod", path="a.parquet"))""",
            "bucket `acme-raw-prod-prod` is declared twice with another `name`, `provider`",
        ),
        (
            """    load(provider.bucket("etl-runs", path="a.parquet"))""",
            "the records of pipeline `etl` would lie in bucket `acme-etl-runs-prod` among its data",
        ),
    ],
)
def test_what_cannot_be_deployed_is_told(read: Reader, body: str, told: str) -> None:
    with pytest.raises((ConfigError, UnsupportedError)) as caught:
        read(f"\n@pipeline\ndef etl() -> None:\n{body}\n")
    assert caught.value.message.startswith(told)
    assert caught.value.site is not None
    assert caught.value.fix


@pytest.mark.parametrize(
    ("second", "differ"),
    [
        ('provider.serverless("sums", handler="other.handler")', "`handler`"),
        ('provider.serverless("sums", handler="sums.handler", runtime="python3.12")', "`runtime`"),
        ('provider.serverless("sums", handler="sums.handler", source="elsewhere")', "`source`"),
        ('provider.serverless("sums", handler="sums.handler", config=LambdaConfig(memory=2048))', "`config`"),
        ('provider.serverless("sums", handler="sums.handler", requirements=["polars"])', "`requirements`"),
        ('provider.serverless("sums", handler="sums.handler", env={"TIER": "gold"})', "`env`"),
        ('provider.serverless("sums", handler="sums.handler", writes=[raw])', "`writes`"),
        ('replace(provider, region="us-east-1").serverless("sums", handler="sums.handler")', "`provider`"),
    ],
)
def test_two_functions_of_one_name_are_refused(read: Reader, second: str, differ: str) -> None:
    head = f"""
from dataclasses import replace
from glacier.config import LambdaConfig
raw = provider.bucket("raw", path="a.csv")
first = provider.serverless("sums", handler="sums.handler")
same = provider.serverless("sums", handler="sums.handler")
second = {second}

@pipeline
def etl() -> None:
"""
    assert [one.name for one in read(f"{head}    call(first)\n    call(same)\n").functions] == ["sums"]
    with pytest.raises(ConfigError) as caught:
        read(f"{head}    call(first)\n    call(second)\n")
    assert re.sub(r"\S+\.py", "etl.py", str(caught.value)) == (
        f"function `sums` is declared twice with another {differ}: at etl.py:37 and at etl.py:39\n"
        f"  at etl.py:39\n     second = {second}\n"
        "  Fix: give one of them another name, or declare it once with `provider.serverless(...)` and invoke that"
    )


def test_a_pipeline_that_no_other_process_finds_is_refused() -> None:
    from glacier import pipeline

    @pipeline
    def inner() -> None: ...

    with pytest.raises(UnsupportedError, match="pipeline `inner` cannot be deployed: it is not at the top of a file"):
        inner.run(mode="generate", output_dir="nowhere")
