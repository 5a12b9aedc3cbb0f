"""What Google Cloud must hold for a pipeline, as data: buckets, keys, functions, jobs, names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blueprints import Writer, addresses, declared, plain, told, with_options
from glacier.blueprint import Blueprint, Ref
from glacier.config.deploy import Compute
from glacier.deployment.needs import Stage
from glacier.errors import ConfigError, GlacierError, UnsupportedError
from glacier.infrastructure.gcp import blueprint
from glacier.infrastructure.gcp.jobs import size

KEY = "projects/keys/locations/europe-north1/keyRings/lake/cryptoKeys/raw"
HEAD = """
import polars as pl
from glacier import Bucket, Serverless, pipeline, task
from glacier.config import CloudFunctionConfig, Compute, DeployConfig, GCSConfig
from glacier.providers import AWSProvider, GCPProvider

google = GCPProvider(project_id="acme-data", region="europe-north1", name_prefix="acme-", tags={"Team": "Sales Ops"})
other = GCPProvider(project_id="acme-other", region="europe-west1", name_prefix="acme-", tags={"team": "geo"})

@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()

@task
def save(df: pl.LazyFrame, target: Bucket) -> None:
    target.write(df)

@task(compute=Compute(cpu=4, memory=16_384, name="train"))
def train(df: pl.LazyFrame) -> pl.LazyFrame:
    return df

@task
def call(fn: Serverless) -> None:
    fn.invoke()
"""


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Writer]:
    (tmp_path / "process.py").write_text("def handler(event, context):\n    return event\n")
    writer = Writer(tmp_path, HEAD)
    yield writer
    writer.forget()


def bucket(write: Writer, options: str = "", provider: str = "google", path: str = "out/", **deploy: Any) -> Blueprint:
    """Gives the blueprint of a pipeline that writes one bucket."""
    deployment = write(f"""
@pipeline
def sales() -> None:
    save(load(google.bucket("raw", path="in.parquet")), {provider}.bucket("lake", path="{path}", {options}))
""")
    return blueprint(with_options(deployment, **deploy))


def function(write: Writer, options: str = "", provider: str = "google") -> Blueprint:
    """Gives the blueprint of a pipeline that invokes one function."""
    return blueprint(
        write(f"""
@pipeline
def sales() -> None:
    load(google.bucket("raw", path="in.parquet"))
    call({provider}.serverless("mail-er", handler="process.handler", {options}))
