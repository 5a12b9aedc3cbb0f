"""What runs really ask of a store is what their statements allow: pipelines over an emulator that refuses the rest."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from gcs_server import TOLD, GoogleStorage
from glacier.deployment.commands import RUN_ID, records_uri, stage_command, stage_environment
from glacier.errors import AccessDenied, ObjectNotFound
from glacier.generation.generate import Draft
from glacier.providers import GCPProvider
from permissions import Asked, Needs, Statement
from permissions_gcp import GOOGLE
from projects import drafts_of, project

RUN = """
import os
import sys
import polars as pl
from glacier.runtime.process import main

pl.Config.set_default_credential_provider(None)
sys.exit(main(sys.argv[1:], os.environ))
"""
"""As `python -m glacier.runtime`; Polars' own writes, which find the emulator by the environment, sign in nowhere."""

DATA = pl.DataFrame({"id": [1, 2], "day": ["mon", "tue"]})


@pytest.fixture(scope="module")
def drafts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Draft]:
    return drafts_of(tmp_path_factory.mktemp("project"), "gcp")


class Deployed:
    """A pipeline's buckets with its data, in an emulator that holds each stage to what it is allowed."""

    def __init__(self, draft: Draft, folder: Path) -> None:
        self.server = GoogleStorage()
        self.state = self.server.state
        self.folder = folder
        self.deployment = draft.deployment
        self.needs = Needs(GOOGLE, draft.deployment)
        self.statements: list[Statement] = GOOGLE.statements(draft.deployment, draft.blueprint)
        for bucket in (*draft.deployment.buckets, draft.deployment.records):
            self.state.create(bucket.physical)
            data = folder / "data" / bucket.name
            for file in sorted(one for one in data.rglob("*") if one.is_file()):
                self.state.put(bucket.physical, file.relative_to(data).as_posix(), file.read_bytes())

    def run(self) -> None:
        """Runs the stages as their containers do, one after another."""
        here = replace(self.deployment, provider=replace(self.deployment.provider, endpoint_url=self.server.url))
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        account = json.dumps({"gcs_base_url": self.server.url, "disable_oauth": True, **nobody})
        told = {**os.environ, "GOOGLE_SERVICE_ACCOUNT_KEY": account, RUN_ID: "r1"}
        for stage in here.stages:
            own = [one for one in self.statements if one.identity == f"stage {stage.name}"]
            self.state.may = partial(_may, own)
            done = subprocess.run(
                [sys.executable, "-c", RUN, *stage_command(here, stage, records_uri(here))[3:]],
                env={**told, **stage_environment(here, stage)},
                check=False, capture_output=True, text=True, cwd=self.folder,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr


def _may(statements: list[Statement], action: str, bucket: str, key: str) -> bool:
    return any(one.allows(action, bucket, key) for one in statements)


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


@pytest.mark.parametrize("name", ["simple_etl", "validated_processing", "data_lake", "nightly_report"])
def test_a_run_of_an_example_is_refused_nothing(name: str, drafts: dict[str, Draft], examples: Path) -> None:
    deployed = Deployed(drafts[name], examples)
    deployed.run()
    assert deployed.state.denied == set()
    assert {"storage.objects.get", "storage.objects.create"} <= {action for action, _, _ in deployed.state.used}


@pytest.fixture(scope="module")
def every_verb(drafts: dict[str, Draft], examples: Path) -> Deployed:
    deployed = Deployed(drafts["every_verb"], examples)
    deployed.state.put("acme-old", "a.parquet", b"")  # beside the folder of that name, which no file system can hold
    deployed.run()
    return deployed


def test_a_run_that_does_all_there_is_is_refused_only_what_it_leaves_to_others(every_verb: Deployed) -> None:
    swept = ("storage.objects.list", "acme-tidy", "deep/")  # an identity that writes one object does not sweep there
    assert every_verb.state.denied == {swept}
    assert {action for action, _, _ in every_verb.state.used} == {
        "storage.objects.get", "storage.objects.list", TOLD, "storage.objects.create", "storage.objects.delete",
        "storage.multipartUploads.create",
    }  # fmt: skip


def test_a_run_uses_all_verbs_that_it_is_granted(every_verb: Deployed) -> None:
    """A verb is used if its first action is: what else it takes depends on what was there before."""
    first = {GOOGLE.actions[verb][0]: verb for verb in ("read", "list", "write", "delete")}
    unused = {
        (first[need.action], f"{need.place}/{need.keys}")
        for need in every_verb.needs.all
        if need.action in first
        if not any(need.covers(Asked(need.identity, *right)) for right in every_verb.state.used)
    }
    written = {f"{n.place}/{n.keys}" for n in every_verb.needs.all if n.action == "storage.objects.create"}
    assert {(verb, where) for verb, where in unused if verb != "delete" or where not in written} == {
        ("list", "acme-raw/2024/a.parquet/"),  # is asked only of what is missing
        ("list", "acme-every-verb-runs/every-verb/lease/"),  # of records it is only asked whether they are there
        ("list", "acme-every-verb-runs/every-verb/main/*"),
        ("read", "acme-raw/none/*"),  # is missing
        ("delete", "acme-old/never/was.parquet"),  # as well
        ("delete", "acme-old/never/was.parquet/*"),
    }


def test_an_upload_that_fails_is_dropped_by_who_may_only_write(google: GoogleStorage) -> None:
    out = GCPProvider(endpoint_url=google.url).bucket("raw", path="out.csv")
    writes = GOOGLE.actions["write"]
    google.state.may = lambda action, _bucket, key: action in writes and key == "out.csv"

    def broken(frame: pl.DataFrame) -> pl.DataFrame:
        if frame["n"].max() == 3_999_999:
            raise ValueError("the last rows are wrong")
        return frame

    plan = pl.LazyFrame({"n": range(4_000_000)}).map_batches(broken, streamable=True)
    with pytest.raises(ValueError, match="the last rows are wrong"):
        out.write(plan)
    assert google.state.denied == set()
    assert ("storage.multipartUploads.abort", "raw", "out.csv") in google.state.used
    assert google.state.uploads == {}


def test_what_is_missing_is_told_to_who_may_not_look_beside_it(google: GoogleStorage) -> None:
    google.state.put("raw", "2024/other.parquet", b"")
    allowed = {
        ("storage.objects.get", "2024/a.parquet"),
        (TOLD, "2024/a.parquet"),
        ("storage.objects.list", "2024/a.parquet/"),
    }
    google.state.may = lambda action, _bucket, key: (action, key) in allowed
    raw = GCPProvider(endpoint_url=google.url).bucket("raw", path="2024/a.parquet")
    assert not raw.exists()
    with pytest.raises(ObjectNotFound, match=r"^nothing at `gs://raw/2024/a.parquet`\n"):
        raw.scan()
    google.state.may = lambda _action, _bucket, _key: False
    with pytest.raises(AccessDenied, match="the credentials do not allow it to read there"):
        raw.scan()
