"""What Azure must hold for a pipeline, as data: accounts, jobs, identities, functions, schedules, networks, keys."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier.blueprint import Block, Declaration, Json, Ref, Text, Value, leaves
from glacier.config.deploy import Compute
from glacier.deployment.needs import DeclaredBucket, Keys, Stage
from glacier.errors import ConfigError, GlacierError, UnsupportedError
from glacier.generation.generate import Draft, draft, generate
from glacier.infrastructure.azure import functions
from glacier.infrastructure.azure.access import BATCH
from glacier.infrastructure.azure.clock import in_utc, offsets_of
from glacier.infrastructure.azure.conditions import BLOBS, DELETE, READ, WRITE, path_condition, read_condition
from glacier.infrastructure.azure.jobs import size
from glacier.loading import load_pipeline
from glacier.providers import AzureProvider
from glacier.runtime.coordinator import due
from glacier.schedules import Schedule, schedule_of
from terraform import applied, formatted, needs_offline

HEAD = """
import polars as pl
from glacier import Bucket, Serverless, pipeline, task
from glacier.config import AzureBlobConfig, AzureFunctionConfig, Compute, DeployConfig
from glacier.providers import AzureProvider, GCPProvider

azure = AzureProvider(
    subscription_id="00000000-0000-0000-0000-00000000000a", resource_group="data", storage_account="acmedata",
    location="norwayeast", name_prefix="acme-", tags={"team": "sales"},
)

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
def drop(target: Bucket) -> None:
    target.delete()

@task
def call(fn: Serverless) -> None:
    fn.invoke()
"""
SIMPLE = """
@pipeline
def sales():
    save(load(azure.bucket("raw", path="orders/2024.parquet")), azure.bucket("out", path="daily/"))
"""
STAGES = """
@pipeline(schedule={schedule!r}, timezone={timezone!r}, deploy=DeployConfig(retries=2, alert="data@acme.com"))
def sales():
    save(train(load(azure.bucket("raw", path="orders.parquet"))), azure.bucket("out", path="daily.parquet"))
"""
FUNCTION = """
@pipeline(deploy=DeployConfig({deploy}))
def sales():
    out = azure.bucket("out", path="daily/")
    call(azure.serverless("mailer", handler="process.handler", runtime="python3.12", reads=[out], {options}))
"""
SUBNET = "/subscriptions/s/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v/subnets/"

Make = Callable[[str], Draft]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Gives what makes the blueprint of a pipeline that a test writes; no package is fetched for functions."""
    modules: dict[str, ModuleType] = {}
    (tmp_path / "process.py").write_text("def handler(event, context):\n    return event\n")
    monkeypatch.setattr("glacier.deployment.packaging.packages_for", _no_packages)

    def made(body: str) -> Draft:
        name = f"azure_{len(modules)}_{tmp_path.name.replace('-', '_')}"
        file = tmp_path / f"{name}.py"
        file.write_text(HEAD + body)
        pipeline = load_pipeline(str(file))
        modules[name] = sys.modules[name]
        return draft(pipeline.plan(), pipeline.source(), tmp_path / "terraform")

    yield made
    for name in modules:
        sys.modules.pop(name, None)


def _no_packages(*_: object) -> dict[str, bytes]:
    return {}


def of(made: Draft, kind: str, name: str | None = None) -> Declaration:
    """Gives the one declaration of a kind, or the one that has a name."""
    (found,) = [one for one in every(made, kind) if name in (None, one.name)]
    return found


def every(made: Draft, kind: str) -> list[Declaration]:
    return [one for one in made.blueprint.declarations if one.kind == kind]


def inside(value: Value, *path: str) -> Any:
    """Gives an argument by its path through blocks."""
    for step in path:
        assert isinstance(value, Block)
        value = value.arguments[step]
    return value


def container(job: Declaration) -> dict[str, Any]:
    return dict(inside(job.arguments["template"], "container").arguments)


def variables(job: Declaration) -> dict[str, Any]:
    return {inside(one, "name"): inside(one, "value") for one in container(job)["env"]}


def refused(make: Make, body: str) -> str:
    with pytest.raises(GlacierError) as caught:
        make(body)
    assert isinstance(caught.value, ConfigError | UnsupportedError)
    assert caught.value.fix
    return caught.value.message


def test_a_stage_is_a_job_with_an_identity_and_the_command_that_its_process_takes(make: Make) -> None:
    job = of(make(SIMPLE), "azurerm_container_app_job")
    assert job.name == "main"
    assert job.arguments["name"] == "acme-sales-main"
    assert job.arguments["replica_timeout_in_seconds"] == 3900  # the process ends itself at its limit, and records it
    assert job.arguments["schedule_trigger_config"] is None
    told = container(job)
    assert told["command"] == ("python",)
    assert told["args"][:2] == ("-m", "glacier.runtime")
    assert told["args"][3:] == (
        "--stage", "main", "--records", "abfss://acme-sales-runs@acmedata.dfs.core.windows.net",
    )  # fmt: skip
    assert variables(job)["AZURE_CLIENT_ID"] == Ref("azurerm_user_assigned_identity", "stage_main", ("client_id",))
    assert inside(job.arguments["identity"], "identity_ids") == (
        Ref("azurerm_user_assigned_identity", "stage_main", ("id",)),
    )
    assert job.after == (Ref("azurerm_role_assignment", "stage_main_pulls_images", ()),)


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        (0.25, 512, ("Consumption", 0.25, 0.5)),
        (1, 2048, ("Consumption", 1, 2)),
        (1, 3000, ("Consumption", 1.5, 3)),
        (0.3, 512, ("Consumption", 0.5, 1)),
        (4, 8192, ("Consumption", 4, 8)),
        (1, 8193, ("D4", 1, 8.01)),
        (3, 20_480, ("E4", 3, 20)),
        (4, 16_384, ("D8", 4, 16)),
        (16, 131_072, ("E32", 16, 128)),
    ],
)
def test_a_machine_is_the_smallest_that_holds_what_is_asked_for(
    make: Make, cpu: float, memory: int, expected: tuple[str, float, float]
) -> None:
    stage = Stage("main", Compute(cpu=cpu, memory=memory), ())
    assert size(make(SIMPLE).deployment, stage) == expected


