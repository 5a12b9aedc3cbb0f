"""How runs go in Google Cloud, as data: stages in order, schedules, alerts, logs, networks; rules no scanner has."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blueprints import Writer, addresses, plain, told, with_options
from glacier.blueprint import Blueprint, leaves
from glacier.config.deploy import Compute, Hardening
from glacier.deployment.arrangement import Parallel, arranged
from glacier.deployment.needs import Deployment, Keys, Stage
from glacier.errors import UnsupportedError
from glacier.generation.generate import Draft, files_of
from glacier.infrastructure.gcp import blueprint
from glacier.infrastructure.gcp.access import PERMISSIONS
from glacier.infrastructure.gcp.jobs import PLACEHOLDER
from glacier.providers import GCPProvider
from terraform import applied, formatted, needs_offline

SUBNET = "projects/acme-data/regions/europe-north1/subnetworks/jobs"
KEY = "projects/keys/locations/europe-north1/keyRings/lake/cryptoKeys/raw"
HEAD = """
import polars as pl
from glacier import Bucket, Serverless, pipeline, task
from glacier.config import CloudFunctionConfig, Compute, DeployConfig, GCSConfig
from glacier.providers import LocalProvider

local = LocalProvider("./data")

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
SMALL = """
@pipeline(schedule="0 6 * * MON-FRI", timezone="Europe/Oslo", deploy=DeployConfig(alert="data@acme.com"))
def sales() -> None:
    save(load(local.bucket("raw", path="in.parquet")), local.bucket("out", path="out.parquet"))
"""
RICH = f"""
lake = local.bucket(
    "lake", path="by-day/", config=GCSConfig(kms_key="{KEY}", versioning=True, soft_delete_days=30)
)
cold = local.bucket(
    "cold", path="a.parquet",
    config=GCSConfig(storage_class="NEARLINE", lifecycle_rules=[
        {{"days": 30, "transition": "COLDLINE", "prefix": "old/"}}, {{"days": 900, "expiration": True}},
    ]),
)
raw = local.bucket("raw", path="2024/", existing=True)
mail = local.serverless(
    "mail", handler="process.handler", runtime="python3.12", env={{"LEVEL": "info"}}, reads=[lake], writes=[cold],
    config=CloudFunctionConfig(memory=1024, cpu=1, concurrency=4, min_instances=1),
)

@pipeline(
    schedule="30 5 * * *", timezone="Europe/Oslo",
    deploy=DeployConfig(timeout=7200, retries=2, alert="data@acme.com", log_retention_days=7),
)
def sales() -> None:
    save(train(load(raw)), lake)
    call(mail)
"""
PROVIDER = GCPProvider(project_id="acme-data", region="europe-north1", name_prefix="acme-")


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Writer]:
    (tmp_path / "process.py").write_text("def handler(event, context):\n    return event\n")
    writer = Writer(tmp_path, HEAD)
    yield writer
    writer.forget()


@pytest.fixture
def small(write: Writer) -> Deployment:
    return write(SMALL, PROVIDER)


@pytest.fixture
def rich(write: Writer) -> Deployment:
    return write(RICH, PROVIDER)


# Stages in order


def test_one_stage_has_no_workflow_and_the_schedule_starts_its_job(small: Deployment) -> None:
    made = blueprint(small)
    assert addresses(made, "google_workflows_workflow") == []
    schedule = told(made, "google_cloud_scheduler_job.this")
    assert (schedule["schedule"], schedule["time_zone"]) == ("0 6 * * 1-5", "Europe/Oslo")
    target = schedule["http_target"]
    assert target["uri"] == "https://run.googleapis.com/v2/<google_cloud_run_v2_job.main.id>:run"
    assert target["oauth_token"]["service_account_email"] == "<google_service_account.scheduler.email>"
    assert (
        told(made, "google_cloud_run_v2_job_iam_member.scheduler_main")["name"] == "<google_cloud_run_v2_job.main.name>"
    )


