"""What object stores have of their own: names, credentials, faults, silence, interrupted writes, copies."""

# Polars' signatures name numpy's types, and numpy is not installed.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import obstore
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from function_servers import serving
from glacier.config import AzureBlobConfig, GCSConfig, S3Config
from glacier.errors import AccessDenied, ConfigError, MissingExtra, ObjectNotFound, StorageError
from glacier.loading import load_pipeline
from glacier.providers import AWSProvider, AzureProvider, GCPProvider, LocalProvider, gcp_credentials
from glacier.providers.aws import S3
from glacier.providers.container import Container
from glacier.testing import MemoryProvider
from stores import CLOUDS, Place, boto, place_of, secrets_in

if TYPE_CHECKING:
    from obstore.store import S3Store

SALES = pl.DataFrame({"city": ["Köln", "Oslo", "Köln"], "id": [1, 2, 3], "amount": [9.5, None, 3.0]})


@pytest.mark.parametrize(
    ("provider", "name", "message", "fix"),
    [
        (AWSProvider(region="us-east-1"), "Raw_Data",
         "bucket name `Raw_Data` is none that S3 takes: 3 to 63 lower-case letters, digits, hyphens and dots, "
         "with a letter or digit at both ends", 'name it "raw-data"'),
        (AWSProvider(region="us-east-1"), "192.168.0.1",
         "bucket name `192.168.0.1` is none that S3 takes: 3 to 63 lower-case letters, digits, hyphens and dots, "
         "with a letter or digit at both ends", 'name it "192-168-0-1"'),
        (AWSProvider(region="us-east-1", name_prefix="acme-", environment="prod"), "raw" * 20,
         f"bucket name `acme-{'raw' * 20}-prod` is none that S3 takes: 3 to 63 lower-case letters, digits, hyphens and "
         "dots, with a letter or digit at both ends", f'name it "{"raw" * 17}ra"'),
        (AWSProvider(region="us-east-1", name_prefix="xn--"), "raw",
         "bucket name `xn--raw` is none that S3 takes: 3 to 63 lower-case letters, digits, hyphens and dots, "
         "with a letter or digit at both ends", "choose another name, or another name_prefix="),
        (GCPProvider(), "google-raw",
         "bucket name `google-raw` is none that Cloud Storage takes: 3 to 63 lower-case letters, digits, hyphens and "
         "underscores, with a letter or digit at both ends, no `google`",
         "choose another name, or another name_prefix="),
        (AzureProvider(storage_account="acme"), "raw.data",
         "bucket name `raw.data` is none that Azure Blob takes: 3 to 63 lower-case letters, digits and single hyphens, "
         "with a letter or digit at both ends", 'name it "raw-data"'),
    ],
)  # fmt: skip
def test_names_that_a_cloud_does_not_take(provider: Any, name: str, message: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        provider.bucket(name, path="a.csv")
    assert (caught.value.message, caught.value.fix) == (message, fix)
    assert caught.value.site is not None
    assert caught.value.site.text == 'provider.bucket(name, path="a.csv")'


def test_very_long_names_in_a_cloud() -> None:
    aws = AWSProvider(region="us-east-1")
    aws.bucket("raw", path="ü" * 510 + ".csv")
    with pytest.raises(ConfigError, match=r"has 1,026 bytes, and S3 holds 1,024 in a name"):
        aws.bucket("raw", path="ü" * 511 + ".csv")
    with pytest.raises(ConfigError, match="bucket name"):
        aws.bucket("r" * 64, path="a.csv")


def test_names_in_the_cloud() -> None:
    aws = AWSProvider(region="us-east-1", name_prefix="acme-", environment="prod")
    assert aws.bucket("raw", path="day/").uri == "s3://acme-raw-prod/day/"
    shared = aws.bucket("raw", path="a.csv", existing=True)
    assert (shared.uri, shared.existing, shared.at("./").uri) == ("s3://raw/a.csv", True, "s3://raw/")
    azure = AzureProvider(storage_account="acme", name_prefix="x-")
    assert azure.bucket("raw", path="a b/ü.csv").uri == "abfss://x-raw@acme.dfs.core.windows.net/a b/ü.csv"
    assert GCPProvider(environment="dev").bucket("raw", path="*.csv").uri == "gs://raw-dev/*.csv"
    # the cloud's URI tells them apart: no order between buckets of two clouds
    assert len({p.bucket("raw", path="a.csv").uri for p in (aws, azure, GCPProvider())}) == 3


@pytest.mark.parametrize(
    ("make", "message", "fix"),
    [
        (lambda: AWSProvider(region="us-east-1a"),
         'AWSProvider got region="us-east-1a", and takes a region\'s name',
         'write region="us-east-1" (no zone, no spaces)'),
        (AWSProvider,
         "AWSProvider has no region, and AWS_REGION is not set",
         'write AWSProvider(region="us-east-1"), or set AWS_REGION'),
        (lambda: AWSProvider(region="us-east-1", endpoint_url="https://key:secret@host"),
         "AWSProvider got an endpoint_url that is not an address without credentials or query",
         'write endpoint_url="https://host:port"'),
        (lambda: AWSProvider(region="us-east-1", tags={"team": 1}),  # type: ignore[dict-item]
         "AWSProvider takes tags as text by name", 'write tags={"team": "sales"}'),
        (lambda: GCPProvider(project_id="P"),
         'GCPProvider got project_id="P", and takes a project\'s id: 6 to 30 lower-case letters, digits and hyphens',
         'write project_id="my-project"'),
        (lambda: GCPProvider(timeout=0), "GCPProvider got timeout=0, and takes seconds, more than 0",
         "write timeout=60"),
        (lambda: GCPProvider(timeout=float("inf")), "GCPProvider got timeout=inf, and takes seconds, more than 0",
         "write timeout=60"),
        (lambda: AzureProvider(storage_account="Acme-Data"),
         'AzureProvider got storage_account="Acme-Data", and takes 3 to 24 lower-case letters and digits',
         'write storage_account="acmedata"'),
        (AzureProvider,
         "AzureProvider has no storage account, and AZURE_STORAGE_ACCOUNT_NAME is not set",
         'write AzureProvider(storage_account="acmedata", ...)'),
    ],
)  # fmt: skip
def test_providers_that_are_refused(
    make: Callable[[], object], message: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "AWS_REGION", "AWS_DEFAULT_REGION", "AZURE_STORAGE_ACCOUNT_NAME":
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError) as caught:
        make()
    assert (caught.value.message, caught.value.fix) == (message, fix)
    assert str(caught.value.site).startswith("tests/test_clouds.py:")


def test_the_environment_names_region_project_and_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acme")
    assert AWSProvider().region == "eu-west-1"
    assert GCPProvider().project_id == "my-project"
    assert AzureProvider().storage_account == "acme"
    tagged = AWSProvider(tags={"team": "sales"})
    assert hash(tagged) == hash(pickle.loads(pickle.dumps(tagged)))
    assert tagged == pickle.loads(pickle.dumps(tagged))


def test_a_config_of_another_cloud() -> None:
    config: Any = GCSConfig()
    aws = AWSProvider(region="us-east-1")
    with pytest.raises(ConfigError) as caught:
        aws.bucket("raw", path="a.csv", config=config)
    assert (
        str(caught.value)
        == f"""\
bucket `raw` got GCSConfig, and AWSProvider takes S3Config
  at {caught.value.site}
     aws.bucket("raw", path="a.csv", config=config)
  Fix: use S3Config(...), or drop config= to stay portable"""
    )
    for provider in LocalProvider("/srv"), MemoryProvider():
        for each in S3Config(), GCSConfig(), AzureBlobConfig():
            assert provider.bucket("raw", path="a.csv", config=each).config is each
        wrong: Any = {"versioning": True}
        with pytest.raises(ConfigError, match="takes S3Config or GCSConfig or AzureBlobConfig"):
            provider.bucket("raw", path="a.csv", config=wrong)


def test_s3_writes_as_the_config_says(tmp_path: Path) -> None:
    place = place_of("s3", tmp_path)
    config = S3Config(storage_class="INTELLIGENT_TIERING", encryption="AES256")
    single = place.declare("out", path="a.parquet", config=config)
    tree = place.declare("out", path="tree/", config=config)
    assert single.at("b.csv").config is config
    single.write(SALES)
    tree.write(SALES, partition_by="city")
    for path in [*single.list(), *tree.list()]:
        found = boto(place.provider.endpoint_url).head_object(Bucket=place.provider.name_prefix + "out", Key=path)
        assert (found["StorageClass"], found["ServerSideEncryption"]) == ("INTELLIGENT_TIERING", "AES256")


def test_a_tree_of_archived_objects_is_written_and_told(tmp_path: Path) -> None:
    place = place_of("s3", tmp_path)
    tree = place.declare("out", path="tree/", config=S3Config(storage_class="DEEP_ARCHIVE"))
    tree.write(SALES, partition_by="city")
    paths = tree.list()
    assert len(paths) == 2
    for path in paths:
        found = boto(place.provider.endpoint_url).head_object(Bucket=place.provider.name_prefix + "out", Key=path)
        assert found["StorageClass"] == "DEEP_ARCHIVE"
    with pytest.raises(StorageError, match=r"InvalidObjectState.*it is archived") as caught:
        tree.read()
    assert caught.value.fix == "restore it first, or read only what is not in an archive's storage class"
    assert not isinstance(caught.value, AccessDenied)


def test_secrets_stay_where_they_are(cloud: Place) -> None:
    bucket = cloud.declare("raw", path="a.parquet")
    bucket.write(SALES)
    plan = bucket.scan()
    seen = [
        repr(bucket),
        bucket.uri,
        repr(cloud.provider),
        repr(bucket.store),
        repr(bucket.store.reach()),
        plan.explain(),
    ]
    seen += [pickle.dumps(bucket).decode("latin-1"), plan.serialize().decode("latin-1")]
    with pytest.raises(ObjectNotFound) as caught:
        bucket.at("none.parquet").read()
    seen += [str(caught.value), repr(caught.value)]
    assert [secret for text in seen for secret in secrets_in(text)] == []


def test_a_profile_gives_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of("s3", tmp_path)
    (tmp_path / "credentials").write_text(
        "[sales]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = key-of-sales\n"
    )
    (tmp_path / "config").write_text("[profile sso]\nsso_start_url = https://example.org\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "sales")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    options: dict[str, Any] = {"region": "us-east-1", "endpoint_url": place.provider.endpoint_url}
    provider = AWSProvider(profile="sales", **options)
    bucket = provider.bucket(place.provider.name_prefix + "raw", path="a.parquet", existing=True)
    bucket.write(SALES)
    assert_frame_equal(bucket.scan().collect(), SALES)
    assert "key-of-sales" not in bucket.scan().serialize().decode("latin-1")
    assert AWSProvider(**options).bucket(bucket.name, path="a.parquet", existing=True).read().height == 3
    with pytest.raises(StorageError) as caught:
        AWSProvider(profile="other", **options).bucket("raw", path="a.parquet").read()
    assert caught.value.message == "the shared AWS files have no profile `other`"
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra) as missing:
        AWSProvider(profile="sso", **options).bucket("raw", path="a.parquet").read()
    assert missing.value.fix == "pip install boto3"


FEDERATED = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/p",  # of no project to be asked for
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
}


