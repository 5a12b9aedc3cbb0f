"""What an image installs: the packages that a project imports, in the versions that this Python has of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

OWN = "glacier-pipelines"

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


class _Needed(NamedTuple):
    name: str
    extras: frozenset[str]
    marker: frozenset[str]  # conditions that all hold


def requirements_text(root: Path, imported: Iterable[str], extra: str, more: Sequence[str]) -> str:
    """Gives the text of a `requirements.txt`.

    A `requirements.txt` in the project is the project's own word: it is taken as it is, with Glacier added where it
    does not name it. Else it holds what is imported and all that this needs, each in the version installed here, so
    that two builds of an image install the same. A dependency for other systems only keeps its marker.

    Args:
        root: the project's folder.
        imported: modules, by their first name; those of the standard library, and those not installed, are left out.
        extra: of Glacier, for the cloud: `aws`.
        more: what is asked for besides, as pip takes it.
    """
    lock = root / "requirements.txt"
    own = f"{OWN}[{extra}]=={_version(OWN)}"
    if lock.is_file():
        text = lock.read_text(encoding="utf-8")
        if "--hash=" in text:
            return text
        named = {_normal(found[1]) for line in text.splitlines() if (found := _NAME.match(line))}
        lines = [*([] if OWN in named else [own]), *more]
        return text if not lines else f"{text.rstrip()}\n" + "".join(f"{line}\n" for line in lines)
    pinned = _pinned(imported, extra)
    stated = {_normal(found[1]) for line in more if (found := _NAME.match(line))}
    lines = [own, *(line for name, line in pinned.items() if name not in stated and name != OWN), *more]
    return "".join(f"{line}\n" for line in lines)


def missing_requirements(imported: Iterable[str], requirements: Sequence[str]) -> dict[str, str]:
    """Gives what is imported and does not come with requirements: by module, the requirement that would bring it.

    Only what is installed here is known: a module that is not, or that several packages share, as `google`, is passed
    over; and nothing is missing for certain beside a requirement that is not installed here.

    Args:
        imported: modules, by their first name; those of the standard library come with Python.
        requirements: as pip takes them.
    """
    pending = [*map(_stated, requirements)]
    if None in pending or any(one is not None and _version(one.name) is None for one in pending):
        return {}
    come: dict[str, set[str]] = {}
    while pending:
        one = pending.pop()
        if one is None or (one.name in come and one.extras <= come[one.name]):
            continue
        extras = come.setdefault(one.name, set())
        extras |= one.extras
        pending += _dependencies(one.name, extras)
    providing = metadata.packages_distributions()
    missing: dict[str, str] = {}
    for module in sorted({*imported} - sys.stdlib_module_names):
        packages = {_normal(package) for package in providing.get(module, ())}
        if len(packages) == 1 and come.keys().isdisjoint(packages):
            missing[module] = f"{(package := packages.pop())}=={_version(package)}"
    return missing


def _stated(requirement: str) -> _Needed | None:
    found = _NAME.match(requirement)
    if found is None:
        return None
    extras = frozenset(part.strip() for part in (found[2] or "").split(",") if part.strip())
    return _Needed(_normal(found[1]), extras, frozenset())


def _pinned(imported: Iterable[str], extra: str) -> dict[str, str]:
    """Gives a line for each installed package that is needed, by its name in order."""
    providing = metadata.packages_distributions()
    outside = [name for name in imported if name not in sys.stdlib_module_names]
    roots = {_normal(package) for name in outside for package in providing.get(name, ())}
    needed: dict[str, set[frozenset[str]]] = {}
    extras: dict[str, set[str]] = {}
    always = frozenset[str]()
    pending = [_Needed(OWN, frozenset({extra}), always), *(_Needed(name, always, always) for name in sorted(roots))]
    while pending:
        one = pending.pop()
        if _version(one.name) is None:
            continue
        markers, known = needed.setdefault(one.name, set()), extras.setdefault(one.name, set())
        if one.extras <= known and any(marker <= one.marker for marker in markers):
            continue
        markers.add(one.marker)
        known |= one.extras
        found = _dependencies(one.name, known)
        pending += (dependency._replace(marker=one.marker | dependency.marker) for dependency in found)
    return {name: _line(name, needed[name], extras[name]) for name in sorted(needed)}


def _line(name: str, markers: set[frozenset[str]], extras: set[str]) -> str:
    ways = sorted({" and ".join(f"({part})" if " or " in part else part for part in sorted(one)) for one in markers})
    marker = "" if "" in ways else " or ".join(f"({way})" if len(ways) > 1 else way for way in ways)
    asked = f"[{','.join(sorted(extras))}]" if extras else ""
    return f"{name}{asked}=={_version(name)}" + (f" ; {marker}" if marker else "")


def _dependencies(name: str, extras: set[str]) -> Iterator[_Needed]:
    """Gives what an installed package needs, with the extras asked for; of a marker what is left beside the extra."""
    for text in (metadata.requires(name) or ()) if _version(name) else ():
        stated, _, marker = text.partition(";")
        found = _NAME.match(stated)
        asked = set(_EXTRA.findall(marker))
        if found is None or (asked and not asked & extras):
            continue
        rest = re.sub(rf"\s*(\band\b|\bor\b)?\s*\(?\s*{_EXTRA.pattern}\s*\)?", "", marker) if asked else marker
        rest = re.sub(r"^\s*(and|or)\b", "", rest).strip()
        if rest.count("(") != rest.count(")"):
            rest = ""
        members = frozenset(part.strip() for part in (found[2] or "").split(",") if part.strip())
        yield _Needed(_normal(found[1]), members, frozenset({rest} if rest else ()))


@cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _normal(name: str) -> str:
    """Gives a package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
