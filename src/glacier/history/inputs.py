"""What the history shows of a run's inputs: values that cannot well be secret, and of others their type and size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum

from glacier.execution.failures import described

_SHOWN = (bool, int, float, date, datetime, time, timedelta)
_SUSPECT = re.compile(r"pass|pwd|secret|token|key|credential|auth|pin\b|cookie|session|salt|signature", re.IGNORECASE)
_LONGEST = 60  # characters


def shown_inputs(inputs: Mapping[str, object]) -> dict[str, str]:
    """Gives inputs as text.

    Numbers, booleans, dates, times and members of enums are told as they are, unless their name is one that secrets
    have. Of all else, text too, the type and size are told: a password in plain text is not to be told from another.

    >>> from datetime import date
    >>> shown_inputs({"day": date(2024, 5, 17), "rows": 10, "url": "https://u:s3cr3t@host", "pin": 1234})
    {'day': '2024-05-17', 'rows': '10', 'url': 'str', 'pin': 'int'}
    """
    return {name: _safely(name, value) for name, value in inputs.items()}


def _safely(name: str, value: object) -> str:
    try:
        return _shown(name, value)
    except Exception:  # noqa: BLE001  # a value that does not let itself be looked at is no reason not to run
        return type(value).__name__


def _shown(name: str, value: object) -> str:
    if _SUSPECT.search(name):
        return described(value)
    if isinstance(value, Enum):
        return value.name
    if type(value) in _SHOWN:  # a subclass may have a text of its own
        return str(value)[:_LONGEST]
    return described(value)