""")
    )


def refused(make: Any, *arguments: Any, **options: Any) -> GlacierError:
    with pytest.raises((ConfigError, UnsupportedError)) as caught:
        make(*arguments, **options)
    assert caught.value.fix
    return caught.value


# Buckets


def test_a_bucket_is_closed_versioned_tidied_and_kept(write: Writer) -> None:
    made = bucket(write)
    assert told(made, "google_storage_bucket.lake") == {
        "name": "acme-lake",
        "location": "europe-north1",
        "storage_class": "STANDARD",
        "uniform_bucket_level_access": True,
        "public_access_prevention": "enforced",
        "force_destroy": False,
        "labels": {"team": "sales-ops", "managed-by": "glacier", "pipeline": "sales"},
        "versioning": {"enabled": True},
        "soft_delete_policy": {"retention_duration_seconds": 7 * 86_400},
        "lifecycle_rule": [
            {
                "action": {"type": "Delete"},
                "condition": {"days_since_noncurrent_time": 30, "with_state": "ARCHIVED"},
            },
            {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}},
        ],
    }
    assert declared(made, "google_storage_bucket.lake").keeps_data
    assert declared(made, "google_storage_bucket.lake").because[0].what == "bucket lake"


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ('storage_class="NEARLINE"', {"storage_class": "NEARLINE"}),
        ("soft_delete_days=0", {"soft_delete_policy": {"retention_duration_seconds": 0}}),
        ("soft_delete_days=90", {"soft_delete_policy": {"retention_duration_seconds": 90 * 86_400}}),
        (f'kms_key="{KEY}"', {"encryption": {"default_kms_key_name": KEY}}),
        (
            "versioning=True",
            {"lifecycle_rule": [{"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}}]},
        ),
        (
            'versioning=True, lifecycle_rules=[{"days": 0, "transition": "NEARLINE", "prefix": "out/old/"}, '
            '{"days": 30, "transition": "COLDLINE"}, {"days": 900, "expiration": True}]',
            {
                "lifecycle_rule": [
                    {
                        "action": {"type": "SetStorageClass", "storage_class": "NEARLINE"},
                        "condition": {"age": 0, "send_age_if_zero": True, "matches_prefix": ["out/old/"]},
                    },
                    {"action": {"type": "SetStorageClass", "storage_class": "COLDLINE"}, "condition": {"age": 30}},
                    {"action": {"type": "Delete"}, "condition": {"age": 900}},
                    {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}},
                ]
            },
        ),
    ],
)
def test_a_bucket_is_as_its_config_says(write: Writer, option: str, expected: dict[str, Any]) -> None:
    as_it_is = told(bucket(write), "google_storage_bucket.lake")
    assert told(bucket(write, f"config=GCSConfig({option})"), "google_storage_bucket.lake") == as_it_is | expected


def test_an_existing_bucket_is_looked_up_and_nothing_is_said_of_it(write: Writer) -> None:
    made = bucket(write, "existing=True, config=GCSConfig(versioning=True)")
    assert told(made, "data.google_storage_bucket.lake") == {"name": "lake"}
    assert "google_storage_bucket.lake" not in addresses(made)
    (binding,) = [one for one in made.declarations if one.name == "stage_main_writes_lake_out_all"]
    assert binding.arguments["bucket"] == Ref("google_storage_bucket", "lake", ("name",), looked_up=True)
    assert binding.arguments["condition"] is not None  # such a binding is taken with uniform access only
    assert [note for note in made.notes if "gcloud storage" in note] == [
        "Bucket `lake` is there already. Rights on some of its objects have conditions, which it takes with uniform "
        "bucket-level access only, and that puts an end to the access lists of its objects: `gcloud storage buckets "
        "update gs://lake --uniform-bucket-level-access`."
    ]
    assert not any("gcloud storage" in note for note in bucket(write).notes)


def test_a_bucket_of_another_project_and_region_is_made_there_with_roles_of_that_project(write: Writer) -> None:
    made = bucket(write, provider="other")
    lake = told(made, "google_storage_bucket.lake")
    assert (lake["project"], lake["location"]) == ("acme-other", "europe-west1")
    assert lake["labels"] == {"team": "sales-ops", "managed-by": "glacier", "pipeline": "sales"}
    assert told(made, "google_project_iam_custom_role.writer_acme_other")["project"] == "acme-other"
    (binding,) = [one for one in made.declarations if one.name == "stage_main_writes_lake_out_all"]
    assert plain(binding.arguments)["role"] == "<google_project_iam_custom_role.writer_acme_other.id>"
    assert "project" not in told(made, "google_project_iam_custom_role.reader")


def test_records_of_runs_have_an_end_and_a_bucket_that_can_be_named(write: Writer) -> None:
    runs = told(bucket(write), "google_storage_bucket.sales_runs")
    assert runs["lifecycle_rule"][0] == {"action": {"type": "Delete"}, "condition": {"age": 90}}
    deployment = """
@pipeline(deploy=DeployConfig(records="kept"))
def sales() -> None:
    load(google.bucket("raw", path="in.parquet"))