def test_a_machine_that_azure_does_not_have_is_refused(make: Make) -> None:
    body = "@pipeline(deploy=DeployConfig(compute=Compute(cpu=64, memory=4096)))" + SIMPLE.replace("@pipeline", "", 1)
    assert "it asks for 64 CPUs and 4,096 MiB" in refused(make, body)


def test_an_account_is_closed_to_the_public_and_to_keys(make: Make) -> None:
    made = make(SIMPLE)
    account = of(made, "azurerm_storage_account")
    assert account.keeps_data
    assert {
        name: account.arguments[name]
        for name in (
            "min_tls_version", "https_traffic_only_enabled", "allow_nested_items_to_be_public",
            "shared_access_key_enabled", "local_user_enabled", "account_replication_type",
        )
    } == {
        "min_tls_version": "TLS1_2",
        "https_traffic_only_enabled": True,
        "allow_nested_items_to_be_public": False,
        "shared_access_key_enabled": False,
        "local_user_enabled": False,
        "account_replication_type": "ZRS",
    }  # fmt: skip
    assert inside(account.arguments["blob_properties"], "versioning_enabled") is True
    assert inside(account.arguments["blob_properties"], "delete_retention_policy", "days") == 7
    for one in every(made, "azurerm_storage_container"):
        assert one.keeps_data
        assert one.arguments["container_access_type"] == "private"


def test_an_account_is_what_the_configs_of_its_containers_agree_on(make: Make) -> None:
    body = """
@pipeline
def sales():
    raw = azure.bucket("raw", path="a.parquet", config=AzureBlobConfig(redundancy="GRS", soft_delete_days=30))
    save(load(raw), azure.bucket("out", path="b.parquet", config=AzureBlobConfig(redundancy="GRS", soft_delete_days=5)))
"""
    account = of(make(body), "azurerm_storage_account")
    assert account.arguments["account_replication_type"] == "GRS"
    assert inside(account.arguments["blob_properties"], "delete_retention_policy", "days") == 30
    assert "CKV_AZURE_206" not in {waiver.rule for waiver in account.waivers}
    assert refused(make, body.replace('redundancy="GRS", soft_delete_days=5', 'redundancy="LRS"')) == (
        "buckets `out` and `raw` are in storage account `acmedata`, which has one redundancy, "
        'and ask for "LRS" and "GRS"'
    )


def test_blobs_move_and_go_as_the_config_of_their_container_says(make: Make) -> None:
    body = """
@pipeline
def sales():
    rules = [{"days": 30, "transition": "Cool"}, {"days": 60, "transition": "Cold", "prefix": "daily/"},
             {"days": 365, "expiration": True}]
    out = azure.bucket("out", path="b.parquet", config=AzureBlobConfig(versioning=True, lifecycle_rules=rules))
    save(load(azure.bucket("raw", path="a.parquet")), out)
"""
    policy = of(make(body), "azurerm_storage_management_policy")
    told = {
        inside(rule, "name"): (
            inside(rule, "filters", "prefix_match"),
            {kind: dict(block.arguments) for kind, block in inside(rule, "actions").arguments.items()},
        )
        for rule in cast("tuple[Block, ...]", policy.arguments["rule"])
    }
    modified = "after_days_since_modification_greater_than"
    assert told == {
        "acme-sales-runs-delete-90": (("acme-sales-runs/",), {"base_blob": {f"delete_{modified}": 90}}),
        "acme-out-cool-30": (("acme-out/",), {"base_blob": {f"tier_to_cool_{modified}": 30}}),
        "acme-out-cold-60-daily": (("acme-out/daily/",), {"base_blob": {f"tier_to_cold_{modified}": 60}}),
        "acme-out-delete-365": (("acme-out/",), {"base_blob": {f"delete_{modified}": 365}}),
        "versions-1": (("acme-sales-runs/", "acme-raw/"), {"version": {"delete_after_days_since_creation": 30}}),
    }
    (_, rule) = cast("tuple[Block, ...]", of(make(SIMPLE), "azurerm_storage_management_policy").arguments["rule"])
    assert (inside(rule, "name"), inside(rule, "filters", "prefix_match")) == ("versions", None)


def test_more_rules_than_an_account_takes_are_refused(make: Make) -> None:
    body = """
@pipeline
def sales():
    rules = [{"days": days, "expiration": True, "prefix": f"{days}/"} for days in range(1, 100)]
    out = azure.bucket("out", path="b.parquet", config=AzureBlobConfig(lifecycle_rules=rules))
    save(load(azure.bucket("raw", path="a.parquet")), out)
"""
    assert "takes 100 lifecycle rules for storage account `acmedata`, and its buckets have 101" in refused(make, body)