def test_google_takes_the_identity_of_another_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = {"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}
    (tmp_path / "jwt").write_text("signed-by-another-cloud")
    file = tmp_path / "adc.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    gcp_credentials._found.cache_clear()
    with serving() as server:
        server.answer((200, {"Content-Type": "application/json"}, json.dumps(token).encode()))
        source = {"token_url": f"{server.url}/token", "credential_source": {"file": str(tmp_path / "jwt")}}
        file.write_text(json.dumps({**FEDERATED, **source}))
        store = GCPProvider().bucket("raw", path="a.csv").store
        keys = store.reach()["credential_provider"]
        for_polars, expires = keys()
        for_client = keys.for_client()
    gcp_credentials._found.cache_clear()
    assert [asked.path for asked in server.asked] == ["/token"]
    assert b"signed-by-another-cloud" in server.asked[0].body
    assert for_polars == {"bearer_token": for_client["token"]} == {"bearer_token": "t0ken"}
    assert expires == int(for_client["expires_at"].timestamp())
    assert 3500 < expires - time.time() <= 3600
    assert "t0ken" not in repr(keys) + pickle.dumps(keys).decode("latin-1")


CREDENTIALS_THAT_CANNOT_BE_USED: list[tuple[str, dict[str, str], str, str]] = [
    ("gcs", {"GOOGLE_APPLICATION_CREDENTIALS": "none.json"},
     "Cloud Storage refused to read `gs://raw/a.csv`: the credentials that are set cannot be used",
     "correct them: they are looked for in GOOGLE_APPLICATION_CREDENTIALS, "),
    ("azure", {"AZURE_STORAGE_ACCOUNT_KEY": "no key!"},
     "Azure Blob refused to read `abfss://raw@acme.dfs.core.windows.net/a.csv`: "
     "the credentials that are set cannot be used",
     "correct them: they are looked for in AZURE_STORAGE_ACCOUNT_KEY, "),
    ("azure", {"AZURE_CONFIG_DIR": ".", "PATH": ""},
     "Azure Blob refused to read `abfss://raw@acme.dfs.core.windows.net/a.csv`: "
     "the `az` command, by which somebody signed in, gives no token",
     "run `az login`, with `az` on PATH"),
    ("s3", {"AWS_PROFILE": "none"},
     "the shared AWS files have no profile `none`", "correct profile= (or AWS_PROFILE), or add it with "),
]  # fmt: skip
ASKS = """
from sys import argv
from glacier.errors import GlacierError
from glacier.providers import AWSProvider, AzureProvider, GCPProvider

match argv[1]:
    case "s3":
        provider = AWSProvider(region="us-east-1")
    case "gcs":
        provider = GCPProvider()
    case _:
        provider = AzureProvider(storage_account="acme")
try:
    provider.bucket("raw", path="a.csv").read()
except GlacierError as error:
    print(error.message, error.fix, sep="\\n")
"""


@pytest.mark.parametrize(("kind", "given", "message", "fix"), CREDENTIALS_THAT_CANNOT_BE_USED)
def test_credentials_that_cannot_be_used(
    kind: str, given: dict[str, str], message: str, fix: str, tmp_path: Path
) -> None:
    (tmp_path / "azureProfile.json").write_text("{}")
    told = subprocess.run(
        [sys.executable, "-c", ASKS, kind], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path), **given},
    ).stdout.splitlines()  # fmt: skip
    assert told[0] == message
    assert told[1].startswith(fix)


