"""Paths in a bucket: relative, with "/", staying inside; a directory ends in "/", a glob has wildcards."""

from __future__ import annotations

import re
from collections.abc import Callable


def refusal(name: str, path: str) -> tuple[str, str] | None:
    """Tells why no store takes such a bucket name and path, and the fix; None if one may.

    >>> refusal("raw", "../in.parquet")
    ('path `../in.parquet` of bucket `raw` leaves the bucket', 'drop the `..`, or declare a bucket on that folder')
    """
    if not name or name in (".", ".."):
        return f"a bucket needs a name, and got `{name}`", 'pass a name, "raw" say'
    if "/" in name or "\\" in name:
        return (
            f"bucket name `{name}` holds a separator",
            "name the bucket by its first part, and put the rest into path=",
        )
    if "\0" in name + path:
        return f"bucket `{printable(name)}` with path `{printable(path)}` holds a NUL character", "drop it"
    if not path:
        return f"bucket `{name}` has no path", 'pass path="data.parquet", or path="./" for all that the bucket holds'
    if path.startswith("/") or re.match(r"[A-Za-z]:[\\/]", path):
        return (
            f"path `{path}` of bucket `{name}` is absolute",
            "write it from the bucket's folder on, and put the folder into the provider's base path",
        )
    if "\\" in path:
        return f"path `{path}` of bucket `{name}` holds a backslash", f'write path="{path.replace(chr(92), "/")}"'
    if ".." in path.split("/"):
        return (
            f"path `{path}` of bucket `{name}` leaves the bucket",
            "drop the `..`, or declare a bucket on that folder",
        )
    return None


def printable(text: str) -> str:
    """Gives text with a NUL shown as it would be typed."""
    return text.replace("\0", "\\0")


def normal(path: str) -> str:
    """Gives a path without empty and "." components; the bucket's top is "./".

    >>> normal("./a//b/"), normal("."), normal("a/.")
    ('a/b/', './', 'a/')
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts:
        return "./"
    return "/".join(parts) + ("/" if path.endswith(("/", "/.")) else "")


def is_glob(path: str) -> bool:
    """Tells whether a path has wildcards.

    >>> is_glob("2024-*.parquet"), is_glob("a.csv")
    (True, False)
    """
    return any(char in path for char in "*?[")


def folder(path: str) -> str:
    """Gives the folder of a file or of all matches of a glob; a directory is its own. Ends in "/", the top is empty.

    >>> folder("2024/*/a.csv"), folder("2024/a.csv"), folder("2024/"), folder("./")
    ('2024/', '2024/', '2024/', '')
    """
    if is_glob(path):
        parts = path.split("/")
        first = next(index for index, part in enumerate(parts) if is_glob(part))
        return "".join(part + "/" for part in parts[:first])
    top = path[: path.rfind("/") + 1]
    return "" if top == "./" else top


def matcher(pattern: str) -> Callable[[str], object]:
    """Gives a test of paths: `*` and `?` stay in a component, `**` spans folders; neither matches a leading ".".

    >>> inside = matcher("2024/**/[ab]*.csv")
    >>> [path for path in ("2024/a.csv", "2024/x/y/b1.csv", "2024/.x/a.csv", "a.csv") if inside(path)]
    ['2024/a.csv', '2024/x/y/b1.csv']
    """
    parts = pattern.split("/")
    last = len(parts) - 1
    text = ""
    for index, part in enumerate(parts):
        if part == "**":
            text += r"(?:(?!\.)[^/]+/)*" + (r"(?!\.)[^/]+" if index == last else "")
        else:
            text += _component(part) + ("" if index == last else "/")
    return re.compile(text, re.DOTALL).fullmatch


def _component(part: str) -> str:
    text = r"(?!\.)" if part[:1] in ("*", "?", "[") else ""
    for token in re.findall(r"\[!?\]?[^\]]*\]|.", part, re.DOTALL):
        match token:
            case "*":
                text += "[^/]*"
            case "?":
                text += "[^/]"
            case _ if len(token) > 1:
                inner = token[1:-1].replace("\\", r"\\").replace("[", r"\[")
                text += f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
            case _:
                text += re.escape(token)
    return text