def test_an_existing_container_and_its_account_are_looked_up_and_nothing_of_the_account_is_set(make: Make) -> None:
    body = SIMPLE.replace('path="orders/2024.parquet"', 'path="orders/2024.parquet", existing=True')
    made = make(body)
    assert of(made, "azurerm_storage_account").looked_up
    assert of(made, "azurerm_storage_container", "raw").looked_up
    assert of(made, "azurerm_storage_container", "raw").arguments["name"] == "raw"
    assert not of(made, "azurerm_storage_container", "out").looked_up
    assert every(made, "azurerm_storage_management_policy") == []
    assert any("`acmedata` is there already" in note for note in made.blueprint.notes)
    configured = body.replace('path="daily/"', 'path="daily/", config=AzureBlobConfig(versioning=True)')
    assert "Azure keeps bucket `out` as its storage account `acmedata` says" in refused(make, configured)


def test_an_account_that_another_pipeline_makes_is_looked_up(make: Make) -> None:
    body = 'azure = AzureProvider(resource_group="data", storage_account="acmedata", existing_account=True)\n' + SIMPLE
    made = make(body)
    assert of(made, "azurerm_storage_account").looked_up
    assert not any(one.looked_up for one in every(made, "azurerm_storage_container"))
    assert "not said in which resource group" in refused(make, body.replace('resource_group="data", ', ""))


def test_a_resource_group_is_made_where_the_code_names_none(make: Make) -> None:
    without = make('azure = AzureProvider(storage_account="acmedata")\n' + SIMPLE)
    group = of(without, "azurerm_resource_group")
    assert not group.looked_up
    assert group.arguments["name"] == "sales"
    named = make(SIMPLE)
    assert of(named, "azurerm_resource_group").looked_up
    rights = (
        "Who applies this makes role definitions and assignments: Owner, or Contributor and User Access Administrator,"
    )
    of_the_subscription, of_the_group = without.blueprint.notes[1], named.blueprint.notes[1]
    assert of_the_subscription == f"{rights} of the subscription, in which the resource group is made."
    assert of_the_group == (
        f"{rights} of the resource group. Services that the subscription does not know yet are registered, which "
        "takes Contributor of the subscription the first time."
    )


BUCKET = DeclaredBucket("raw", "acme-raw", None)
_ALL = Keys("", below=True)


def test_conditions_name_the_very_blobs() -> None:
    path, prefix = f"@Resource[{BLOBS}:path]", f"@Request[{BLOBS}:prefix]"
    reads, lists = (
        f"!(ActionMatches{{'{READ}'}} AND NOT SubOperationMatches{{'Blob.List'}})",
        f"!(ActionMatches{{'{READ}'}} AND SubOperationMatches{{'Blob.List'}})",
    )
    assert path_condition(BUCKET, WRITE, [Keys("a.csv")]) == (
        f"((!(ActionMatches{{'{WRITE}'}})) OR ({path} StringEquals 'a.csv'))"
    )
    assert path_condition(BUCKET, DELETE, [Keys("a", below=False), Keys("b"), Keys("c/", below=True)]) == (
        f"((!(ActionMatches{{'{DELETE}'}})) OR ({path} ForAnyOfAnyValues:StringEquals {{'a', 'b'}} OR "
        f"{path} StringStartsWith 'c/'))"
    )
    assert path_condition(BUCKET, WRITE, [Keys("a*/", below=True), Keys("b/", below=True)]) == (
        f"((!(ActionMatches{{'{WRITE}'}})) OR ({path} ForAnyOfAnyValues:StringLike {{'a\\*/*', 'b/*'}}))"
    )
    assert read_condition(BUCKET, [Keys("a.csv")], [Keys("a.csv")]) == (
        f"(({reads}) OR ({path} StringEquals 'a.csv')) AND (({lists}) OR ({prefix} StringEquals 'a.csv/'))"
    )
    assert read_condition(BUCKET, [Keys("a.csv")], []) == f"(({reads}) OR ({path} StringEquals 'a.csv')) AND ({lists})"
    assert read_condition(BUCKET, [_ALL], [_ALL]) is None
    assert read_condition(BUCKET, [_ALL], [Keys("a/", below=True)]) == (
        f"(({lists}) OR ({prefix} StringStartsWith 'a/'))"
    )
    assert path_condition(BUCKET, WRITE, [Keys("a"), _ALL]) is None


def test_what_no_condition_can_say_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no quotation mark"):
        path_condition(BUCKET, WRITE, [Keys("it's.csv")])
    with pytest.raises(UnsupportedError, match=r"bytes, and it takes 8,192"):
        path_condition(BUCKET, WRITE, [Keys(f"orders/{number:040}.parquet") for number in range(200)])


def test_a_role_is_assigned_once_on_a_container_and_holds_no_right_to_delete_it(make: Make) -> None:
    made = make(SIMPLE)
    assignments = every(made, "azurerm_role_assignment")
    keys = [(str(one.arguments["scope"]), str(one.arguments["principal_id"]), _role(one)) for one in assignments]
    assert len({*keys}) == len(keys)  # Azure takes no second assignment of a role on a scope, whatever its condition
    held = {
        one.name: (
            inside(one.arguments["permissions"], "actions"),
            inside(one.arguments["permissions"], "data_actions"),
        )
        for one in every(made, "azurerm_role_definition")
    }
    assert held == {"reader": (None, (READ,)), "writer": (None, (WRITE,)), "deleter": ((BATCH,), (DELETE,))}


