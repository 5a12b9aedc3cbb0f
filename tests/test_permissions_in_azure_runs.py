"""What runs really ask of Azure is what their role assignments allow: pipelines over Azurite, behind a gate."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.error import HTTPError

import obstore
import polars as pl
import pytest
from obstore.store import AzureStore

from azure_gate import AzureGate
from glacier.deployment.commands import RUN_ID, records_uri, stage_command, stage_environment
from glacier.generation.generate import Draft
from glacier.infrastructure.azure.access import BATCH
from glacier.infrastructure.azure.conditions import DELETE, READ, WRITE
from permissions import Asked, Needs, Statement
from permissions_azure import AZURE, LIST
from projects import drafts_of, project
from stores import AZURITES_KEY, DEPLOYED_ACCOUNT, HAS_AZURITE, azure_container, deployed_azure_url

pytestmark = pytest.mark.skipif(not HAS_AZURITE, reason="azurite is not installed: npm install azurite")

RUN = """
import os
import sys
import polars as pl
from glacier.runtime.process import main

sys.exit(main(sys.argv[1:], os.environ))
"""
DATA = pl.DataFrame({"id": [1, 2], "day": ["mon", "tue"]})


@pytest.fixture(scope="module")
def drafts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Draft]:
    return drafts_of(tmp_path_factory.mktemp("project"), "azure")


@pytest.fixture(scope="module")
def gate() -> Iterator[AzureGate]:
    made = AzureGate(deployed_azure_url())
    yield made
    made.close()


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipelines, with the examples' data and some for the tests' own."""
    with project(tmp_path_factory.mktemp("run")) as folder:
        subprocess.run([sys.executable, str(folder / "make_data.py")], check=True)
    for name in ("raw/2024/a", "raw/2024/b", "old/a.parquet/below", "old/tree/a", "old/globbed/a"):
        file = folder / "data" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        DATA.write_parquet(file)
    return folder


def _empty(name: str) -> AzureStore:
    """Gives a container that holds nothing, past the gate."""
    with suppress(HTTPError):
        azure_container(deployed_azure_url(), name)
    store = AzureStore(
        name,
        config={"account_name": DEPLOYED_ACCOUNT, "account_key": AZURITES_KEY, "endpoint": deployed_azure_url()},
        client_options={"allow_http": True},
    )
    obstore.delete(store, [found["path"] for page in obstore.list(store) for found in page])
    return store


class Deployed:
    """A pipeline's containers with its data, behind a gate that holds each stage to what it is allowed."""

    def __init__(self, draft: Draft, gate: AzureGate, folder: Path) -> None:
        self.gate = gate
        self.folder = folder
        self.deployment = draft.deployment
        self.needs = Needs(AZURE, draft.deployment)
        self.statements: list[Statement] = AZURE.statements(draft.deployment, draft.blueprint)
        gate.used, gate.denied = set(), set()
        for bucket in (*draft.deployment.buckets, draft.deployment.records):
            store = _empty(bucket.physical)
            data = folder / "data" / bucket.name
            for file in sorted(one for one in data.rglob("*") if one.is_file()):
                obstore.put(store, file.relative_to(data).as_posix(), file.read_bytes())

    def run(self) -> None:
        """Runs the stages as their containers do, one after another."""
        provider = replace(self.deployment.provider, endpoint_url=self.gate.url)
        here = replace(self.deployment, provider=provider)
        told = {
            **os.environ, RUN_ID: "r1", "AZURE_STORAGE_ACCOUNT_NAME": DEPLOYED_ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": AZURITES_KEY, "AZURE_STORAGE_ENDPOINT": self.gate.url,
            "AZURE_ALLOW_HTTP": "true",
        }  # fmt: skip
        for stage in here.stages:
            own = [one for one in self.statements if one.identity == f"stage {stage.name}"]
            self.gate.may = partial(_may, own)
            done = subprocess.run(
                [sys.executable, "-c", RUN, *stage_command(here, stage, records_uri(here))[3:]],
                env={**told, **stage_environment(here, stage)},
                check=False, capture_output=True, text=True, cwd=self.folder,
            )  # fmt: skip
            assert done.returncode == 0, f"{self.gate.denied}\n{done.stdout}{done.stderr}"


def _may(statements: list[Statement], action: str, place: str, key: str) -> bool:
    return any(one.allows(action, place, key) for one in statements)


@pytest.mark.parametrize("name", ["simple_etl", "validated_processing", "data_lake", "nightly_report"])
def test_a_run_of_an_example_is_refused_nothing(
    name: str, drafts: dict[str, Draft], gate: AzureGate, examples: Path
) -> None:
    Deployed(drafts[name], gate, examples).run()
    assert gate.denied == set()
    assert {READ, WRITE} <= {action for action, _, _ in gate.used}


def test_a_run_that_does_all_there_is_is_refused_only_what_it_leaves_to_others(
    drafts: dict[str, Draft], gate: AzureGate, examples: Path
) -> None:
    deployed = Deployed(drafts["every_verb"], gate, examples)
    deployed.run()
    assert gate.denied == {(LIST, "acme-tidy", "deep/")}  # an identity that writes one object does not sweep there
    assert {action for action, _, _ in gate.used} == {READ, LIST, WRITE, DELETE, BATCH}
    assert all(Asked("stage main", *right) in deployed.needs for right in gate.used)