"""
    assert told(blueprint(write(deployment)), "google_storage_bucket.kept")["name"] == "acme-kept"


def test_whoever_stores_objects_may_use_the_key_that_a_config_names_and_nobody_else(write: Writer) -> None:
    made = bucket(write, f'config=GCSConfig(kms_key="{KEY}")')
    (allowed,) = [one for one in made.declarations if one.kind == "google_kms_crypto_key_iam_member"]
    assert plain(allowed.arguments) == {
        "crypto_key_id": KEY,
        "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter",
        "member": "serviceAccount:<data.google_storage_project_service_account.this.email_address>",
    }
    assert allowed.ref() in declared(made, "google_storage_bucket.lake").after
    far = bucket(write, f'config=GCSConfig(kms_key="{KEY.replace("north1", "west1")}")', provider="other")
    assert told(far, "data.google_storage_project_service_account.acme_other") == {"project": "acme-other"}


def test_a_key_of_another_location_is_told(write: Writer) -> None:
    error = refused(bucket, write, f'config=GCSConfig(kms_key="{KEY.replace("north1", "west1")}")')
    assert error.message == (
        'Google Cloud cannot encrypt bucket `lake` in "europe-north1" with a key in "europe-west1": both are in one '
        "location"
    )
    assert error.site is not None


# What strict hardening adds


def test_strict_hardening_encrypts_with_keys_that_are_made_turned_and_kept(write: Writer) -> None:
    made = bucket(write, provider="other", hardening="strict")
    assert addresses(made, "google_kms_crypto_key") == [
        "google_kms_crypto_key.glacier_europe_north1", "google_kms_crypto_key.glacier_europe_west1",
    ]  # fmt: skip
    for name in ("glacier_europe_north1", "glacier_europe_west1"):
        key = declared(made, f"google_kms_crypto_key.{name}")
        assert (key.keeps_data, key.arguments["rotation_period"]) == (True, f"{90 * 86_400}s")
    north = "<google_kms_crypto_key.glacier_europe_north1.id>"
    assert told(made, "google_storage_bucket.raw")["encryption"] == {"default_kms_key_name": north}
    assert told(made, "google_storage_bucket.lake")["encryption"] == {
        "default_kms_key_name": north.replace("north", "west")
    }
    assert told(made, "google_artifact_registry_repository.images")["kms_key_name"] == north
    assert told(made, "google_cloud_run_v2_job.main")["template"]["template"]["encryption_key"] == north
    members = {plain(one.arguments)["member"] for one in made.declarations if one.kind.endswith("key_iam_member")}
    assert members == {
        "serviceAccount:<data.google_storage_project_service_account.this.email_address>",
        "serviceAccount:<data.google_storage_project_service_account.acme_other.email_address>",
        "serviceAccount:service-<data.google_project.this.number>@gcp-sa-artifactregistry.iam.gserviceaccount.com",
        "serviceAccount:service-<data.google_project.this.number>@serverless-robot-prod.iam.gserviceaccount.com",
    }


def test_a_key_for_buckets_in_several_regions_lies_where_cloud_kms_has_them(write: Writer) -> None:
    shared = 'GCPProvider(project_id="acme-data", region="EU")'
    rings = [
        one.arguments["location"]
        for one in bucket(write, provider=shared, hardening="strict").declarations
        if one.kind == "google_kms_key_ring"
    ]
    assert rings == ["europe", "europe-north1"]
    named = f'config=GCSConfig(kms_key="{KEY.replace("europe-north1", "europe")}")'
    lake = told(bucket(write, named, provider=shared), "google_storage_bucket.lake")
    assert lake["encryption"] == {"default_kms_key_name": KEY.replace("europe-north1", "europe")}
    error = refused(bucket, write, f'config=GCSConfig(kms_key="{KEY}")', provider=shared)
    assert error.fix == (
        'give a kms_key of location "europe", or declare the bucket with GCPProvider(region="europe-north1")'
    )
    error = refused(bucket, write, named)
    assert error.fix == (
        'give a kms_key of location "europe-north1", or declare the bucket with GCPProvider(region="EU")'
    )


def test_accounts_that_use_a_key_are_there_before_what_is_encrypted_with_it(write: Writer) -> None:
    made = bucket(write, hardening="strict")
    for name, service in (("registry", "artifactregistry"), ("run", "run")):
        allowed = declared(made, f"google_kms_crypto_key_iam_member.glacier_{name}")
        assert allowed.after == (Ref("google_project_service", service, ()),)
    for address in ("google_artifact_registry_repository.images", "google_cloud_run_v2_job.main"):
        assert any(ref.kind == "google_kms_crypto_key_iam_member" for ref in declared(made, address).after)
    first = [step.command for step in made.steps if step.first]
    assert first == [
        "gcloud auth login\ngcloud auth application-default login",
        "gcloud services enable cloudresourcemanager.googleapis.com --project acme-data",
        "gcloud services enable artifactregistry.googleapis.com run.googleapis.com --project acme-data\n"
        "gcloud beta services identity create --service artifactregistry.googleapis.com --project acme-data\n"
        "gcloud beta services identity create --service run.googleapis.com --project acme-data",
    ]
    assert [step.command for step in bucket(write).steps if step.first] == first[:2]


def test_strict_hardening_keeps_access_logs_of_every_bucket_but_their_own(write: Writer) -> None:
    made = bucket(write, hardening="strict")
    logs = "<google_storage_bucket.glacier_access_logs.name>"
    for name in ("raw", "lake", "sales_runs"):
        assert told(made, f"google_storage_bucket.{name}")["logging"]["log_bucket"] == logs
    own = declared(made, "google_storage_bucket.glacier_access_logs")
    assert "logging" not in plain(own.arguments)
    assert own.keeps_data
    assert told(made, "google_storage_bucket_iam_member.glacier_access_logs") == {
        "bucket": logs, "role": "roles/storage.objectCreator", "member": "group:cloud-storage-analytics@google.com",
    }  # fmt: skip


# Functions


def test_a_function_is_as_its_config_says_and_takes_requests_from_inside_only(write: Writer) -> None:
    config = "CloudFunctionConfig(memory=4096, timeout=900, cpu=2, concurrency=8, min_instances=1, max_instances=5)"
    options = f'runtime="python3.12", env={{"LEVEL": "info"}}, config={config}'
    made = function(write, options)
    declaration = told(made, "google_cloudfunctions2_function.mail_er")
    assert (declaration["name"], declaration["location"]) == ("acme-mail-er", "europe-north1")
    assert declaration["service_config"] == {
        "service_account_email": "<google_service_account.function_mail_er.email>",
        "ingress_settings": "ALLOW_INTERNAL_ONLY",
        "all_traffic_on_latest_revision": True,
        "available_memory": "4096Mi",
        "available_cpu": "2",
        "timeout_seconds": 900,
        "max_instance_request_concurrency": 8,
        "min_instance_count": 1,
        "max_instance_count": 5,
        "environment_variables": {"LEVEL": "info"},
    }
    build = declaration["build_config"]
    assert (build["runtime"], build["entry_point"]) == ("python312", "glacier_function")
    assert build["service_account"] == "<google_service_account.builder.id>"


@pytest.mark.parametrize(
    ("options", "cpu"),
    [
        ("memory=512", None),
        ("memory=512, concurrency=2", "1"),
        ("memory=2048, concurrency=2", None),
        ("memory=512, concurrency=2, cpu=1", "1"),
        ("memory=4096, concurrency=2, cpu=4", "4"),
    ],
)
def test_an_instance_that_requests_share_has_a_whole_cpu(write: Writer, options: str, cpu: str | None) -> None:
    made = function(write, f"config=CloudFunctionConfig({options})")
    assert told(made, "google_cloudfunctions2_function.mail_er")["service_config"].get("available_cpu") == cpu


def test_a_function_whose_code_changes_is_built_anew(write: Writer, tmp_path: Path) -> None:
    before = told(function(write), "google_storage_bucket_object.mail_er")
    again = told(function(write), "google_storage_bucket_object.mail_er")
    (tmp_path / "process.py").write_text("def handler(event, context):\n    return None\n")
    after = told(function(write), "google_storage_bucket_object.mail_er")
    assert before["name"] == again["name"] != after["name"]
    assert before["source"] == after["source"] == "functions/mail-er.zip"


def test_what_google_cannot_deploy_as_a_function_is_told(write: Writer) -> None:
    old = refused(function, write, 'runtime="python3.9"')
    assert old.message.startswith("Google Cloud cannot run function `mail-er` on Python 3.9: Cloud Run functions has")
    far = refused(function, write, provider="other")
    assert "it is in another project or region, and takes requests from its own only" in far.message
    assert None not in (old.site, far.site)


def test_a_function_is_built_once_the_rights_of_its_builder_hold(write: Writer) -> None:
    made = function(write)
    (wait,) = [one for one in made.declarations if one.kind == "time_sleep"]
    assert {one.address for one in wait.after} == {
        "google_project_iam_member.builder_reads_archives",
        "google_artifact_registry_repository_iam_member.builder_writes_images",
        "google_project_iam_member.builder_writes_logs",
    }
    assert wait.ref() in declared(made, "google_cloudfunctions2_function.mail_er").after
    assert [one.name for one in made.plugins] == ["google", "time"]
    assert [one.name for one in bucket(write).plugins] == ["google"]


def test_the_builder_reads_archives_and_writes_images_and_nothing_of_the_pipeline(write: Writer) -> None:
    made = function(write, 'reads=[google.bucket("raw", path="in.parquet")]')
    held = {
        one.address: plain(one.arguments)
        for one in made.declarations
        if one.arguments.get("member") == Ref("google_service_account", "builder", ("member",))
    }
    assert [address.partition(".")[2] for address in held] == [
        "builder_reads_archives", "builder_writes_images", "builder_writes_logs",
    ]  # fmt: skip
    reads = held["google_project_iam_member.builder_reads_archives"]["condition"]["expression"]
    assert reads == (
        'resource.name.startsWith("projects/_/buckets/gcf-v2-sources-<data.google_project.this.number>-europe-north1'
        '/objects/")'
    )


# Jobs


def test_a_stage_is_a_job_with_an_account_of_its_own_and_no_more_than_it_needs(write: Writer) -> None:
    made = bucket(write, timeout=7200, retries=2, overlap=True)
    job = told(made, "google_cloud_run_v2_job.main")
    assert (job["name"], job["location"]) == ("acme-sales-main", "europe-north1")
    assert (job["template"]["task_count"], job["template"]["parallelism"]) == (1, 1)
    inner = job["template"]["template"]
    container = inner.pop("containers")
    assert inner == {
        "service_account": "<google_service_account.stage_main.email>",
        "execution_environment": "EXECUTION_ENVIRONMENT_GEN2",
        "max_retries": 2,
        "timeout": "7500s",  # the process ends itself at its limit, and records it
    }
    assert container["image"] == "<var.image>"
    assert container["command"] == ["python"]
    entry = container["args"][2]
    assert entry.endswith(":sales")
    assert container["args"] == [
        "-m", "glacier.runtime", entry, "--stage", "main", "--records", "gs://acme-sales-runs",
    ]  # fmt: skip
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert {name: environment[name] for name in ("GLACIER_OVERLAP", "GLACIER_TIMEOUT", "GOOGLE_CLOUD_PROJECT")} == {
        "GLACIER_OVERLAP": "1", "GLACIER_TIMEOUT": "7200", "GOOGLE_CLOUD_PROJECT": "acme-data",
    }  # fmt: skip
    assert not any(word in name for name in environment for word in ("SECRET", "PASSWORD", "TOKEN", "KEY"))


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (Compute(cpu=0.25, memory=512), (1, 512)),
        (Compute(cpu=1, memory=4096), (1, 4096)),
        (Compute(cpu=1, memory=4097), (2, 4097)),
        (Compute(cpu=3, memory=1024), (4, 2048)),
        (Compute(cpu=2, memory=20_000), (6, 20_000)),
        (Compute(cpu=8, memory=32_768), (8, 32_768)),
    ],
)
def test_a_machine_is_the_smallest_that_holds_what_is_asked_for(
    write: Writer, compute: Compute, expected: tuple[int, int]
) -> None:
    deployment = write('@pipeline\ndef sales() -> None:\n    load(google.bucket("raw", path="in.parquet"))\n')
    assert size(deployment, Stage("main", compute, ())) == expected


def test_a_machine_that_google_does_not_have_is_told(write: Writer) -> None:
    body = """