def _role(assignment: Declaration) -> str:
    return str(assignment.arguments["role_definition_name"] or assignment.arguments["role_definition_id"])


def test_every_permission_is_told_with_the_line_that_needs_it(make: Make) -> None:
    told = {(one.actions[0], one.scope): one for one in make(SIMPLE).blueprint.permissions}
    read = told["blobs/read", "acmedata/acme-raw/orders/2024.parquet"]
    line = next(number for number, text in enumerate((HEAD + SIMPLE).splitlines(), 1) if "save(load" in text)
    assert [cause.what for cause in read.because] == ["load reads raw/orders/2024.parquet"]
    assert read.because[0].where.endswith(f":{line}")
    assert ("blobs/delete", "acmedata/acme-out/daily/*") in told
    assert (BATCH, "acmedata/acme-out") in told


def test_no_key_and_no_password_is_anywhere(make: Make) -> None:
    body = FUNCTION.format(deploy='hardening="strict"', options="")
    for one in make(body).blueprint.declarations:
        for part in (leaf for value in one.arguments.values() for leaf in leaves(value)):
            if isinstance(part, Ref):
                attribute = part.path[-1] if part.path else ""
                assert "key" not in str(attribute), one.address
                assert "password" not in str(attribute), one.address
        assert one.arguments.get("shared_access_key_enabled") in (None, False)
        assert one.arguments.get("admin_enabled") in (None, False)
        assert one.arguments.get("local_authentication_enabled") in (None, False)


def test_a_schedule_in_utc_is_the_trigger_of_the_job(make: Make) -> None:
    body = SIMPLE.replace("@pipeline", '@pipeline(schedule="0 6 * * MON", timezone="Asia/Tokyo")')
    made = make(body)
    job = of(made, "azurerm_container_app_job")
    assert inside(job.arguments["schedule_trigger_config"], "cron_expression") == "0 21 * * 0"
    assert job.arguments["manual_trigger_config"] is None


def test_a_schedule_in_a_zone_with_daylight_saving_is_a_job_that_looks_at_the_clock(make: Make) -> None:
    made = make(SIMPLE.replace("@pipeline", '@pipeline(schedule="30 5 * * *", timezone="Europe/Oslo")'))
    scheduler, main = (of(made, "azurerm_container_app_job", name) for name in ("scheduler", "main"))
    assert inside(scheduler.arguments["schedule_trigger_config"], "cron_expression") == "30 3,4 * * *"
    assert main.arguments["schedule_trigger_config"] is None
    args = container(scheduler)["args"]
    assert args[:5] == ("-m", "glacier.runtime.coordinator", "start", "--job", main.ref("id"))
    assert args[5:] == ("--schedule", "30 5 * * *", "--timezone", "Europe/Oslo", "--started-by", "30 3,4 * * *")
    rights = [one for one in every(made, "azurerm_role_assignment") if one.name.startswith("scheduler_starts")]
    assert [one.arguments["scope"] for one in rights] == [main.ref("id")]
    starter = of(made, "azurerm_role_definition", "starter")
    assert inside(starter.arguments["permissions"], "actions") == ("Microsoft.App/jobs/start/action",)
    assert any("UTC" in note and "30 3,4 * * *" in note for note in made.blueprint.notes)


def test_attempts_have_one_deadline_which_leaves_each_its_own_time(make: Make) -> None:
    body = SIMPLE.replace("@pipeline", "@pipeline(deploy=DeployConfig(timeout=600, retries=2))")
    job = of(make(body), "azurerm_container_app_job")
    assert (job.arguments["replica_timeout_in_seconds"], job.arguments["replica_retry_limit"]) == (3 * 900, 2)
    assert variables(job)["GLACIER_TIMEOUT"] == "600"
    made = make(STAGES.format(schedule="0 6 * * *", timezone="UTC"))
    jobs = {one.name: one.arguments["replica_timeout_in_seconds"] for one in every(made, "azurerm_container_app_job")}
    stage = 3 * 3900
    coordinator = 3 * (stage + 600)  # three stages in a row, each of which takes some time to be started
    assert jobs == {"main": stage, "train": stage, "save": stage, "coordinator": coordinator}


def test_several_stages_have_a_coordinator_that_may_do_nothing_but_start_them(make: Make) -> None:
    made = make(STAGES.format(schedule="0 6 * * *", timezone="UTC"))
    coordinator = of(made, "azurerm_container_app_job", "coordinator")
    assert inside(coordinator.arguments["schedule_trigger_config"], "cron_expression") == "0 6 * * *"
    plan = container(coordinator)["args"][-1]
    assert isinstance(plan, Json)
    assert plan.document == {
        name: {"job": Ref("azurerm_container_app_job", identifier, ("id",)), "after": after}
        for name, identifier, after in (
            ("main", "main", ()), ("train", "train", ("main",)), ("save", "save", ("train",)),
        )
    }  # fmt: skip
    assert all(
        one.arguments["schedule_trigger_config"] is None
        for one in every(made, "azurerm_container_app_job")
        if one is not coordinator
    )
    rights = [one for one in every(made, "azurerm_role_assignment") if one.name.startswith("coordinator_")]
    assert {one.name for one in rights} == {
        "coordinator_pulls_images", "coordinator_starts_main", "coordinator_starts_train", "coordinator_starts_save",
    }  # fmt: skip
    holders = {one.holder for one in made.blueprint.permissions if "Microsoft.App/jobs/start/action" in one.actions}
    assert holders == {"coordinator"}
    profiles = cast("tuple[Block, ...]", of(made, "azurerm_container_app_environment").arguments["workload_profile"])
    assert [inside(one, "name") for one in profiles] == ["Consumption", "D8"]