def test_stages_are_run_in_order_with_the_id_of_the_run(rich: Deployment) -> None:
    made = blueprint(rich)
    source = told(made, "google_workflows_workflow.this")["source_contents"]
    begin, *steps = source["main"]["steps"]
    assert begin["begin"]["assign"] == [{"run": '${sys.get_env("GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID")}'}]
    assert [one.name for one in rich.stages] == ["main", "train", "save"]
    assert steps == [
        {name: {"call": "run_stage", "args": {"job": f"<google_cloud_run_v2_job.{name}.id>", "run": "${run}"}}}
        for name in ("main", "train", "save")
    ]
    start = source["run_stage"]["steps"][0]["start"]["try"]
    overrides = start["args"]["body"]["overrides"]["containerOverrides"]
    assert overrides == [{"env": [{"name": "GLACIER_RUN_ID", "value": "${run}"}]}]
    assert source["run_stage"]["steps"][-1] == {"failed": {"raise": '${"a stage failed: " + execution}'}}


def test_what_a_workflow_jumps_to_is_there_and_every_step_has_a_name_of_its_own(rich: Deployment) -> None:
    source = told(blueprint(rich), "google_workflows_workflow.this")["source_contents"]
    for part in source.values():
        names = [next(iter(step)) for step in part["steps"]]
        assert len({*names}) == len(names)
        jumps = re.findall(r'"next": "(\w+)"', json.dumps(part))
        assert {*jumps} <= {*names}
    (decide,) = [step["decide"]["switch"] for step in source["run_stage"]["steps"] if "decide" in step]
    assert [[*one] for one in decide] == [["condition", "next"], ["condition", "return"]]  # each does one thing
    called = {step[name]["call"] for step in source["main"]["steps"] for name in step if "call" in step[name]}
    assert called == {*source} - {"main"}


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [
        ({"a": "", "b": "a", "c": "b"}, ("a", "b", "c")),
        ({"a": "", "b": "", "c": "ab"}, (Parallel((("a",), ("b",))), "c")),
        ({"a": "", "b": "a", "c": "a", "d": "bc"}, ("a", Parallel((("b",), ("c",))), "d")),
        ({"a": "", "b": "", "c": "a", "d": "b"}, (Parallel((("a", "c"), ("b", "d"))),)),
    ],
)
def test_stages_that_nothing_connects_run_side_by_side(upstream: dict[str, str], expected: object) -> None:
    stages = [Stage(name, Compute(), (), tuple(above)) for name, above in upstream.items()]
    assert arranged(stages) == expected


def test_more_stages_than_branches_share_them_and_none_is_left_out() -> None:
    (step,) = arranged([Stage(f"s{number}", Compute(), ()) for number in range(23)], branches=10)
    assert isinstance(step, Parallel)
    assert len(step.branches) == 10
    assert sorted(name for branch in step.branches for name in branch if isinstance(name, str)) == sorted(
        f"s{number}" for number in range(23)
    )


# Rules that scanners do not have


def test_everything_that_runs_has_an_account_of_its_own(rich: Deployment) -> None:
    made = blueprint(rich)
    accounts = {
        one.address: account
        for one in made.declarations
        for account in re.findall(r"<google_service_account\.(\w+)\.(?:email|id)>", json.dumps(plain(one.arguments)))
        if account != "builder"
    }
    assert accounts == {
        "google_cloud_run_v2_job.main": "stage_main",
        "google_cloud_run_v2_job.train": "stage_train",
        "google_cloud_run_v2_job.save": "stage_save",
        "google_cloudfunctions2_function.mail": "function_mail",
        "google_workflows_workflow.this": "workflow",
        "google_cloud_scheduler_job.this": "scheduler",
    }


@pytest.mark.parametrize("hardening", ["standard", "strict"])
def test_nobody_from_outside_is_bound_to_anything_and_no_binding_replaces_others(
    rich: Deployment, hardening: Hardening
) -> None:
    made = blueprint(with_options(rich, hardening=hardening))
    bindings = [one for one in made.declarations if "_iam_" in one.kind and "custom_role" not in one.kind]
    assert bindings
    for one in bindings:
        member = plain(one.arguments["member"])
        assert one.kind.endswith("_iam_member"), f"{one.address} would take away rights that others gave"
        assert "allUsers" not in member
        assert "allAuthenticatedUsers" not in member
        assert "compute@developer" not in member
        assert "appspot" not in member
    basic = {"roles/owner", "roles/editor", "roles/viewer", "roles/storage.admin", "roles/run.admin"}
    assert not basic & {str(one.arguments["role"]) for one in bindings}