@pipeline(deploy=DeployConfig(compute=Compute(cpu=9, memory=40_000)))
def sales() -> None:
    load(google.bucket("raw", path="in.parquet"))
"""
    error = refused(lambda: blueprint(write(body)))
    assert error.message == (
        "Google Cloud cannot run stage `main` of pipeline `sales`: it asks for 9 CPUs and 40,000 MiB, and a Cloud Run "
        "job has up to 8 and 32,768"
    )


def test_images_cannot_be_replaced_and_the_newest_are_kept(write: Writer) -> None:
    images = told(bucket(write), "google_artifact_registry_repository.images")
    assert images["docker_config"] == {"immutable_tags": True}
    assert [one["action"] for one in images["cleanup_policies"]] == ["KEEP", "DELETE"]


def test_the_image_needs_what_the_config_asks_for(write: Writer) -> None:
    made = bucket(write, requirements=("pyarrow==19.0.0",))
    (text,) = [one.content.decode() for one in made.assets if one.path == "image/requirements.txt"]
    assert "pyarrow==19.0.0" in text.splitlines()


# Names


def test_another_task_changes_no_address_and_no_other_declaration(write: Writer) -> None:
    body = """
@pipeline(schedule="0 6 * * *")
def sales() -> None:
    save(load(google.bucket("raw", path="in.parquet")), google.bucket("lake", path="out.parquet"))