def test_failures_of_what_is_started_are_told_by_mail(make: Make) -> None:
    made = make(STAGES.format(schedule="30 5 * * *", timezone="Europe/Oslo"))
    rule = of(made, "azurerm_monitor_scheduled_query_rules_alert_v2")
    query = inside(rule.arguments["criteria"], "query")
    assert 'JobName in ("acme-sales-coordinator", "acme-sales-scheduler")' in query
    receiver = of(made, "azurerm_monitor_action_group").arguments["email_receiver"]
    assert inside(receiver, "email_address") == "data@acme.com"
    assert every(make(SIMPLE), "azurerm_monitor_action_group") == []


def test_a_function_is_an_app_that_lets_in_the_stages_that_invoke_it(make: Make) -> None:
    made = make(FUNCTION.format(deploy="", options='env={"LEVEL": "[info", "TO": "x"}'))
    app = of(made, "azurerm_resource_group_template_deployment")
    template = cast("Any", app.arguments["template_content"]).document
    site, signing_in, *policies = template["resources"]
    assert site["name"] == "acme-mailer"
    assert site["properties"]["httpsOnly"] is True
    assert site["properties"]["functionAppConfig"]["runtime"] == {"name": "python", "version": "3.12"}
    told = {one["name"]: one["value"] for one in site["properties"]["siteConfig"]["appSettings"]}
    assert told["LEVEL"] == "[[info"  # a template would take it for an expression
    assert told["AzureWebJobsStorage__credential"] == "managedidentity"
    assert "AzureWebJobsStorage" not in told
    allowed = signing_in["properties"]["identityProviders"]["azureActiveDirectory"]["validation"]
    assert allowed["defaultAuthorizationPolicy"]["allowedPrincipals"]["identities"] == ("[parameters('caller1')]",)
    assert signing_in["properties"]["globalValidation"]["unauthenticatedClientAction"] == "Return401"
    assert [one["properties"] for one in policies] == [{"allow": False}, {"allow": False}]
    given = cast("Any", app.arguments["parameters_content"]).document
    assert given["caller1"]["value"] == Ref("azurerm_user_assigned_identity", "stage_main", ("principal_id",))
    audience = variables(of(made, "azurerm_container_app_job"))[functions.AUDIENCES]
    assert audience.document == {"mailer": Text(("api://", Ref("azuread_application", "mailer", ("client_id",))))}
    assert [one.name for one in made.blueprint.plugins] == ["azurerm", "azuread"]
    held = {(one.holder, one.actions[0], one.scope) for one in made.blueprint.permissions}
    assert ("stage main", "invoke", "function acme-mailer") in held
    assert ("function mailer", "blobs/read", "acmedata/acme-out/daily/*") in held
    assert ("function mailer", "blobs/write", "acmedata/acme-out/daily/*") not in held


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('config=AzureFunctionConfig(plan="premium")', "a file share, which is opened with an account key"),
        ('config=AzureFunctionConfig(plan="consumption")', "a file share, which is opened with an account key"),
        ('env={"AZURE_CLIENT_ID": "x"}', "sets AZURE_CLIENT_ID, which its app in Azure is told by Glacier"),
        ('env={"AzureWebJobsStorage": "x"}', "sets AzureWebJobsStorage"),
    ],
)
def test_a_function_that_flex_consumption_cannot_run_is_refused(make: Make, options: str, said: str) -> None:
    assert said in refused(make, FUNCTION.format(deploy="", options=options))


def test_a_function_on_another_python_or_elsewhere_is_refused(make: Make) -> None:
    body = FUNCTION.format(deploy="", options="")
    assert "Flex Consumption has `3.10`, `3.11`, `3.12`, `3.13`" in refused(
        make, body.replace("python3.12", "python3.9")
    )
    elsewhere = body.replace(
        "call(azure.serverless",
        "load(out)\n    call(AzureProvider(storage_account='other', location='westeurope').serverless",
    )
    assert 'it is in "westeurope", and the pipeline in "norwayeast"' in refused(make, elsewhere)


