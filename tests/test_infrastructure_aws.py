"""What AWS must hold for a pipeline: the blueprint as data, and what the real Terraform says of it."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from glacier.blueprint import AssetPath, Block, Blueprint, Declaration, Either, Json, Ref, Text, Value, Variable
from glacier.config import Compute, LambdaConfig, S3Config
from glacier.config.deploy import Hardening
from glacier.deployment.needs import Deployment, Grant, Keys, Stage
from glacier.deployment.reading import deployment_of
from glacier.errors import ConfigError, UnsupportedError
from glacier.infrastructure import aws
from glacier.infrastructure.aws.policies import ATTACHED, INLINE, MANAGED, length
from glacier.loading import load_pipeline
from glacier.providers import AWSProvider, GCPProvider
from glacier.schedules import schedule_of
from terraform import applied, formatted, needs_offline

KEY = "arn:aws:kms:eu-north-1:123456789012:key/11111111-2222-3333-4444-555555555555"
SOURCE = f"""
import os

import polars as pl

from glacier import Bucket, Serverless, pipeline, task
from glacier.config import Compute, DeployConfig, LambdaConfig, S3Config
from glacier.providers import AWSProvider

ENVIRONMENT = os.environ.get("GLACIER_ENVIRONMENT", "prod")

north = AWSProvider(region="eu-north-1", name_prefix="acme-", environment=ENVIRONMENT, tags={{"team": "sales"}})
west = AWSProvider(region="eu-west-1", name_prefix="acme-", environment=ENVIRONMENT, tags={{"team": "geo"}})

raw = north.bucket("raw", path="2024/", existing=True)
orders = north.bucket(
    "orders", path="a/orders.parquet", config=S3Config(encryption="aws:kms", kms_key="{KEY}")
)
model = north.bucket("model", path="m.parquet", config=S3Config(encryption="aws:kms:dsse", kms_key="alias/own"))
report = north.bucket(
    "report",
    path="daily/",
    config=S3Config(
        versioning=True,
        lifecycle_rules=[
            {{"days": 30, "transition": "STANDARD_IA"}},
            {{"days": 90, "transition": "GLACIER", "prefix": "daily/old/"}},
            {{"days": 900, "expiration": True}},
        ],
    ),
)
far = west.bucket("far", path="x.parquet")
thumb = north.serverless(
    "thumb",
    handler="thumb.handler",
    runtime="python3.12",
    config=LambdaConfig(memory=1024, timeout=120, ephemeral_storage=2048, architecture="arm64"),
    env={{"MODE": "fast"}},
    reads=[orders],
    writes=[report],
)