def test_the_environment_counts_when_a_store_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    service = S3(AWSProvider(region="us-east-1"))
    container = Container(service, "raw", None)
    first = container.client
    assert container.client is first
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:2222")
    assert container.client is not first
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    signed = obstore.sign(cast("S3Store", container.client), "GET", "a.csv", timedelta(minutes=1))
    assert signed.startswith("http://localhost:2222/raw/a.csv?")
    assert "AKIAOTHER" in signed
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://key:s3cret@localhost:2222")
    with pytest.raises(ConfigError) as caught:
        service.reach()
    assert caught.value.message == "AWS_ENDPOINT_URL in the environment is not an address without credentials or query"
    assert "s3cret" not in str(caught.value)


def test_regions_of_other_stores() -> None:
    assert AWSProvider(region="auto", endpoint_url="https://account.r2.example.org").region == "auto"
    with pytest.raises(ConfigError, match='got region="auto"'):
        AWSProvider(region="auto")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    raw = GCPProvider(timeout=59).bucket("raw", path="a.csv")
    with pytest.raises(MissingExtra) as caught:
        raw.exists()
    assert (
        str(caught.value)
        == f"""\
buckets of GCPProvider need obstore, which is not installed
  at {raw.site}
     raw = GCPProvider(timeout=59).bucket("raw", path="a.csv")
  Fix: pip install 'glacier-pipelines[cloud]'"""
    )