def test_roles_hold_no_right_to_give_rights_nor_to_change_buckets() -> None:
    held = {permission for some in PERMISSIONS.values() for permission in some}
    assert not [one for one in held if "*" in one or "setIamPolicy" in one or one.startswith("storage.buckets.")]
    assert "iam.serviceAccounts.actAs" not in held


def test_jobs_and_functions_are_told_no_secret_and_run_an_image_that_does_not_change(rich: Deployment) -> None:
    made = blueprint(rich)
    secret = re.compile(r"secret|password|token|credential|private", re.IGNORECASE)
    for one in made.declarations:
        if one.kind == "google_cloud_run_v2_job":
            container = plain(one.arguments)["template"]["template"]["containers"]
            assert not [entry["name"] for entry in container["env"] if secret.search(entry["name"])]
            assert container["image"] == "<var.image>"
    (image,) = [output for output in made.outputs if output.name == "image"]
    assert re.fullmatch(r".*:[0-9a-f]{12}", plain(image.value))


def test_a_scheduler_speaks_to_google_alone_and_tries_again_for_less_than_a_run_takes(rich: Deployment) -> None:
    schedule = told(blueprint(rich), "google_cloud_scheduler_job.this")
    target = schedule["http_target"]
    assert re.match(r"https://(workflowexecutions|run)\.googleapis\.com/", target["uri"])
    assert "oidc_token" not in target
    assert target["oauth_token"]["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert schedule["retry_config"]["retry_count"] == 3


def test_a_workflow_may_start_these_jobs_and_look_at_their_executions_alone(rich: Deployment) -> None:
    made = blueprint(rich)
    member = "<google_service_account.workflow.member>"
    held = [one for one in made.declarations if plain(one.arguments).get("member") == member]
    assert [one.address for one in held] == [
        f"google_cloud_run_v2_job_iam_member.workflow_{name}" for name in ("main", "train", "save")
    ]
    assert {plain(one.arguments)["role"] for one in held} == {"<google_project_iam_custom_role.orchestrator.id>"}
    assert told(made, "google_project_iam_custom_role.orchestrator")["permissions"] == [
        "run.executions.get", "run.jobs.run", "run.jobs.runWithOverrides",
    ]  # fmt: skip


def test_strict_hardening_gives_what_runs_no_other_right(rich: Deployment) -> None:
    def rights(made: Blueprint) -> dict[str, Any]:
        found = {one.address: plain(one.arguments) for one in made.declarations if "_iam_member" in one.kind}
        return {address: one for address, one in found.items() if "google_service_account." in one["member"]}

    assert rights(blueprint(rich)) == rights(blueprint(with_options(rich, hardening="strict")))


# Conditions


def test_each_key_has_a_binding_of_its_own_and_many_share_some(small: Deployment) -> None:
    (stage,) = small.stages
    (reads,) = [grant for grant in stage.grants if grant.target.physical == "acme-raw"]

    def bindings(count: int) -> list[Any]:
        grants = tuple(replace(reads, keys=Keys(f"day-{number:03}.parquet")) for number in range(count))
        made = blueprint(replace(small, stages=(replace(stage, grants=grants),)))
        return [one for one in made.declarations if one.name.startswith("stage_main_reads_raw")]

    assert len(bindings(20)) == 20
    assert {len(plain(one.arguments)["condition"]["expression"].split(" || ")) for one in bindings(20)} == {1}
    shared = [plain(one.arguments)["condition"]["expression"].split(" || ") for one in bindings(100)]
    assert len(shared) == 8
    assert max(map(len, shared)) == 13  # 12 logical operators
    assert sum(map(len, shared)) == 100
    with pytest.raises(UnsupportedError, match=r"121 keys of bucket `raw` one by one: conditions hold 120"):  # to list
        bindings(121)


def test_a_key_with_quotes_and_backslashes_stands_for_itself(small: Deployment) -> None:
    (stage,) = small.stages
    (reads,) = [grant for grant in stage.grants if grant.target.physical == "acme-raw"]
    grant = replace(reads, keys=Keys('a"b${c}%{d}é\\.parquet'))
    made = blueprint(replace(small, stages=(replace(stage, grants=(grant,)),)))
    (binding,) = [one for one in made.declarations if one.name.startswith("stage_main_reads_raw")]
    expression = plain(binding.arguments)["condition"]["expression"]
    assert expression == r'resource.name == "projects/_/buckets/acme-raw/objects/a\"b${c}%{d}é\\.parquet"'


# Alerts and logs


def test_a_failed_run_and_one_that_was_not_started_are_told_by_e_mail(rich: Deployment) -> None:
    made = blueprint(rich)
    channel = told(made, "google_monitoring_notification_channel.failures")
    assert (channel["type"], channel["labels"]) == ("email", {"email_address": "data@acme.com"})
    failed = told(made, "google_monitoring_alert_policy.failed")["conditions"]["condition_threshold"]
    assert 'workflow_id = "<google_workflows_workflow.this.name>"' in failed["filter"]
    assert (failed["comparison"], failed["threshold_value"], failed["duration"]) == ("COMPARISON_GT", 0, "0s")
    assert "evaluation_missing_data" not in failed  # Cloud Monitoring refuses it where the duration is zero
    silent = told(made, "google_monitoring_alert_policy.not_started")["conditions"]["condition_matched_log"]
    assert silent["filter"].endswith('resource.labels.job_id = "acme-sales" AND severity >= ERROR')
    policies = addresses(made, "google_monitoring_alert_policy")
    assert {channel for one in policies for channel in told(made, one)["notification_channels"]} == {
        "<google_monitoring_notification_channel.failures.id>"
    }


def test_the_only_job_is_watched_where_there_is_no_workflow_and_nobody_without_an_address(small: Deployment) -> None:
    failed = told(blueprint(small), "google_monitoring_alert_policy.failed")["conditions"]["condition_threshold"]
    assert 'resource.labels.job_name = "<google_cloud_run_v2_job.main.name>"' in failed["filter"]
    assert not [one for one in addresses(blueprint(with_options(small, alert=None))) if "monitoring" in one]


@pytest.mark.parametrize(
    ("days", "hardening", "kept", "apart"),
    [(30, "standard", None, False), (7, "standard", 7, True), (90, "standard", 90, False), (30, "strict", 365, False),
     (731, "strict", 731, False)],
)  # fmt: skip
def test_logs_are_kept_for_as_long_as_is_asked_for(
    rich: Deployment, days: int, hardening: Hardening, kept: int | None, apart: bool
) -> None:
    made = blueprint(with_options(rich, log_retention_days=days, hardening=hardening))
    buckets = addresses(made, "google_logging_project_bucket_config")
    assert [told(made, one)["retention_days"] for one in buckets] == ([kept] if kept else [])
    assert bool(addresses(made, "google_logging_project_exclusion")) == apart
    if kept:
        entries = told(made, "google_logging_project_sink.this")["filter"]
        assert re.findall(r"<(\w+\.\w+)\.name>", entries) == [
            "google_cloud_run_v2_job.main", "google_cloud_run_v2_job.train", "google_cloud_run_v2_job.save",
            "google_cloudfunctions2_function.mail",
        ]  # fmt: skip


# Networks


def test_a_network_is_made_for_requests_to_functions_alone_and_lets_nothing_in(rich: Deployment) -> None:
    made = blueprint(rich)
    job = told(made, "google_cloud_run_v2_job.main")["template"]["template"]
    assert job["vpc_access"] == {
        "egress": "PRIVATE_RANGES_ONLY",
        "network_interfaces": {"subnetwork": "<google_compute_subnetwork.this.id>"},
    }
    closed = told(made, "google_compute_firewall.closed")
    assert (closed["direction"], closed["source_ranges"], closed["deny"]) == (
        "INGRESS",
        ["0.0.0.0/0"],
        {"protocol": "all"},
    )
    assert told(made, "google_compute_subnetwork.this")["private_ip_google_access"] is True
    assert "log_config" in told(made, "google_compute_subnetwork.this")


def test_a_given_subnet_takes_all_requests_and_none_is_made(rich: Deployment, small: Deployment) -> None:
    made = blueprint(with_options(rich, subnets=(SUBNET,)))
    job = told(made, "google_cloud_run_v2_job.main")["template"]["template"]
    assert job["vpc_access"] == {"egress": "ALL_TRAFFIC", "network_interfaces": {"subnetwork": SUBNET}}
    assert not [one for one in addresses(made) if one.startswith(("google_compute", "google_dns"))]
    assert any("needs Private Google Access" in note for note in made.notes)
    assert "vpc_access" not in told(blueprint(small), "google_cloud_run_v2_job.main")["template"]["template"]


@pytest.mark.parametrize(
    ("subnets", "said"),
    [
        ((SUBNET, f"{SUBNET}-2"), "in one subnet, and 2 are given"),
        ((SUBNET.replace("north1", "west1"),), 'of region "europe-north1" in a subnet of "europe-west1"'),
    ],
)
def test_subnets_that_google_cannot_use_are_told(small: Deployment, subnets: tuple[str, ...], said: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        blueprint(with_options(small, subnets=subnets))
    assert said in caught.value.message
    assert caught.value.fix
    assert caught.value.site


# All of it


def test_what_a_person_should_know_is_said(rich: Deployment) -> None:
    notes = "\n".join(blueprint(with_options(rich, hardening="strict")).notes)
    for said in (
        "Until the image is pushed",
        "Role Administrator",
        "right to start workflows on a project",
        "Key rings",
    ):
        assert said in notes


def test_the_account_of_workflows_is_there_before_the_first_one(rich: Deployment, small: Deployment) -> None:
    project = f"--project {rich.provider.project_id}"
    made = "gcloud beta services identity create --service workflows.googleapis.com"
    first = [step.command for step in blueprint(rich).steps if step.first]
    assert first[2] == f"gcloud services enable workflows.googleapis.com {project}\n{made} {project}"
    assert not any(made in step.command for step in blueprint(small).steps)
    strict = [step.command for step in blueprint(with_options(rich, hardening="strict")).steps if step.first]
    assert [line.split()[6] for line in strict[2].splitlines()[1:]] == [
        "workflows.googleapis.com", "artifactregistry.googleapis.com", "run.googleapis.com",
    ]  # fmt: skip


def test_every_service_that_is_used_is_turned_on_and_stays_on(rich: Deployment) -> None:
    made = blueprint(with_options(rich, hardening="strict"))
    services = {plain(one.arguments)["service"] for one in made.declarations if one.kind == "google_project_service"}
    assert services == {
        f"{name}.googleapis.com"
        for name in (
            "artifactregistry", "cloudbuild", "cloudfunctions", "cloudkms", "cloudscheduler", "compute", "dns", "iam",
            "logging", "monitoring", "run", "workflowexecutions", "workflows",
        )
    }  # fmt: skip
    for address in addresses(made, "google_project_service"):
        assert told(made, address)["disable_on_destroy"] is False


def test_nothing_of_this_machine_is_in_a_blueprint(rich: Deployment) -> None:
    made = blueprint(rich)
    texts = [one for each in made.declarations for value in each.arguments.values() for one in leaves(value)]
    assert not [one for one in texts if isinstance(one, str) and str(rich.root) in one]


@needs_offline
@pytest.mark.parametrize(("hardening", "subnets"), [("standard", ()), ("strict", (SUBNET,))])
def test_terraform_applies_all_of_it_in_two_environments_and_then_finds_nothing_to_do(
    write: Writer, tmp_path: Path, hardening: Hardening, subnets: tuple[str, ...]
) -> None:
    drafts: dict[str | None, Draft] = {}
    for environment in ("dev", "prod"):
        deployment = write(RICH, replace(PROVIDER, environment=environment, project_id=f"acme-{environment}"))
        deployment = with_options(deployment, hardening=hardening, subnets=subnets)
        drafts[environment] = Draft(deployment, blueprint(deployment), "")
    for path, content in files_of(drafts).items():
        (tmp_path / "made" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / path).write_bytes(content)
    assert formatted(tmp_path / "made") == ""
    for environment in ("dev", "prod"):
        files = (f"{environment}.tfvars", f"{environment}.image.tfvars")
        (tmp_path / "made" / files[1]).write_text(f'image = "{PLACEHOLDER}"\n')
        state = applied(tmp_path / "made", tmp_path / "state.json", *files)
        assert f"acme-lake-{environment}" in json.dumps(state)