@task
def load(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task(compute=Compute(cpu=4, memory=16_384, name="train"))
def train(rows: pl.LazyFrame, target: Bucket) -> pl.LazyFrame:
    target.write(rows)
    return rows


@task(compute=Compute(cpu=2, memory=5000, name="geo"))
def geo(rows: pl.LazyFrame, target: Bucket) -> int:
    target.write(rows)
    return 1


@task
def publish(rows: pl.LazyFrame, count: int, target: Bucket, function: Serverless) -> None:
    target.write(rows)
    function.invoke(payload={{"count": count}}, wait=False)


@pipeline(
    schedule="30 6-18 * * MON-FRI" if ENVIRONMENT == "prod" else "0 6 1 * *",
    timezone="Europe/Oslo",
    deploy=DeployConfig(
        timeout=7200,
        retries=2,
        alert="data@acme.com",
        log_retention_days=30 if ENVIRONMENT == "prod" else 7,
        hardening="strict" if ENVIRONMENT == "test" else "standard",
    ),
)
def rich() -> None:
    trained = train(load(raw), model)
    publish(trained, geo(load(orders), far), report, thumb)


@pipeline
def small() -> None:
    report.at("daily/a.parquet").write(load(orders))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "shop.py").write_text(SOURCE)
    (folder / "thumb.py").write_text("def handler(event, context):\n    return event\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder
    sys.modules.pop("shop", None)


def deployment(project: Path, name: str) -> Deployment:
    loaded = load_pipeline(f"{project / 'shop.py'}:{name}")
    return deployment_of(loaded.plan({}), loaded.source(()), project / "terraform")


@pytest.fixture(scope="module")
def rich(project: Path) -> Deployment:
    return deployment(project, "rich")


@pytest.fixture(scope="module")
def small(project: Path) -> Deployment:
    return deployment(project, "small")


@pytest.fixture(scope="module")
def made(rich: Deployment) -> Blueprint:
    return aws.blueprint(rich)


@pytest.fixture(scope="module")
def strict(rich: Deployment) -> Blueprint:
    return aws.blueprint(with_options(rich, hardening="strict"))


def with_options(deployment: Deployment, **changes: Any) -> Deployment:
    return replace(deployment, options=replace(deployment.options, **changes))


def plain(value: Value) -> Any:
    """Gives a value as JSON would hold it, references as their addresses."""
    match value:
        case Ref():
            return f"<{'.'.join([value.address, *map(str, value.path)])}>"
        case Text(parts):
            return "".join(part if isinstance(part, str) else plain(part) for part in parts)
        case Json(document):
            return plain(document)
        case Block(arguments):
            return plain(arguments)
        case tuple():
            return [plain(one) for one in value]
        case Mapping():
            return {key: plain(one) for key, one in value.items() if one is not None}
        case Variable() | Either():
            raise AssertionError(value)
        case AssetPath(path):
            return path
        case _:
            return value


def declared(blueprint: Blueprint, address: str) -> Declaration:
    return next(one for one in blueprint.declarations if one.address == address)


def told(blueprint: Blueprint, address: str) -> dict[str, Any]:
    """Gives the arguments of a declaration."""
    arguments: dict[str, Any] = plain(declared(blueprint, address).arguments)
    return arguments


def addresses(blueprint: Blueprint) -> set[str]:
    return {one.address for one in blueprint.declarations}


def statements(blueprint: Blueprint, role: str) -> dict[str, dict[str, Any]]:
    """Gives the statements of a role's policy by their names."""
    policy = told(blueprint, f"aws_iam_role_policy.{role}")["policy"]
    return {one["Sid"]: one for one in policy["Statement"]}


def containers(blueprint: Blueprint) -> Iterator[dict[str, Any]]:
    for one in blueprint.declarations:
        if one.kind == "aws_ecs_task_definition":
            yield from plain(one.arguments["container_definitions"])


# Buckets


def test_a_bucket_is_closed_owned_encrypted_versioned_and_tidied(made: Blueprint) -> None:
    settings = {one.kind: plain(one.arguments) for one in made.declarations if one.name == "rich_runs"}
    own = {"bucket": "<aws_s3_bucket.rich_runs.id>"}
    everything = ["<aws_s3_bucket.rich_runs.arn>", "<aws_s3_bucket.rich_runs.arn>/*"]
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": everything}
    assert settings == {
        "aws_s3_bucket": {"bucket": "acme-rich-runs-prod", "force_destroy": False},
        "aws_s3_bucket_versioning": {**own, "versioning_configuration": {"status": "Enabled"}},
        "aws_s3_bucket_server_side_encryption_configuration": {
            **own,
            "rule": {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}},
        },
        "aws_s3_bucket_public_access_block": {
            **own,
            "block_public_acls": True,
            "block_public_policy": True,
            "ignore_public_acls": True,
            "restrict_public_buckets": True,
        },
        "aws_s3_bucket_ownership_controls": {**own, "rule": {"object_ownership": "BucketOwnerEnforced"}},
        "aws_s3_bucket_policy": {
            **own,
            "policy": {
                "Version": "2012-10-17",
                "Statement": [
                    {"Sid": "OnlyTls", **denied, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
                    {"Sid": "OnlyTls12", **denied, "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
                ],
            },
        },
        "aws_s3_bucket_lifecycle_configuration": {
            **own,
            "rule": [
                {"id": "delete-after-90-days", "status": "Enabled", "filter": {}, "expiration": {"days": 90}},
                {
                    "id": "tidy",
                    "status": "Enabled",
                    "filter": {},
                    "noncurrent_version_expiration": {"noncurrent_days": 30},
                    "expiration": {"expired_object_delete_marker": True},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
                },
            ],
        },
    }
    assert declared(made, "aws_s3_bucket.rich_runs").keeps_data


def test_lifecycle_rules_are_as_the_config_says_and_versions_asked_for_are_kept(made: Blueprint) -> None:
    assert told(made, "aws_s3_bucket_lifecycle_configuration.report")["rule"] == [
        {
            "id": "to-standard-ia-after-30-days",
            "status": "Enabled",
            "filter": {},
            "transition": {"days": 30, "storage_class": "STANDARD_IA"},
        },
        {
            "id": "to-glacier-after-90-days-of-daily-old",
            "status": "Enabled",
            "filter": {"prefix": "daily/old/"},
            "transition": {"days": 90, "storage_class": "GLACIER"},
        },
        {"id": "delete-after-900-days", "status": "Enabled", "filter": {}, "expiration": {"days": 900}},
        {
            "id": "tidy",
            "status": "Enabled",
            "filter": {},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
        },
    ]


def test_an_existing_bucket_is_looked_up_and_nothing_is_said_of_it(made: Blueprint) -> None:
    assert {address for address in addresses(made) if address.endswith(".raw")} == {"data.aws_s3_bucket.raw"}
    assert told(made, "data.aws_s3_bucket.raw") == {"bucket": "raw"}


def test_a_bucket_of_another_region_is_made_there_with_all_its_settings(strict: Blueprint) -> None:
    of_far = [one for one in strict.declarations if one.name == "far"]
    assert len(of_far) == 8
    assert {plain(one.arguments.get("region")) for one in of_far} == {"eu-west-1"}
    assert told(strict, "aws_s3_bucket_logging.far")["target_bucket"] == "<aws_s3_bucket.access_logs_eu_west_1.id>"
    own = [one for one in strict.declarations if one.name == "report"]
    assert {plain(one.arguments.get("region")) for one in own} == {None}


def test_a_bucket_has_the_tags_of_its_own_provider(made: Blueprint) -> None:
    assert plain(made.plugins[0].settings) == {
        "region": "eu-north-1",
        "default_tags": {"tags": {"team": "sales", "managed-by": "glacier", "pipeline": "rich", "environment": "prod"}},
    }
    assert told(made, "aws_s3_bucket.far")["tags"] == {"team": "geo"}
    assert "tags" not in told(made, "aws_s3_bucket.report")


@pytest.mark.parametrize(
    ("bucket", "rule"),
    [
        ("orders", {"sse_algorithm": "aws:kms", "kms_master_key_id": KEY}),
        ("model", {"sse_algorithm": "aws:kms:dsse", "kms_master_key_id": "<data.aws_kms_key.alias_own.arn>"}),
        ("report", {"sse_algorithm": "AES256"}),
    ],
)
def test_a_bucket_is_encrypted_as_its_config_says(made: Blueprint, bucket: str, rule: dict[str, str]) -> None:
    found = told(made, f"aws_s3_bucket_server_side_encryption_configuration.{bucket}")["rule"]
    assert found["apply_server_side_encryption_by_default"] == rule
    assert found.get("bucket_key_enabled") == (True if rule["sse_algorithm"] == "aws:kms" else None)


def test_strict_hardening_encrypts_all_that_has_no_key_of_its_own(strict: Blueprint) -> None:
    key = "<aws_kms_key.this.arn>"
    rule = told(strict, "aws_s3_bucket_server_side_encryption_configuration.report")["rule"]
    assert rule["apply_server_side_encryption_by_default"] == {"sse_algorithm": "aws:kms", "kms_master_key_id": key}
    rule = told(strict, "aws_s3_bucket_server_side_encryption_configuration.orders")["rule"]
    assert rule["apply_server_side_encryption_by_default"]["kms_master_key_id"] == KEY
    rule = told(strict, "aws_s3_bucket_server_side_encryption_configuration.far")["rule"]
    assert rule["apply_server_side_encryption_by_default"]["kms_master_key_id"] == "<aws_kms_key.this_eu_west_1.arn>"
    assert {
        (one.address, name)
        for one in strict.declarations
        for name, value in one.arguments.items()
        if plain(value) == key
    } == {
        ("aws_cloudwatch_log_group.flow", "kms_key_id"),
        ("aws_cloudwatch_log_group.jobs", "kms_key_id"),
        ("aws_cloudwatch_log_group.thumb", "kms_key_id"),
        ("aws_cloudwatch_log_group.workflow", "kms_key_id"),
        ("aws_lambda_function.thumb", "kms_key_arn"),
        ("aws_scheduler_schedule.this", "kms_key_arn"),
        ("aws_sns_topic.failures", "kms_master_key_id"),
        ("aws_sqs_queue.schedule", "kms_master_key_id"),
        ("aws_sqs_queue.thumb", "kms_master_key_id"),
    }
    assert told(strict, "aws_ecr_repository.images")["encryption_configuration"]["kms_key"] == key
    assert told(strict, "aws_kms_key.this")["enable_key_rotation"] is True
    assert declared(strict, "aws_kms_key.this").keeps_data


def test_strict_hardening_keeps_logs_for_a_year_and_accesses_in_a_bucket(strict: Blueprint, made: Blueprint) -> None:
    def days(blueprint: Blueprint) -> set[object]:
        groups = [one for one in blueprint.declarations if one.kind == "aws_cloudwatch_log_group"]
        return {plain(one.arguments["retention_in_days"]) for one in groups}

    assert (days(made), days(strict)) == ({30}, {365})
    logged = {one.name for one in strict.declarations if one.kind == "aws_s3_bucket_logging"}
    assert logged == {"orders", "model", "report", "far", "rich_runs"}
    assert not [one for one in made.declarations if one.kind == "aws_s3_bucket_logging"]
    assert told(strict, "aws_lambda_function.thumb")["reserved_concurrent_executions"] == 10
    assert "reserved_concurrent_executions" not in told(made, "aws_lambda_function.thumb")


# Tasks and functions


def test_a_task_has_no_root_no_capabilities_and_writes_to_tmp_alone(made: Blueprint) -> None:
    found = list(containers(made))
    assert len(found) == 4
    for one in found:
        assert one["user"] == "10001:10001"
        assert one["readonlyRootFilesystem"] is True
        assert one["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
        assert one["mountPoints"] == [{"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}]
        assert "privileged" not in one
        assert one["logConfiguration"]["options"]["awslogs-group"] == "<aws_cloudwatch_log_group.jobs.name>"


def test_the_image_lets_all_write_to_the_volume_that_is_mounted_at_tmp(made: Blueprint) -> None:
    recipe = next(one for one in made.assets if one.path == "image/Dockerfile").content.decode()
    assert re.search(r"^VOLUME /tmp$(?!.*^RUN)", recipe, re.MULTILINE | re.DOTALL)


def test_a_stage_is_started_with_its_command_and_settings_and_no_secret(made: Blueprint) -> None:
    train = told(made, "aws_ecs_task_definition.train")
    (container,) = train["container_definitions"]
    assert container["command"] == [
        "python", "-m", "glacier.runtime", "shop:rich", "--stage", "train", "--records", "s3://acme-rich-runs-prod",
    ]  # fmt: skip
    environment = {one["name"]: one["value"] for one in container["environment"]}
    names = {"AWS_REGION", *(f"GLACIER_{name}" for name in ("ENVIRONMENT", "PROVIDER", "REBINDS", "TIMEOUT"))}
    assert environment.keys() == names
    assert json.loads(environment["GLACIER_PROVIDER"])["cloud"] == "aws"
    assert (train["family"], train["cpu"], train["memory"]) == ("acme-rich-train-prod", "4096", "16384")
    assert re.fullmatch(r"<aws_ecr_repository\.images\.repository_url>:[0-9a-f]{12}", container["image"])


@pytest.mark.parametrize(
    ("compute", "size"),
    [
        (Compute(cpu=0.25, memory=512), ("256", "512")),
        (Compute(cpu=0.25, memory=513), ("256", "1024")),
        (Compute(cpu=1, memory=2048), ("1024", "2048")),
        (Compute(cpu=1, memory=9000), ("2048", "9216")),
        (Compute(cpu=2, memory=5000), ("2048", "5120")),
        (Compute(cpu=3, memory=2048), ("4096", "8192")),
        (Compute(cpu=5, memory=17_000), ("8192", "20480")),
        (Compute(cpu=16, memory=122_880), ("16384", "122880")),
    ],
)
def test_a_stage_gets_the_smallest_size_of_fargate_that_fits(
    small: Deployment, compute: Compute, size: tuple[str, str]
) -> None:
    stage = replace(small.stages[0], compute=compute)
    task = told(aws.blueprint(replace(small, stages=(stage,))), "aws_ecs_task_definition.main")
    assert (task["cpu"], task["memory"]) == size


def test_a_machine_that_fargate_does_not_have_is_told(small: Deployment) -> None:
    stage = replace(small.stages[0], compute=Compute(cpu=32, memory=65_536))
    with pytest.raises(UnsupportedError) as caught:
        aws.blueprint(replace(small, stages=(stage,)))
    assert str(caught.value).startswith(
        "AWS cannot run stage `main` of pipeline `small`: it asks for 32 CPUs and 65,536 MiB, and a task on Fargate "
        "has up to 16 and 122,880\n"
    )
    assert caught.value.fix == "write Compute(cpu=16, memory=65536), or split the work into tasks of less"


def test_images_cannot_be_replaced_are_scanned_and_go_when_there_are_many(made: Blueprint) -> None:
    repository = told(made, "aws_ecr_repository.images")
    assert repository["image_tag_mutability"] == "IMMUTABLE"
    assert repository["image_scanning_configuration"] == {"scan_on_push": True}
    (rule,) = told(made, "aws_ecr_lifecycle_policy.images")["policy"]["rules"]
    assert (rule["selection"]["countType"], rule["selection"]["countNumber"]) == ("imageCountMoreThan", 10)


def test_a_function_is_as_its_config_says_with_a_log_a_queue_and_traces(made: Blueprint) -> None:
    function = told(made, "aws_lambda_function.thumb")
    digest = base64.b64decode(function.pop("source_code_hash"))
    archive = next(one for one in made.assets if one.path == function["filename"])
    assert digest == hashlib.sha256(archive.content).digest()
    assert function == {
        "function_name": "acme-thumb-prod",
        "description": "Function thumb of rich.",
        "role": "<aws_iam_role.function_thumb.arn>",
        "runtime": "python3.12",
        "handler": "thumb.handler",
        "architectures": ["arm64"],
        "filename": "functions/thumb.zip",
        "memory_size": 1024,
        "timeout": 120,
        "ephemeral_storage": {"size": 2048},
        "environment": {"variables": {"MODE": "fast"}},
        "dead_letter_config": {"target_arn": "<aws_sqs_queue.thumb.arn>"},
        "logging_config": {"log_format": "Text", "log_group": "<aws_cloudwatch_log_group.thumb.name>"},
        "tracing_config": {"mode": "Active"},
    }
    assert [ref.address for ref in declared(made, "aws_lambda_function.thumb").after] == [
        "aws_iam_role_policy.function_thumb"
    ]


def test_a_function_may_do_what_was_stated_and_what_it_needs_to_run(made: Blueprint) -> None:
    found = {sid: (one["Action"], one["Resource"]) for sid, one in statements(made, "function_thumb").items()}
    assert found == {
        "ListsOrders": ("s3:ListBucket", "<aws_s3_bucket.orders.arn>"),
        "ReadsOrders": ("s3:GetObject", "<aws_s3_bucket.orders.arn>/a/orders.parquet"),
        "DeletesReport": ("s3:DeleteObject", "<aws_s3_bucket.report.arn>/daily/*"),
        "ListsReport": ("s3:ListBucket", "<aws_s3_bucket.report.arn>"),
        "ReadsReport": ("s3:GetObject", "<aws_s3_bucket.report.arn>/daily/*"),
        "WritesReport": (["s3:PutObject", "s3:AbortMultipartUpload"], "<aws_s3_bucket.report.arn>/daily/*"),
        "Decrypts": ("kms:Decrypt", KEY),
        "WritesLogs": (["logs:CreateLogStream", "logs:PutLogEvents"], "<aws_cloudwatch_log_group.thumb.arn>:*"),
        "SendsDeadLetters": ("sqs:SendMessage", "<aws_sqs_queue.thumb.arn>"),
        "Traces": (["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*"),
    }


def test_a_function_on_a_python_that_lambda_does_not_have_is_told(rich: Deployment) -> None:
    function = replace(rich.functions[0], runtime="python3.9")
    with pytest.raises(UnsupportedError, match=r"AWS cannot run function `thumb` on Python 3\.9: Lambda has"):
        aws.blueprint(replace(rich, functions=(function,)))


def test_a_function_keeps_the_concurrency_that_its_config_reserves(rich: Deployment) -> None:
    function = replace(rich.functions[0], config=LambdaConfig(reserved_concurrency=3))
    blueprint = aws.blueprint(with_options(replace(rich, functions=(function,)), hardening="strict"))
    declaration = declared(blueprint, "aws_lambda_function.thumb")
    assert declaration.arguments["reserved_concurrent_executions"] == 3
    assert "CKV_AWS_115" not in {waiver.rule for waiver in declaration.waivers}


# Network


def test_nothing_comes_in_and_https_alone_goes_out(made: Blueprint) -> None:
    kinds = {one.kind for one in made.declarations}
    assert "aws_vpc_security_group_ingress_rule" not in kinds
    assert "aws_nat_gateway" not in kinds
    assert told(made, "aws_security_group.tasks").keys().isdisjoint({"ingress", "egress"})
    (egress,) = [one for one in made.declarations if one.kind == "aws_vpc_security_group_egress_rule"]
    assert (egress.arguments["from_port"], egress.arguments["to_port"]) == (443, 443)
    assert told(made, "aws_default_security_group.closed") == {"vpc_id": "<aws_vpc.this.id>"}
    assert {told(made, f"aws_subnet.{letter}")["map_public_ip_on_launch"] for letter in "ab"} == {False}


def test_requests_to_s3_stay_within_aws(made: Blueprint) -> None:
    endpoint = told(made, "aws_vpc_endpoint.s3")
    assert (endpoint["vpc_endpoint_type"], endpoint["service_name"]) == ("Gateway", "com.amazonaws.eu-north-1.s3")
    assert endpoint["route_table_ids"] == ["<aws_route_table.this.id>"]


def test_in_subnets_of_the_users_own_no_network_is_made_and_no_address_given(rich: Deployment) -> None:
    subnets = ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1")
    blueprint = aws.blueprint(with_options(rich, subnets=subnets))
    assert {one.address for one in blueprint.declarations if one.concern == "network"} == {
        "data.aws_subnet.given",
        "aws_security_group.tasks",
        "aws_vpc_security_group_egress_rule.https",
    }
    assert told(blueprint, "aws_security_group.tasks")["vpc_id"] == "<data.aws_subnet.given.vpc_id>"
    state = told(blueprint, "aws_sfn_state_machine.this")["definition"]["States"]["main"]
    assert state["Parameters"]["NetworkConfiguration"]["AwsvpcConfiguration"] == {
        "Subnets": list(subnets),
        "SecurityGroups": ["<aws_security_group.tasks.id>"],
        "AssignPublicIp": "DISABLED",
    }


def test_what_is_no_subnet_is_told(small: Deployment) -> None:
    with pytest.raises(ConfigError, match=r"is to run in subnet `10\.0\.0\.0/24`, which is no id of one in AWS"):
        aws.blueprint(with_options(small, subnets=("10.0.0.0/24",)))


# Stages in order


def test_one_stage_without_retries_has_no_state_machine(small: Deployment) -> None:
    assert not [one for one in aws.blueprint(small).declarations if "sfn" in one.kind]
    retried = aws.blueprint(with_options(small, retries=3))
    (task,) = told(retried, "aws_sfn_state_machine.this")["definition"]["States"].values()
    assert task["Retry"][-1]["MaxAttempts"] == 3
    assert any("retries= is not 0" in note for note in retried.notes)


def test_a_state_machine_runs_stages_in_order_with_the_id_of_the_run(made: Blueprint) -> None:
    machine = told(made, "aws_sfn_state_machine.this")
    definition = machine["definition"]
    assert [*definition["States"]] == ["main", "beside geo", "publish"]
    assert (definition["StartAt"], definition["States"]["main"]["Next"]) == ("main", "beside geo")
    assert {branch["StartAt"] for branch in definition["States"]["beside geo"]["Branches"]} == {"geo", "train"}
    assert definition["States"]["publish"]["End"] is True
    task = definition["States"]["main"]
    assert task["Resource"] == "arn:aws:states:::ecs:runTask.sync"
    assert task["Parameters"]["TaskDefinition"] == "<aws_ecs_task_definition.main.arn>"
    assert task["Parameters"]["Overrides"]["ContainerOverrides"] == [
        {"Name": "pipeline", "Environment": [{"Name": "GLACIER_RUN_ID", "Value.$": "$$.Execution.Name"}]}
    ]
    assert task["TimeoutSeconds"] == 7200 + 900
    assert [one["ErrorEquals"] for one in task["Retry"]][1:] == [["States.TaskFailed"]]
    assert task["Retry"][1]["MaxAttempts"] == 2
    assert machine["type"] == "STANDARD"
    assert machine["tracing_configuration"] == {"enabled": True}
    assert machine["logging_configuration"]["level"] == "ALL"
    after = declared(made, "aws_sfn_state_machine.this").after
    assert [ref.address for ref in after] == ["aws_iam_role_policy.workflow"]


def test_states_have_names_of_their_own_at_every_depth(rich: Deployment) -> None:
    def stage(name: str, *upstream: str) -> Stage:
        return replace(rich.stages[0], name=name, upstream=upstream)

    waits = {"a": "", "b": "", "c": "ab", "d": "", "e": "", "f": "de", "g": "cf"}
    stages = tuple(stage(name, *upstream) for name, upstream in waits.items())
    definition = told(aws.blueprint(replace(rich, stages=stages)), "aws_sfn_state_machine.this")["definition"]
    names = list(_states(definition))
    assert len(names) == len(set(names))
    assert {"a", "b", "c", "d", "e", "f", "g"} <= set(names)


def _states(machine: dict[str, Any]) -> Iterator[str]:
    for name, state in machine["States"].items():
        yield name
        for branch in state.get("Branches", []):
            yield from _states(branch)


def test_the_state_machine_may_run_these_tasks_in_this_cluster_and_pass_their_roles_to_tasks_alone(
    made: Blueprint,
) -> None:
    found = statements(made, "workflow")
    stages = ["main", "geo", "train", "publish"]
    cluster = {"ArnEquals": {"ecs:cluster": "<aws_ecs_cluster.this.arn>"}}
    assert sorted(found["RunsTasks"]["Resource"]) == sorted(
        f"<aws_ecs_task_definition.{one}.arn_without_revision>:*" for one in stages
    )
    assert found["RunsTasks"]["Condition"] == cluster
    assert found["WatchesTasks"]["Condition"] == cluster
    assert sorted(found["PassesRoles"]["Resource"]) == sorted(
        ["<aws_iam_role.agent.arn>", *(f"<aws_iam_role.stage_{one}.arn>" for one in stages)]
    )
    assert found["PassesRoles"]["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}


# Schedule


@pytest.mark.parametrize(
    ("cron", "expression"),
    [
        ("0 6 * * *", "cron(0 6 * * ? *)"),
        ("30 6-18 * * MON-FRI", "cron(30 6-18 ? * 2-6 *)"),
        ("0 0 1,15 * *", "cron(0 0 1,15 * ? *)"),
        ("*/15 * * 1-3 SUN", "cron(0,15,30,45 * ? 1-3 1 *)"),
        ("0 12 * * SAT,SUN", "cron(0 12 ? * 1,7 *)"),
        ("0 12 * * 5-7", "cron(0 12 ? * 1,6,7 *)"),
        ("@monthly", "cron(0 0 1 * ? *)"),
    ],
)
def test_cron_is_written_as_eventbridge_has_it(small: Deployment, cron: str, expression: str) -> None:
    blueprint = aws.blueprint(replace(small, schedule=schedule_of(cron, "Europe/Oslo")))
    schedule = told(blueprint, "aws_scheduler_schedule.this")
    assert schedule["schedule_expression"] == expression
    assert schedule["schedule_expression_timezone"] == "Europe/Oslo"


def test_days_of_the_month_and_of_the_week_together_are_told(small: Deployment) -> None:
    with pytest.raises(UnsupportedError) as caught:
        aws.blueprint(replace(small, schedule=schedule_of("0 6 1 * MON")))
    assert str(caught.value).splitlines()[0] == (
        "AWS cannot run pipeline `small` at `0 6 1 * MON`: EventBridge Scheduler takes days of the month or days of "
        "the week, not both"
    )


def test_a_schedule_starts_the_only_task_tries_again_and_keeps_what_failed(small: Deployment) -> None:
    blueprint = aws.blueprint(replace(small, schedule=schedule_of("0 6 * * *")))
    schedule = told(blueprint, "aws_scheduler_schedule.this")
    assert schedule["target"] == {
        "arn": "<aws_ecs_cluster.this.arn>",
        "ecs_parameters": {
            "task_definition_arn": "<aws_ecs_task_definition.main.arn>",
            "launch_type": "FARGATE",
            "task_count": 1,
            "network_configuration": {
                "subnets": ["<aws_subnet.a.id>", "<aws_subnet.b.id>"],
                "security_groups": ["<aws_security_group.tasks.id>"],
                "assign_public_ip": True,
            },
        },
        "role_arn": "<aws_iam_role.scheduler.arn>",
        "retry_policy": {"maximum_retry_attempts": 3, "maximum_event_age_in_seconds": 3600},
        "dead_letter_config": {"arn": "<aws_sqs_queue.schedule.arn>"},
    }
    assert schedule["flexible_time_window"] == {"mode": "OFF"}
    assert {sid: one["Action"] for sid, one in statements(blueprint, "scheduler").items()} == {
        "RunsTasks": "ecs:RunTask",
        "PassesRoles": "iam:PassRole",
        "SendsDeadLetters": "sqs:SendMessage",
    }


def test_a_schedule_may_do_nothing_but_start_the_state_machine(made: Blueprint) -> None:
    assert told(made, "aws_scheduler_schedule.this")["target"]["arn"] == "<aws_sfn_state_machine.this.arn>"
    found = {sid: (one["Action"], one["Resource"]) for sid, one in statements(made, "scheduler").items()}
    assert found == {
        "StartsRuns": ("states:StartExecution", "<aws_sfn_state_machine.this.arn>"),
        "SendsDeadLetters": ("sqs:SendMessage", "<aws_sqs_queue.schedule.arn>"),
    }


# Alerts


def test_a_failed_run_and_what_could_not_be_started_are_told_by_e_mail(made: Blueprint) -> None:
    assert told(made, "aws_sns_topic_subscription.failures") == {
        "topic_arn": "<aws_sns_topic.failures.arn>",
        "protocol": "email",
        "endpoint": "data@acme.com",
    }
    assert told(made, "aws_cloudwatch_event_rule.failures")["event_pattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": ["<aws_sfn_state_machine.this.arn>"],
            "status": ["FAILED", "TIMED_OUT", "ABORTED"],
        },
    }
    alarms = [one for one in made.declarations if one.kind == "aws_cloudwatch_metric_alarm"]
    assert {plain(one.arguments["dimensions"])["QueueName"] for one in alarms} == {
        "<aws_sqs_queue.schedule.name>",
        "<aws_sqs_queue.thumb.name>",
    }
    assert {tuple(plain(one.arguments["alarm_actions"])) for one in alarms} == {("<aws_sns_topic.failures.arn>",)}


def test_a_task_that_ended_badly_or_never_began_is_told(small: Deployment) -> None:
    blueprint = aws.blueprint(with_options(small, alert="data@acme.com"))
    detail = told(blueprint, "aws_cloudwatch_event_rule.failures")["event_pattern"]["detail"]
    assert detail == {
        "clusterArn": ["<aws_ecs_cluster.this.arn>"],
        "lastStatus": ["STOPPED"],
        "$or": [{"containers": {"exitCode": [{"anything-but": 0}]}}, {"stopCode": ["TaskFailedToStart"]}],
    }
    template = told(blueprint, "aws_cloudwatch_event_target.failures")["input_transformer"]["input_template"]
    assert json.loads(template) == "A run of small failed: <reason>. It was task <task>."


def test_nobody_but_eventbridge_and_the_alarms_publishes_failures(made: Blueprint, strict: Blueprint) -> None:
    policy = told(made, "aws_sns_topic_policy.failures")["policy"]["Statement"]
    allowed = {one["Principal"]["Service"]: one.get("Condition") for one in policy if one["Effect"] == "Allow"}
    alarms = ["<aws_cloudwatch_metric_alarm.thumb.arn>", "<aws_cloudwatch_metric_alarm.schedule.arn>"]
    assert allowed == {
        "events.amazonaws.com": None,  # it says for no rule that it publishes, so a condition would refuse all
        "cloudwatch.amazonaws.com": {"ArnEquals": {"aws:SourceArn": alarms}},
    }
    (uses,) = [one for one in told(strict, "aws_kms_key.this")["policy"]["Statement"] if one["Sid"] == "Alerts"]
    assert "Condition" not in uses


def test_without_an_address_nobody_is_told(rich: Deployment) -> None:
    assert not [one for one in aws.blueprint(with_options(rich, alert=None)).declarations if one.concern == "alerts"]


# Rights


def test_no_right_has_a_wildcard_where_there_is_a_name(strict: Blueprint) -> None:
    everywhere: set[tuple[str, str]] = set()
    for declaration in strict.declarations:
        if declaration.kind != "aws_iam_role_policy":
            continue
        for one in plain(declaration.arguments["policy"])["Statement"]:
            actions = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
            assert not [action for action in actions if "*" in action]
            if one["Resource"] == "*":
                everywhere.add((declaration.name, one["Sid"]))
    assert everywhere == {
        ("agent", "LogsIn"),
        ("function_thumb", "Traces"),
        ("workflow", "DeliversLogs"),
        ("workflow", "Traces"),
    }


def test_a_role_is_taken_up_by_its_service_alone_on_behalf_of_this_account(made: Blueprint) -> None:
    account = "<data.aws_caller_identity.this.account_id>"
    found = {}
    for declaration in made.declarations:
        if declaration.kind == "aws_iam_role":
            (one,) = plain(declaration.arguments["assume_role_policy"])["Statement"]
            source = one.get("Condition", {}).get("ArnLike", {}).get("aws:SourceArn")
            found[declaration.name] = (one["Principal"]["Service"], source)
    task = ("ecs-tasks.amazonaws.com", f"arn:aws:ecs:eu-north-1:{account}:*")
    group = "<aws_scheduler_schedule_group.this.name>"
    assert found == {
        "agent": ("ecs-tasks.amazonaws.com", None),
        "stage_main": task,
        "stage_geo": task,
        "stage_train": task,
        "stage_publish": task,
        "function_thumb": ("lambda.amazonaws.com", None),
        "workflow": ("states.amazonaws.com", f"arn:aws:states:eu-north-1:{account}:stateMachine:*"),
        "scheduler": ("scheduler.amazonaws.com", f"arn:aws:scheduler:eu-north-1:{account}:schedule-group/{group}"),
    }


def test_a_key_is_used_through_s3_for_the_buckets_that_a_stage_touches(made: Blueprint) -> None:
    def condition(bucket: str) -> dict[str, Any]:
        arn = f"<aws_s3_bucket.{bucket}.arn>"
        return {
            "StringEquals": {"kms:ViaService": ["s3.eu-north-1.amazonaws.com"]},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [arn, f"{arn}/*"]},
        }

    reads = statements(made, "stage_main")["Decrypts"]
    assert (reads["Action"], reads["Resource"], reads["Condition"]) == ("kms:Decrypt", KEY, condition("orders"))
    writes = statements(made, "stage_train")["Encrypts"]
    assert writes["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert (writes["Resource"], writes["Condition"]) == ("<data.aws_kms_key.alias_own.arn>", condition("model"))
    assert not {"Decrypts", "Encrypts"} & statements(made, "stage_geo").keys()


def test_a_stage_lists_by_the_prefixes_it_reads(made: Blueprint) -> None:
    found = statements(made, "stage_main")
    assert found["ListsRaw"]["Condition"] == {"StringLike": {"s3:prefix": ["2024/*"]}}
    assert found["ListsOrders"]["Condition"] == {"StringLike": {"s3:prefix": ["a/orders.parquet", "a/orders.parquet/"]}}


def test_a_stage_that_reads_a_whole_bucket_lists_it_without_a_condition(small: Deployment) -> None:
    everything = replace(small.stages[0].grants[0], verbs=frozenset(("list", "read")), keys=Keys("", below=True))
    stage = replace(small.stages[0], grants=(everything,))
    found = list(statements(aws.blueprint(replace(small, stages=(stage,))), "stage_main").values())
    lists, reads = (
        next(one for one in found if one["Action"] == action) for action in ("s3:ListBucket", "s3:GetObject")
    )
    assert "Condition" not in lists
    assert reads["Resource"] == f"{lists['Resource']}/*"


def test_a_key_with_characters_that_are_wildcards_stands_for_itself(small: Deployment) -> None:
    odd = replace(small.stages[0].grants[0], verbs=frozenset(("read", "list")), keys=Keys("a*b/c?d$e"))
    stage = replace(small.stages[0], grants=(odd,))
    found = {
        one["Action"]: one for one in statements(aws.blueprint(replace(small, stages=(stage,))), "stage_main").values()
    }
    assert found["s3:GetObject"]["Resource"].endswith("/a${*}b/c${?}d${$}e")
    literal = "a${*}b/c${?}d${$}e"
    assert found["s3:ListBucket"]["Condition"] == {"StringLike": {"s3:prefix": [literal, f"{literal}/"]}}


def with_objects(small: Deployment, count: int) -> Deployment:
    """Gives a pipeline whose stage reads many single objects of one bucket."""
    target = small.buckets[0]
    grants = [
        Grant(target, frozenset(("read", "list")), Keys(f"by/customer/{number:05}/orders.parquet"))
        for number in range(count)
    ]
    return replace(small, stages=(replace(small.stages[0], grants=tuple(grants)),))


def test_rights_too_long_for_one_policy_are_divided_and_stay_the_same(small: Deployment) -> None:
    few, many = with_objects(small, 20), with_objects(small, 120)
    assert length(declared(aws.blueprint(few), "aws_iam_role_policy.stage_main").arguments["policy"]) <= INLINE
    blueprint = aws.blueprint(many)
    policies = [one for one in blueprint.declarations if one.kind == "aws_iam_policy"]
    attached = [one for one in blueprint.declarations if one.kind == "aws_iam_role_policy_attachment"]
    assert "aws_iam_role_policy.stage_main" not in addresses(blueprint)
    assert 1 < len(policies) == len(attached) <= ATTACHED
    assert {plain(one.arguments["role"]) for one in attached} == {"<aws_iam_role.stage_main.name>"}
    assert max(length(one.arguments["policy"]) for one in policies) <= MANAGED
    resources: list[str] = []
    prefixes: list[str] = []
    for one in policies:
        names = [statement["Sid"] for statement in plain(one.arguments["policy"])["Statement"]]
        assert len(names) == len(set(names))
        for statement in plain(one.arguments["policy"])["Statement"]:
            if statement["Action"] == "s3:GetObject":
                resources += statement["Resource"]
            elif statement["Action"] == "s3:ListBucket":
                prefixes += statement["Condition"]["StringLike"]["s3:prefix"]
    wanted = [f"by/customer/{number:05}/orders.parquet" for number in range(120)]
    assert sorted(resources) == [f"<aws_s3_bucket.{small.buckets[0].name}.arn>/{one}" for one in wanted]
    assert sorted(prefixes) == sorted(prefix for one in wanted for prefix in (one, f"{one}/"))


def test_rights_too_long_for_a_role_are_told(small: Deployment) -> None:
    with pytest.raises(
        UnsupportedError, match=r"AWS cannot give `stage main` of pipeline `small` its rights: they take"
    ):
        aws.blueprint(with_objects(small, 1500))


def test_people_are_told_each_right_with_who_needs_it(made: Blueprint) -> None:
    found = {(one.holder, one.actions, one.scope): one.because for one in made.permissions}
    because = found["stage train", ("s3:PutObject", "s3:AbortMultipartUpload"), "s3://acme-model-prod/m.parquet"]
    line = next(number for number, text in enumerate(SOURCE.splitlines(), start=1) if "trained = train(" in text)
    assert [str(one) for one in because] == [f"train writes model/m.parquet (shop.py:{line})"]
    assert ("stage main", ("s3:ListBucket",), "s3://raw/2024/* (in listings)") in found
    assert ("stage publish", ("lambda:InvokeFunction",), "function acme-thumb-prod") in found


# Names and places


def test_another_task_changes_no_address(project: Path, rich: Deployment) -> None:
    text = SOURCE.replace(
        "    trained = train(", '    load(north.bucket("extra", path="e.parquet"))\n    trained = train('
    )
    (project / "shop2.py").write_text(text)
    loaded = load_pipeline(f"{project / 'shop2.py'}:rich")
    changed = aws.blueprint(deployment_of(loaded.plan({}), loaded.source(()), project / "terraform"))
    sys.modules.pop("shop2", None)
    before, after = addresses(aws.blueprint(rich)), addresses(changed)
    assert before <= after
    assert {address.partition(".")[2] for address in after - before} == {"extra"}


def test_names_longer_than_iams_are_cut_with_a_digest_and_others_are_told(small: Deployment) -> None:
    long = replace(small, pipeline="a_pipeline_with_quite_a_long_name_that_says_it_all")
    name = told(aws.blueprint(long), "aws_iam_role.agent")["name"]
    assert re.fullmatch(r"acme-a-pipeline-with-quite-a-long-name-that-says-it-all-[0-9a-f]{8}", name[:64])
    assert len(name) <= 64
    longer = replace(small, pipeline="very " * 16, schedule=schedule_of("0 6 * * *"))
    with pytest.raises(
        ConfigError, match=r"needs a schedule `acme-very-.*`, which has \d+ characters; the cloud takes 64"
    ):
        aws.blueprint(longer)


def test_a_prefix_that_aws_does_not_take_is_told(small: Deployment) -> None:
    provider = AWSProvider(region="eu-north-1", name_prefix="acme.")
    with pytest.raises(ConfigError, match=r"`acme\.small.*`, and AWS takes letters, digits, hyphens and underscores"):
        aws.blueprint(replace(small, provider=provider))


def test_a_bucket_of_another_cloud_is_told(small: Deployment) -> None:
    elsewhere = replace(small.buckets[0], provider=GCPProvider(project_id="acme-data", region="europe-north1"))
    with pytest.raises(UnsupportedError, match="runs in AWS, and bucket `orders` is on GCPProvider"):
        aws.blueprint(replace(small, buckets=(elsewhere,)))


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("eu-north-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_arns_begin_as_those_of_their_region(small: Deployment, region: str, partition: str, suffix: str) -> None:
    provider = AWSProvider(region=region, name_prefix="acme-")
    buckets = tuple(replace(one, provider=provider, config=None) for one in small.buckets)
    records = replace(small.records, provider=provider)
    stage = replace(small.stages[0], grants=tuple(replace(one, target=records) for one in small.stages[0].grants))
    moved = replace(small, provider=provider, buckets=buckets, records=records, stages=(stage,))
    blueprint = aws.blueprint(with_options(moved, hardening="strict"))
    trusted = plain(declared(blueprint, "aws_iam_role.stage_main").arguments["assume_role_policy"])["Statement"][0]
    assert trusted["Condition"]["ArnLike"]["aws:SourceArn"].startswith(f"arn:{partition}:ecs:{region}:")
    key = statements(blueprint, "stage_main")["Encrypts"]
    assert key["Condition"]["StringEquals"]["kms:ViaService"] == [f"s3.{region}.{suffix}"]


def test_what_a_person_should_know_is_said(made: Blueprint) -> None:
    said = "\n".join(made.notes)
    assert "AWS asks data@acme.com by e-mail" in said
    assert "If objects of `raw` are encrypted with a key of yours" in said


def test_a_config_of_its_own_wins_over_strict_hardening(small: Deployment) -> None:
    bucket = replace(small.buckets[0], config=S3Config(encryption="AES256"))
    others = small.buckets[1:]
    blueprint = aws.blueprint(with_options(replace(small, buckets=(bucket, *others)), hardening="strict"))
    rule = told(blueprint, f"aws_s3_bucket_server_side_encryption_configuration.{bucket.name}")["rule"]
    assert rule == {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}


@needs_offline
@pytest.mark.parametrize("hardening", ["standard", "strict"])
def test_an_archive_too_large_to_be_sent_is_taken_from_a_bucket(
    project: Path, rich: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hardening: Hardening
) -> None:
    monkeypatch.setattr("glacier.infrastructure.aws.functions.SENT_BYTES", 0)
    made = aws.blueprint(with_options(rich, hardening=hardening))
    function = told(made, "aws_lambda_function.thumb")
    (archive,) = (one for one in made.assets if one.path == "functions/thumb.zip")
    assert "filename" not in function
    assert function["s3_bucket"] == "<aws_s3_object.thumb.bucket>"
    assert function["s3_key"] == "<aws_s3_object.thumb.key>"
    stored = told(made, "aws_s3_object.thumb")
    assert stored["bucket"] == "<aws_s3_bucket.glacier_archives.id>"
    assert stored["key"] == f"thumb-{hashlib.sha256(archive.content).hexdigest()[:12]}.zip"
    assert ("kms_key_id" in stored) == (hardening == "strict")
    kinds = {one.kind for one in made.declarations if one.name == "glacier_archives"}
    assert kinds >= {one.kind for one in made.declarations if one.name == "report" and one.kind != "aws_s3_object"}
    loaded = load_pipeline(f"{project / 'shop.py'}:rich")
    assert loaded.deploy is not None
    loaded.deploy = replace(loaded.deploy, hardening=hardening)
    loaded.run(mode="generate", output_dir=tmp_path / "terraform")
    assert formatted(tmp_path / "terraform") == ""
    assert applied(tmp_path / "terraform", tmp_path / "state.json")
    tagged = replace(rich.provider, tags={f"tag-{number}": "x" for number in range(9)})
    with pytest.raises(UnsupportedError, match=r"takes 10 tags of an object: there are 1\d, of"):
        aws.blueprint(replace(rich, provider=tagged))
    elsewhere = replace(rich.functions[0], provider=replace(rich.functions[0].provider, region="ap-south-1"))
    made = aws.blueprint(with_options(replace(rich, functions=(elsewhere,)), hardening=hardening))
    assert told(made, "aws_s3_object.thumb")["bucket"] == "<aws_s3_bucket.glacier_archives_ap_south_1.id>"


@needs_offline
@pytest.mark.parametrize("hardening", ["standard", "strict"])
@pytest.mark.parametrize("subnets", [(), ("subnet-0123456789abcdef0",)], ids=["own-network", "given-subnets"])
def test_terraform_applies_all_of_it_and_then_finds_nothing_to_do(
    project: Path, tmp_path: Path, hardening: Hardening, subnets: tuple[str, ...]
) -> None:
    loaded = load_pipeline(f"{project / 'shop.py'}:rich")
    assert loaded.deploy is not None
    loaded.deploy = replace(loaded.deploy, hardening=hardening, subnets=subnets)
    loaded.run(mode="generate", output_dir=tmp_path / "terraform")
    assert formatted(tmp_path / "terraform") == ""
    assert applied(tmp_path / "terraform", tmp_path / "state.json")


@needs_offline
def test_terraform_applies_each_of_two_environments(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "terraform"
    command = [sys.executable, "-m", "glacier", "generate", "shop.py:rich", "--output", str(folder)]
    subprocess.run([*command, "--env", "dev", "--env", "prod"], check=True, cwd=project, capture_output=True)
    found: dict[str, object] = {}
    for environment in ("dev", "prod"):
        values = (folder / f"{environment}.tfvars").read_text()
        (folder / "terraform.tfvars").write_text(values)
        state: Any = applied(folder, tmp_path / "state.json")
        found[environment] = [
            one["values"]["bucket"]
            for one in state["values"]["root_module"]["resources"]
            if one["address"] == "aws_s3_bucket.report"
        ]
    assert found == {"dev": ["acme-report-dev"], "prod": ["acme-report-prod"]}