SCENARIO_5 = """
import os
from glacier import Bucket, pipeline, task
from glacier.providers import AWSProvider, AzureProvider, GCPProvider, LocalProvider
import polars as pl

def get_provider():
    env = os.getenv("GLACIER_ENV", "local")
    if env == "aws":
        return AWSProvider(region=os.getenv("AWS_REGION", "us-east-1"), endpoint_url=os.getenv("ENDPOINT"))
    elif env == "gcp":
        return GCPProvider(
            project_id=os.getenv("GCP_PROJECT_ID"),
            region=os.getenv("GCP_REGION", "us-central1"),
            endpoint_url=os.getenv("ENDPOINT"),
        )
    elif env == "azure":
        return AzureProvider(storage_account="devstoreaccount1", endpoint_url=os.getenv("ENDPOINT"))
    else:
        return LocalProvider(base_path="./data")

provider = get_provider()
PREFIX = os.getenv("PREFIX", "")

@task
def load_data(source: Bucket) -> pl.LazyFrame:
    return source.scan()

@task
def transform(df: pl.LazyFrame) -> pl.DataFrame:
    return df.filter(pl.col("amount") > 5).collect()

@pipeline(name="portable_pipeline")
def portable_pipeline():
    source = provider.bucket(PREFIX + "raw", path="sales.parquet")
    df = load_data(source)
    result = transform(df)
    return result
"""


