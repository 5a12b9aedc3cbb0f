"""Text as the history can hold it, and every file or page that is made of it: names of files may be no text."""

from __future__ import annotations

import json
import re
from typing import Any

_NO_TEXT = re.compile("[\ud800-\udfff]")
"""Halves of characters, by which Python tells bytes of names that are no text. No encoding takes them."""
_ESCAPED = "\\ud"
"""How the beginning of each is written in JSON that is all ASCII."""


def clean(text: str) -> str:
    r"""Gives text with what no encoding takes told by its number.

    >>> print(clean("caf\udcff"))
    caf\udcff
    """
    return text if text.isascii() else _NO_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def dumped(value: object) -> str:
    r"""Gives a value as JSON, the text in it clean.

    >>> print(dumped(["café", "caf\udcff"]))
    ["café", "caf\\udcff"]
    """
    text = json.dumps(value)
    if _ESCAPED not in text:
        return text
    return _NO_TEXT.sub(lambda found: f"\\\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def loaded(text: str) -> Any:
    r"""Gives the value that JSON stands for, also of what was written when its text was not made clean.

    >>> print(*loaded(r'["caf\udcff"]'))
    caf\udcff
    """
    value: Any = json.loads(text)
    return value if _ESCAPED not in text else json.loads(dumped(value))