"""
    more = """    save(train(load(google.bucket("raw", path="other.parquet"))), google.bucket("more", path="a.parquet"))
    call(google.serverless("mail", handler="process.handler"))
"""
    before = {one.address: plain(one.arguments) for one in blueprint(write(body)).declarations}
    after = {one.address: plain(one.arguments) for one in blueprint(write(body + more)).declarations}
    assert set(before) - set(after) == {
        "google_cloud_run_v2_job_iam_member.scheduler_main",  # the schedule starts the workflow now
        "google_project_iam_custom_role.starter",
    }
    changed = {address for address in set(before) & set(after) if before[address] != after[address]}
    assert changed == {
        "google_cloud_run_v2_job.main",  # reaches the function by a network, and has another module's name
        "google_cloud_scheduler_job.this",
    }


def named(write: Writer, name: str) -> Blueprint:
    return blueprint(
        write(f"""
@pipeline(name="{name}")
def sales() -> None:
    load(google.bucket("raw", path="in.parquet"))
""")
    )


def test_names_that_are_too_long_are_told_and_accounts_end_in_a_digest(write: Writer) -> None:
    error = refused(named, write, "a" * 45)
    job = f"acme-{'a' * 45}-main"
    assert error.message.startswith(f"pipeline `{'a' * 45}` needs a Cloud Run job `{job}`, which has 55 characters")
    assert error.site is not None
    account: str = told(named(write, "a" * 30), "google_service_account.stage_main")["account_id"]
    assert len(account) == 30
    assert account.startswith("acme-aaaaaaaaaaaaaaaa-")


def test_a_prefix_that_google_does_not_take_is_told(write: Writer) -> None:
    error = refused(named, write.beginning('name_prefix="acme-"', 'name_prefix="acme_"'), "sales")
    assert error.message == (
        "pipeline `sales` needs a Cloud Run job `acme_sales-main`, and Google Cloud takes lower-case letters, digits "
        "and hyphens, with a letter first"
    )


def test_tags_become_labels_and_two_that_would_be_one_are_told(write: Writer) -> None:
    assert "Labels are in lower case, without spaces: Team=Sales Ops became such." in bucket(write).notes
    error = refused(bucket, write.beginning('{"Team": "Sales Ops"}', '{"Team": "a", "team": "b"}'))
    assert error.message == "tags `Team` and `team` are one label in Google Cloud: `team`"


def test_a_project_that_the_code_does_not_name_is_asked_for(write: Writer) -> None:
    made = bucket(write.beginning('project_id="acme-data", ', ""))
    assert [one.name for one in made.variables] == ["image", "project"]
    assert plain(made.plugins[0].settings) == {"project": "<var.project>", "region": "europe-north1"}
    _, looks = [step for step in made.steps if step.first]
    assert looks.title == "Let Terraform look at the project, once in each; PROJECT is what `project` will be"
    assert looks.command == "gcloud services enable cloudresourcemanager.googleapis.com --project PROJECT"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('AWSProvider(region="eu-north-1").bucket("far", path="a.csv")', "touches `raw/in.parquet` on GCPProvider and"),
        ('GCPProvider(region="EU").bucket("far", path="a.csv")', ""),
    ],
)
def test_what_lies_in_another_cloud_is_told_and_what_lies_in_several_regions_is_not(
    write: Writer, line: str, told: str
) -> None:
    body = f"""
@pipeline
def sales() -> None:
    load(google.bucket("raw", path="in.parquet"))
    load({line})
"""
    if told:
        assert told in refused(write, body).message
        return
    made = blueprint(write(body))
    assert [one.arguments["location"] for one in made.declarations if one.name == "far"] == ["EU"]


def test_a_pipeline_cannot_run_in_several_regions(write: Writer) -> None:
    assert refused(bucket, write.beginning('region="europe-north1"', 'region="EU"')).message == (
        'Google Cloud cannot run pipeline `sales` in region "EU": buckets may be in several regions, jobs are in one'
    )