def test_strict_hardening_closes_the_network_and_encrypts_with_a_key_of_ones_own(make: Make) -> None:
    made = make(FUNCTION.format(deploy='hardening="strict", log_retention_days=30', options=""))
    accounts = every(made, "azurerm_storage_account")
    endpoints = every(made, "azurerm_private_endpoint")
    assert {one.name for one in accounts} == {one.name for one in endpoints} == {"acmedata", "function_mailer"}
    for one in accounts:
        assert one.arguments["public_network_access_enabled"] is False
        assert inside(one.arguments["network_rules"], "default_action") == "Deny"
        assert inside(one.arguments["customer_managed_key"], "user_assigned_identity_id").name == "encryption"
        assert {waiver.rule for waiver in one.waivers} <= {"CKV_AZURE_33", "CKV_AZURE_206"}
    vault = of(made, "azurerm_key_vault")
    assert vault.keeps_data
    assert vault.arguments["public_network_access_enabled"] is False
    key, wait = of(made, "azurerm_resource_group_template_deployment", "key"), of(made, "time_sleep")
    assert key.keeps_data
    assert wait.after == (of(made, "azurerm_role_assignment", "encryption_uses_key").ref(),)
    assert all({wait.ref(), key.ref()} <= {*one.after} for one in accounts)
    assert of(made, "azurerm_log_analytics_workspace").arguments["retention_in_days"] == 365
    assert of(made, "azurerm_container_registry").arguments["sku"] == "Premium"
    logged = of(made, "azurerm_monitor_diagnostic_setting", "blobs_of_acmedata")
    assert inside(cast("tuple[Block, ...]", logged.arguments["enabled_log"])[1], "category") == "StorageRead"
    environment = of(made, "azurerm_container_app_environment")
    assert environment.arguments["infrastructure_subnet_id"] == Ref("azurerm_subnet", "jobs", ("id",))
    app = cast("Any", of(made, "azurerm_resource_group_template_deployment", "function_mailer").arguments)
    site = app["template_content"].document["resources"][0]["properties"]
    assert site["virtualNetworkSubnetId"] == "[parameters('subnet')]"
    assert site["siteConfig"]["ipSecurityRestrictionsDefaultAction"] == "Deny"


def test_functions_take_requests_of_jobs_only_in_a_closed_network_and_know_their_subnet_by_its_endpoint(
    make: Make,
) -> None:
    made = make(FUNCTION.format(deploy='hardening="strict"', options=""))
    site, given = restrictions(made)
    assert site["ipSecurityRestrictionsDefaultAction"] == "Deny"
    assert [one["vnetSubnetResourceId"] for one in site["ipSecurityRestrictions"]] == ["[parameters('jobs')]"]
    assert given["jobs"]["value"] == Ref("azurerm_subnet", "jobs", ("id",))
    known = {one.name: one.arguments["service_endpoint"] for one in every(made, "azurerm_subnet")}
    assert known == {"jobs": Block({"service": "Microsoft.Web"}), "functions": None, "endpoints": None}
    without = make(SIMPLE.replace("@pipeline", '@pipeline(deploy=DeployConfig(hardening="strict"))'))
    assert of(without, "azurerm_subnet", "jobs").arguments["service_endpoint"] is None

    own = [f"{SUBNET}{name}" for name in ("jobs", "functions", "endpoints")]
    made = make(FUNCTION.format(deploy=f'hardening="strict", subnets={own}', options=""))
    site, given = restrictions(made)
    assert given["jobs"]["value"] == own[0]
    assert len([note for note in made.blueprint.notes if "--service-endpoints Microsoft.Web" in note]) == 1

    made = make(FUNCTION.format(deploy=f"subnets={own[:2]}", options=""))
    site, given = restrictions(made)
    assert not {"ipSecurityRestrictions", "ipSecurityRestrictionsDefaultAction"} & set(site)
    assert "jobs" not in given
    assert given["subnet"]["value"] == own[1]
    assert not any("--service-endpoints" in note for note in made.blueprint.notes)


def test_a_network_is_whole_before_anything_is_put_into_it(make: Make) -> None:
    made = make(FUNCTION.format(deploy='hardening="strict"', options=""))
    guarded = every(made, "azurerm_subnet_network_security_group_association")
    whole = {one.ref() for one in guarded}
    assert {one.name for one in guarded} == {"jobs", "functions", "endpoints"}
    inside_it = [
        of(made, "azurerm_container_app_environment"),
        of(made, "azurerm_resource_group_template_deployment", "function_mailer"),
        *every(made, "azurerm_private_endpoint"),
    ]
    assert len(inside_it) == 4
    for one in inside_it:
        assert whole <= {*one.after}


def restrictions(made: Draft) -> tuple[dict[str, Any], dict[str, Any]]:
    """Gives what the function's site is configured with, and the parameters of its template."""
    told = cast("Any", of(made, "azurerm_resource_group_template_deployment", "function_mailer").arguments)
    site = told["template_content"].document["resources"][0]["properties"]["siteConfig"]
    return site, told["parameters_content"].document


def test_strict_hardening_makes_no_key_and_no_address_that_nothing_would_use(make: Make) -> None:
    shared = (
        'AzureProvider(resource_group="shared", storage_account="shared", location="norwayeast", existing_account=True)'
    )
    strict = SIMPLE.replace("@pipeline", '@pipeline(deploy=DeployConfig(hardening="strict"))')
    made = make(f"azure = {shared}\n{strict}")
    assert {one.name for one in every(made, "azurerm_subnet")} == {"jobs"}
    kinds = {one.kind for one in made.blueprint.declarations}
    assert not {"azurerm_key_vault", "azurerm_private_dns_zone", "azurerm_private_endpoint"} & kinds
    assert "encryption" not in {one.name for one in every(made, "azurerm_user_assigned_identity")}
    assert not any("network only" in note or "key vault" in note for note in made.blueprint.notes)
    own = make(f"azure = {shared}\n" + strict.replace('strict"', f'strict", subnets=["{SUBNET}jobs"]'))
    assert of(own, "azurerm_container_app_environment").arguments["infrastructure_subnet_id"] == f"{SUBNET}jobs"

    key = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/acmekeys/keys/data"
    named = make(strict.replace('path="daily/"', f'path="daily/", config=AzureBlobConfig(key_vault_key="{key}")'))
    assert every(named, "azurerm_key_vault") == []
    assert of(named, "azurerm_private_endpoint").name == "acmedata"


