"""How the process of a stage is started: the one place that knows."""

from __future__ import annotations

import json
from typing import TypeVar

from glacier.deployment.needs import Deployment, Stage
from glacier.providers.portable import settings_of

Uri = TypeVar("Uri")

ENVIRONMENT, PROVIDER, REBINDS, RUN_ID, TIMEOUT, OVERLAP = (
    "GLACIER_ENVIRONMENT", "GLACIER_PROVIDER", "GLACIER_REBINDS", "GLACIER_RUN_ID", "GLACIER_TIMEOUT",
    "GLACIER_OVERLAP",
)  # fmt: skip


def stage_command(deployment: Deployment, stage: Stage, records_uri: Uri) -> tuple[str | Uri, ...]:
    """Gives the command that a container runs for a stage. The image has no entry point, so this is all of it.

    Args:
        deployment: the pipeline.
        stage: one of its stages.
        records_uri: where records of runs go and what stages hand on, `s3://acme-sales-runs`; text, or what stands for
            it in a blueprint.
    """
    fixed = ("python", "-m", "glacier.runtime", deployment.entry, "--stage", stage.name)
    inputs = [word for text in deployment.inputs for word in ("--input", text)]
    return (*fixed, "--records", records_uri, *inputs)


def stage_environment(deployment: Deployment, stage: Stage) -> dict[str, str]:
    """Gives the environment variables of a stage's process, none of them secret; an orchestrator adds `RUN_ID`.

    `PROVIDER` says where records are; with `REBINDS` the buckets of a `LocalProvider` are there too. That always holds:
    what let the code choose its cloud where it was generated, a variable of the environment say, is not there.
    """
    del stage  # all stages of a pipeline are told the same
    environment = {ENVIRONMENT: deployment.environment} if deployment.environment else {}
    told = {**environment, PROVIDER: json.dumps(settings_of(deployment.provider), sort_keys=True)}
    told[TIMEOUT] = str(deployment.options.timeout)
    if deployment.options.overlap:
        told[OVERLAP] = "1"
    return {**told, REBINDS: "1"}


def records_uri(deployment: Deployment) -> str:
    """Gives the place of records, as `stage_command` takes it."""
    whole: str = deployment.records.provider.bucket(deployment.records.name, path="./").uri
    return whole.rstrip("/")
