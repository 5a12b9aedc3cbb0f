"""A pipeline as it is deployed: its buckets with data in an emulator, each stage held to what it is allowed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl

from gcs_server import GoogleStorage, State
from glacier.deployment.commands import RUN_ID, records_uri, stage_command, stage_environment
from glacier.generation.generate import Draft
from permissions import Cloud, Needs, Statement
from permissions_aws import AMAZON
from permissions_gcp import GOOGLE
from s3_guard import GuardedS3
from stores import SECRETS

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


@dataclass(frozen=True)
class Emulator:
    """An emulator of a cloud's object store.

    Attributes:
        state: what it holds, and whom it lets do what.
        told: what a process finds it by in its environment, where no provider says.
    """

    cloud: Cloud
    state: State | GuardedS3
    url: str
    told: Mapping[str, str]

    def uploads(self) -> list[str]:
        """Gives the uploads that are neither complete nor dropped."""
        if isinstance(self.state, State):
            return sorted(self.state.uploads)
        return self.state.uploads()


def google() -> Emulator:
    """Starts Cloud Storage."""
    server = GoogleStorage()
    nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
    account = json.dumps({"gcs_base_url": server.url, "disable_oauth": True, **nobody})
    return Emulator(GOOGLE, server.state, server.url, {"GOOGLE_SERVICE_ACCOUNT_KEY": account})


def amazon() -> Emulator:
    """Starts S3."""
    server = GuardedS3()
    told = {**SECRETS, "AWS_ENDPOINT_URL": server.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "eu-north-1"}
    return Emulator(AMAZON, server, server.url, told)


EMULATORS: Mapping[str, Callable[[], Emulator]] = {"aws": amazon, "gcp": google}


class Deployed:
    """A pipeline's buckets with its data, in an emulator that holds each stage to what it is allowed."""

    def __init__(self, cloud: str, draft: Draft, folder: Path) -> None:
        self.emulator = EMULATORS[cloud]()
        self.cloud = self.emulator.cloud
        self.state = self.emulator.state
        self.folder = folder
        self.deployment = draft.deployment
        self.needs = Needs(self.cloud, draft.deployment)
        self.statements: list[Statement] = self.cloud.statements(draft.deployment, draft.blueprint)
        for bucket in (*draft.deployment.buckets, draft.deployment.records):
            self.state.create(bucket.physical)
            data = folder / "data" / bucket.name
            for file in sorted(one for one in data.rglob("*") if one.is_file()):
                self.state.put(bucket.physical, file.relative_to(data).as_posix(), file.read_bytes())

    def run(self) -> None:
        """Runs the stages as their containers do, one after another."""
        here = replace(self.deployment, provider=replace(self.deployment.provider, endpoint_url=self.emulator.url))
        told = {**os.environ, **self.emulator.told, RUN_ID: "r1"}
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
