"""What the process of a stage is told: by its command line what to run, by its environment where and how."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from glacier.deployment.commands import OVERLAP, PROVIDER, REBINDS, RUN_ID, TIMEOUT
from glacier.errors import InputError
from glacier.execution.record import run_id_at
from glacier.providers.portable import provider_from

LOG = "GLACIER_LOG"

_EXECUTIONS = ("CLOUD_RUN_EXECUTION", "CONTAINER_APP_JOB_EXECUTION_NAME", "AWS_BATCH_JOB_ID", "JOB_NAME")
"""What clouds call an execution of a job: the same for each time that they start it again."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Invocation:
    """One start of a stage.

    Attributes:
        entry: the pipeline, as `load_pipeline` takes it.
        stage: its name.
        records: the URI of the bucket, or folder, for records of runs and for what stages hand on.
        run_id: the same for all stages of a run, and for each time that one is started again.
        run_id_is_new: whether nobody gave the id, so that no other stage has it.
        inputs: of the pipeline, `day=2024-05-01`.
        provider: where the stages run; None if the process was told none.
        rebinds: whether the provider takes the place of `LocalProvider` too.
        timeout: in seconds; None for no limit.
        overlap: whether another run of the pipeline may go on at the same time.
        json_logs: whether lines of the log are JSON.
    """

    entry: str
    stage: str
    records: str
    run_id: str
    run_id_is_new: bool = False
    inputs: tuple[str, ...] = ()
    provider: Any = None
    rebinds: bool = False
    timeout: float | None = None
    overlap: bool = False
    json_logs: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)


def invocation_of(arguments: Sequence[str], environment: Mapping[str, str]) -> Invocation:
    """Reads a command line and an environment.

    Raises:
        InputError: a variable of the environment has a value that it does not take.
        ConfigError: the settings of the provider are none.
        SystemExit: the command line is none; its usage has been printed.
    """
    given = _parser().parse_args(arguments)
    run_id, is_new = _run_id(environment)
    return Invocation(
        entry=given.entry,
        stage=given.stage,
        records=given.records.rstrip("/") or "/",
        run_id=run_id,
        run_id_is_new=is_new,
        inputs=tuple(given.inputs),
        provider=_provider(environment.get(PROVIDER)),
        rebinds=environment.get(REBINDS, "0") not in ("", "0"),
        timeout=_seconds(environment.get(TIMEOUT)),
        overlap=environment.get(OVERLAP, "0") not in ("", "0"),
        json_logs=_is_json(environment.get(LOG, "text")),
        secrets=tuple(_secrets_in(environment)),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m glacier.runtime", description="Runs one stage of one run of a pipeline, and records it."
    )
    parser.add_argument("entry", metavar="ENTRY", help="the pipeline: package.module:name")
    parser.add_argument("--stage", required=True, metavar="NAME", help="the stage; `main` where there is but one")
    parser.add_argument("--records", required=True, metavar="URI", help="the bucket, or folder, for records of runs")
    parser.add_argument("--input", action="append", default=[], dest="inputs", metavar="KEY=VALUE", help="an input")
    return parser


def _run_id(environment: Mapping[str, str]) -> tuple[str, bool]:
    name = next((name for name in (RUN_ID, *_EXECUTIONS) if environment.get(name)), None)
    if name is None:
        return run_id_at(datetime.now(UTC)), True
    given = environment[name]
    if not _ID.fullmatch(given):
        raise InputError(
            f"{name} is {given[:40]!r}, which cannot be a part of a path",
            fix="name the run with up to 128 letters, digits, dots, hyphens and underscores",
        )
    return given, False


def _provider(settings: str | None) -> Any:
    if not settings:
        return None
    try:
        told: object = json.loads(settings)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise InputError(f"{PROVIDER} is no JSON object", fix=f'write {PROVIDER}=\'{{"cloud": "local"}}\'')
    return provider_from(cast("dict[str, Any]", told))


def _seconds(given: str | None) -> float | None:
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise InputError(f"{TIMEOUT} is {given!r}; it takes seconds, more than 0", fix=f"write {TIMEOUT}=3600")
    return seconds


def _is_json(given: str) -> bool:
    if given not in ("text", "json", ""):
        raise InputError(f"{LOG} is {given!r}; it takes `text` or `json`", fix=f"write {LOG}=json")
    return given == "json"


_SECRET = re.compile(
    r"SECRET|TOKEN|PASSW|CREDENTIAL|PRIVATE|CONNECTION_?STRING|(^|_)KEY($|_)|API_?KEY|SAS", re.IGNORECASE
)
_SECRET_LENGTH = 8
"""What is shorter stands in texts by chance."""


def _secrets_in(environment: Mapping[str, str]) -> list[str]:
    """Gives the values of variables whose names say that they are secret, the longest first."""
    found = [value for name, value in environment.items() if _SECRET.search(name) and len(value) >= _SECRET_LENGTH]
    return sorted(found, key=len, reverse=True)