def test_subnets_of_ones_own_are_used_as_they_are_needed(make: Make) -> None:
    given = [f"{SUBNET}{name}" for name in ("jobs", "functions", "endpoints")]
    body = FUNCTION.format(deploy=f'hardening="strict", subnets={given}', options="")
    made = make(body)
    assert every(made, "azurerm_virtual_network") == []
    assert of(made, "azurerm_container_app_environment").arguments["infrastructure_subnet_id"] == given[0]
    assert of(made, "azurerm_private_endpoint", "acmedata").arguments["subnet_id"] == given[2]
    link = of(made, "azurerm_private_dns_zone_virtual_network_link")
    assert link.arguments["virtual_network_id"] == SUBNET.removesuffix("/subnets/")
    assert refused(make, body.replace('hardening="strict", ', "")) == (
        "Azure runs pipeline `sales` in 2 subnets, since each belongs to one service: one for jobs, one for functions; "
        "3 are given"
    )
    assert "Azure has no subnet `main`" in refused(make, SIMPLE.replace(
        "@pipeline", '@pipeline(deploy=DeployConfig(subnets=["main"]))'
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("key", "scope"),
    [
        (
            "https://acmekeys.vault.azure.net/keys/data/0123abcd",
            Text((Ref("azurerm_resources", "acmekeys", ("resources", 0, "id"), looked_up=True), "/keys/data")),
        ),
        (
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/acmekeys/keys/data",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/acmekeys/keys/data",
        ),
    ],
)
def test_a_key_that_the_code_names_encrypts_and_may_be_used_for_that(make: Make, key: str, scope: Value) -> None:
    config = f'path="daily/", config=AzureBlobConfig(key_vault_key="{key}")'
    made = make(SIMPLE.replace('path="daily/"', config))
    account = of(made, "azurerm_storage_account")
    use = of(made, "azurerm_role_assignment", "encryption_uses_acmekeys_data")
    assert use.arguments["scope"] == scope
    wait = of(made, "time_sleep")
    assert (account.after, wait.after) == ((wait.ref(),), (use.ref(),))
    assert [one.name for one in made.blueprint.plugins] == ["azurerm", "time"]
    assert every(make(SIMPLE), "time_sleep") == []
    told = inside(account.arguments["customer_managed_key"], "key_vault_key_id")
    assert told.startswith("https://acmekeys.vault.azure.net/keys/data")
    assert "which is no key of Key Vault" in refused(make, SIMPLE.replace('path="daily/"', config.replace(key, "mine")))


def test_what_lies_in_another_cloud_or_subscription_is_refused(make: Make) -> None:
    other = 'AzureProvider(subscription_id="00000000-0000-0000-0000-00000000000b", storage_account="other")'
    assert "in another" in refused(make, SIMPLE.replace('azure.bucket("out"', f'{other}.bucket("out"'))
    told = refused(make, SIMPLE.replace('azure.bucket("out"', 'GCPProvider(project_id="p-1").bucket("out"'))
    assert "GCPProvider" in told


def test_long_names_of_jobs_end_in_a_digest_and_a_name_with_other_characters_is_refused(make: Make) -> None:
    long = SIMPLE.replace("@pipeline", '@pipeline(name="sales of every shop in the north")')
    name = cast("str", of(make(long), "azurerm_container_app_job").arguments["name"])
    assert name == "acme-sales-of-every-sho-938ab151"
    digit = 'azure = AzureProvider(storage_account="acmedata", name_prefix="3m-")\n' + SIMPLE
    assert "and Azure takes lower-case letters, digits and single hyphens" in refused(make, digit)


RICH = """
shared = AzureProvider(resource_group="shared", storage_account="acmeshared", location="norwayeast")

@pipeline(schedule="30 5 * * MON-FRI", timezone="Europe/Oslo", deploy=DeployConfig(
    timeout=7200, retries=2, alert="data@acme.com", log_retention_days=731, {deploy}))
def sales():
    out = azure.bucket("out", path="daily/", config=AzureBlobConfig(
        redundancy="GRS", soft_delete_days=30, {key}
        lifecycle_rules=[{{"days": 30, "transition": "Cool"}}, {{"days": 365, "expiration": True}}]))
    save(train(load(shared.bucket("raw", path="orders/", existing=True))), out)
    call(azure.serverless("mailer", handler="process.handler", runtime="python3.12", reads=[out], env={{"A": "[b"}}))
"""


@needs_offline
@pytest.mark.parametrize(
    ("deploy", "key"),
    [
        ("", 'key_vault_key="/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/acme/keys/data",'),
        ('hardening="strict"', ""),
        (f'hardening="strict", subnets={[f"{SUBNET}{name}" for name in ("a", "b", "c")]}', ""),
    ],
    ids=["key", "strict", "subnets"],
)
def test_terraform_applies_all_that_there_is(make: Make, tmp_path: Path, deploy: str, key: str) -> None:
    made = make(RICH.format(deploy=deploy, key=key))
    folder = tmp_path / "made"
    generate({None: made}, folder)
    assert formatted(folder) == ""
    assert applied(folder, tmp_path / "state.json")


def test_environments_have_the_same_addresses(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "import os\nname = 'acmedata' + os.environ['GLACIER_ENVIRONMENT']\n"
    body = own + RICH.format(deploy='hardening="strict"', key="").replace(
        "def sales():", "def sales():\n    azure = AzureProvider(storage_account=name, location='norwayeast')"
    )
    found: list[set[str]] = []
    for environment in ("dev", "prod"):
        monkeypatch.setenv("GLACIER_ENVIRONMENT", environment)
        made = make(body)
        assert of(made, "azurerm_storage_account", "acmedata").arguments["name"] == f"acmedata{environment}"
        found.append({one.address for one in made.blueprint.declarations})
    assert found[0] == found[1]


def test_a_vault_begins_with_a_letter_where_its_account_does_not(make: Make) -> None:
    body = SIMPLE.replace("@pipeline", '@pipeline(deploy=DeployConfig(hardening="strict"))')
    made = make('azure = AzureProvider(storage_account="3acme")\n' + body)
    assert str(of(made, "azurerm_key_vault").arguments["name"]).startswith("a3acme")


def test_a_task_more_changes_no_address(make: Make) -> None:
    before = {one.address for one in make(SIMPLE).blueprint.declarations}
    more = SIMPLE + '    save(load(azure.bucket("more", path="a.parquet")), azure.bucket("also", path="b.parquet"))\n'
    after = {one.address for one in make(more).blueprint.declarations}
    assert before < after


def test_a_tag_that_azure_does_not_take_is_refused(make: Make) -> None:
    body = 'azure = AzureProvider(storage_account="acmedata", tags={"a/b": "c"})\n' + SIMPLE
    assert "Azure takes no tag `a-b` as it is" in refused(make, body)


ZONES = ("UTC", "Europe/Oslo", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Auckland")


@settings(max_examples=120, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    minute=st.sampled_from(["0", "30", "*/15", "59"]),
    hour=st.sampled_from(["*", "0", "5", "23", "1-3", "*/6"]),
    day=st.sampled_from(["*", "1", "28-31", "15"]),
    month=st.sampled_from(["*", "3", "10,12"]),
    weekday=st.sampled_from(["*", "MON-FRI", "SUN"]),
    first=st.sampled_from(
        [datetime(2025, 3, 29, tzinfo=UTC), datetime(2025, 10, 25, tzinfo=UTC), datetime(2024, 2, 28, tzinfo=UTC),
         datetime(2025, 11, 1, tzinfo=UTC), datetime(2025, 4, 5, tzinfo=UTC), datetime(2025, 12, 30, tzinfo=UTC)]
    ),
)  # fmt: skip
def test_a_schedule_comes_at_just_its_moments_by_way_of_utc(
    zone: str, minute: str, hour: str, day: str, month: str, weekday: str, first: datetime
) -> None:
    schedule = schedule_of(f"{minute} {hour} {day} {month} {weekday}", zone)
    utc, same = in_utc(schedule)
    again = schedule_of(utc.cron)
    for moment in (first + timedelta(minutes=5 * step + offset) for step in range(864) for offset in (0, 4)):
        wanted = schedule.has(moment)
        started = again.has(moment)
        assert started or not wanted, (schedule.text, zone, utc.cron, moment)
        runs = started if same else started and due(schedule, again, moment + timedelta(seconds=90)) is not None
        assert runs == wanted, (schedule.text, zone, utc.cron, moment, same)


@pytest.mark.parametrize(
    ("cron", "zone", "expected"),
    [
        ("0 * * * *", "Europe/Oslo", ("0 * * * *", True)),
        ("0 6 * * *", "UTC", ("0 6 * * *", True)),
        ("30 5 * * MON-FRI", "Asia/Tokyo", ("30 20 * * 0-4", True)),
        ("0 0 1 * *", "Asia/Tokyo", ("0 15 28-31 * *", False)),
        ("*/15 9-17 * * *", "Asia/Kolkata", ("0,15,30,45 3-12 * * *", False)),
        ("0 0 1 1 *", "America/New_York", ("0 4,5 1 1 *", False)),
    ],
)
def test_a_cron_expression_in_utc_is_the_same_or_wider(cron: str, zone: str, expected: tuple[str, bool]) -> None:
    utc, same = in_utc(schedule_of(cron, zone))
    assert (utc.cron, same) == expected
    assert isinstance(utc, Schedule)


def test_offsets_are_those_of_all_seasons() -> None:
    assert offsets_of("Australia/Lord_Howe") == [630, 660]
    assert offsets_of("UTC") == [0]


def test_the_provider_says_whether_its_account_is_there() -> None:
    assert AzureProvider(storage_account="acmedata").existing_account is False
    with pytest.raises(ConfigError, match="existing_account=True or False"):
        AzureProvider(storage_account="acmedata", existing_account=cast("bool", "yes"))


def test_settings_of_jobs_are_json_that_any_process_reads(make: Make) -> None:
    told = variables(of(make(SIMPLE), "azurerm_container_app_job"))["GLACIER_PROVIDER"]
    assert json.loads(told)["storage_account"] == "acmedata"