@pytest.mark.parametrize("kind", ["local", *CLOUDS])
def test_one_variable_moves_a_pipeline(kind: str, in_tmp: Path) -> None:
    place = place_of(kind, in_tmp)
    place.declare("raw", path="sales.parquet").write(SALES)
    told = {
        "GLACIER_ENV": {"s3": "aws", "seaweedfs": "aws", "gcs": "gcp"}.get(kind, kind),
        "ENDPOINT": getattr(place.provider, "endpoint_url", ""),
        "PREFIX": getattr(place.provider, "name_prefix", ""),
    }
    (in_tmp / "portable.py").write_text(SCENARIO_5)
    for executor in "threads", "processes":
        call = f"portable.portable_pipeline.run(executor={executor!r})['id'].to_list()"
        (in_tmp / "main.py").write_text(f"import portable\nif __name__ == '__main__':\n    print({call})\n")
        done = subprocess.run(
            [sys.executable, "main.py"], env={**os.environ, **told}, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("[1]\n", "")


@pytest.mark.parametrize("name", ["sales_analytics", "validated_processing", "simple_etl"])
@pytest.mark.parametrize(
    "cloud_provider",
    [
        'AWSProvider(region="us-east-1")',
        'GCPProvider(project_id="my-project", region="us-central1")',
        'AzureProvider(subscription_id="s", resource_group="g", storage_account="acme", location="eastus")',
    ],
)
def test_a_pipeline_over_a_cloud_is_planned_without_one(name: str, cloud_provider: str, in_tmp: Path) -> None:
    text = (Path(__file__).parent.parent / "examples" / f"{name}.py").read_text()
    shared = "from providers import provider\n"
    assert shared in text
    (in_tmp / "here.py").write_text(text.replace(shared, _provided("LocalProvider()")))
    (in_tmp / "there.py").write_text(text.replace(shared, _provided(cloud_provider)))
    here, there = (load_pipeline(str(in_tmp / file)).run(mode="analyze") for file in ("here.py", "there.py"))
    assert there["execution_levels"] == here["execution_levels"]
    assert [each["name"] for each in there["resources"]] == [each["name"] for each in here["resources"]]


def _provided(provider: str) -> str:
    return f"from glacier.providers import {provider.partition('(')[0]}\nprovider = {provider}\n"
