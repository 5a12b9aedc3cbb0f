"""The inputs of a deployed pipeline's runs, as its process is told them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import PurePath
from typing import Any

from glacier.errors import InputError
from glacier.secret import is_secret


def inputs_as_text(pipeline: str, inputs: Mapping[str, object]) -> tuple[str, ...]:
    """Gives inputs as `KEY=VALUE`, each as the command line reads it back by its parameter's annotation.

    Raises:
        InputError: a value has no such form, a frame say.

    >>> from datetime import date
    >>> inputs_as_text("sales", {"day": date(2024, 5, 1), "regions": ["north", "south"], "limit": 10})
    ('day=2024-05-01', 'regions=["north", "south"]', 'limit=10')
    """
    return tuple(f"{name}={_text(pipeline, name, value)}" for name, value in inputs.items())


def _member(pipeline: str, name: str, value: object) -> object:
    """Gives what JSON holds in place of a member that it has no form for."""
    return value.total_seconds() if isinstance(value, timedelta) else _text(pipeline, name, value)


def _text(pipeline: str, name: str, value: Any) -> str:  # a body's parameter may be of any type
    whole: object = value
    if is_secret(type(whole)):
        raise InputError(
            f"input `{name}` of pipeline `{pipeline}` is secret, and what is generated holds inputs as text",
            fix="let a task read it where it runs: from an environment variable, or from the cloud's store of secrets",
        )
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float() | Decimal() | PurePath():
            return str(value)
        case None:
            return "none"
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value.total_seconds())
        case list() | tuple() | dict():
            with suppress(TypeError):
                return json.dumps(value, default=partial(_member, pipeline, name))
        case _:
            pass
    raise InputError(
        f"input `{name}` of pipeline `{pipeline}` is a {type(whole).__name__}, and a deployed run is told text",
        fix="pass text, numbers, dates, or lists of such; data belongs in a bucket",
    )
