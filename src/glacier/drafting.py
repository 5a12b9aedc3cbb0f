"""What is to be generated for the pipeline of a command line, in each environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from glacier.errors import ConfigError, GlacierError, InputError, did_you_mean, listed
from glacier.generation.generate import Draft, draft
from glacier.loading import load_pipeline, parse_inputs
from glacier.providers import AWSProvider, AzureProvider, GCPProvider
from glacier.providers.portable import Provider
from glacier.report.outcome import told

ENVIRONMENT = "GLACIER_ENVIRONMENT"
"""The variable that tells the user's code, and providers that were given no `environment=`, where it runs."""

_CLOUDS: Mapping[str, type[Any]] = {"aws": AWSProvider, "gcp": GCPProvider, "azure": AzureProvider}


@dataclass(frozen=True)
class Wanted:
    """What a command line asks for.

    Attributes:
        target: the pipeline, `etl.py:sales`.
        given: its inputs, `KEY=VALUE`.
        folder: that is generated into.
        cloud: of the provider that takes the local one's place: "aws", "gcp" or "azure".
        settings: of that provider, `KEY=VALUE`.
        environments: in each of which the pipeline's file is imported anew.
    """

    target: str
    given: Sequence[str]
    folder: Path
    cloud: str | None = None
    settings: Sequence[str] = ()
    environments: Sequence[str] = ()


def drafts_of(wanted: Wanted) -> dict[str | None, Draft]:
    """Gives what the pipeline needs in each environment; without one, as the process' own environment has it.

    Several environments are read in processes of their own: a module is imported once in each.

    Raises:
        InputError: there is no such pipeline, or an input, a setting or an environment is not as it must be.
        Exception: what the user's file raises when it is imported.
    """
    names = list(wanted.environments)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"environment {listed(twice)} is given twice", fix="give each once")
    if len(names) < 2:
        name = names[0] if names else None
        return {name: _draft(wanted, name)}
    with ProcessPoolExecutor(len(names), mp_context=get_context("spawn")) as pool:
        futures = {name: pool.submit(_drafted, wanted, name) for name in names}
        return {name: _given(future) for name, future in futures.items()}


def _drafted(wanted: Wanted, environment: str) -> Draft:
    """Gives the draft of one environment, in its process. What the user's file raises is told with its lines there."""
    try:
        return _draft(wanted, environment)
    except GlacierError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever the file raises, in words that another process understands
        text = f"`{wanted.target}` cannot be read in environment `{environment}`:\n{told(error)}"
        raise InputError(text, fix="let it be imported in each environment") from None


def _given(future: Future[Draft]) -> Draft:
    """Gives a result. What a process raised is told once, without the text of its frames that comes along."""
    try:
        return future.result()
    except Exception as error:  # whatever the file raises, in words that another process understands
        error.__cause__ = None
        raise


def _draft(wanted: Wanted, environment: str | None) -> Draft:
    if environment is not None:
        os.environ[ENVIRONMENT] = environment
    provider = _provider(wanted)
    pipeline = load_pipeline(wanted.target)
    inputs = parse_inputs(pipeline, wanted.given, complete=True)
    return draft(pipeline.plan(inputs), pipeline.source(tuple(wanted.given)), wanted.folder, provider)


def _provider(wanted: Wanted) -> Provider | None:
    """Gives the provider that takes the local one's place.

    Raises:
        InputError: a setting is none of its own, or there are settings and no provider.
        ConfigError: a value is not as it must be.
    """
    if wanted.cloud is None:
        if wanted.settings:
            raise InputError("--set is given without --provider", fix="add --provider aws, gcp or azure")
        return None
    kind = _CLOUDS[wanted.cloud]
    known = [field.name for field in fields(kind) if field.name != "tags"]
    given: dict[str, Any] = {}
    for text in wanted.settings:
        key, equals, value = text.partition("=")
        if not equals or key not in known:
            near = did_you_mean(key, known) or known
            raise InputError(
                f"{kind.__name__} has no setting `{key}`" if equals else f"--set `{text}` has no value",
                fix=f"write --set {near[0]}=..., one of {listed(known)}",
            )
        given[key] = float(value) if key == "timeout" else value
    try:
        provider: Provider = kind(**given)
    except ConfigError as error:
        absent = next((name for name in known if name not in given and f'{name}="' in (error.fix or "")), None)
        error.site = None
        if absent is not None:
            error.fix = f"add --set {absent}=..."
        raise
    except TypeError as error:
        missing = [name for name in known if f"'{name}'" in str(error)]
        raise InputError(
            f"{kind.__name__} needs {listed(missing)}", fix="add " + " ".join(f"--set {name}=..." for name in missing)
        ) from None
    return provider
