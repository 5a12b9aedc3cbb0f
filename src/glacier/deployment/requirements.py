"""What an image installs: the packages that a project imports, in the versions that this Python has of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from glacier.deployment.carried import Wheel, is_carried, package_of, wheel_of
from glacier.errors import Site

OWN = "glacier-pipelines"
WHEELS = "/tmp/wheels"  # noqa: S108  # in the image, while it is built
"""Where an image has the wheels that its requirements name."""

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_WHEEL_FILE = re.compile(r"([A-Za-z0-9._]+)-[^/\s]+\.whl\b")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


class _Needed(NamedTuple):
    name: str
    extras: frozenset[str]
    marker: frozenset[str]  # conditions that all hold


class _Asked(NamedTuple):
    markers: list[frozenset[str]]  # one of which holds
    extras: set[str]

    def line(self, name: str, version: str) -> str:
        ways = sorted({_all_of(one) for one in self.markers})
        marker = "" if "" in ways else " or ".join(f"({way})" if len(ways) > 1 else way for way in ways)
        asked = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{name}{asked}{version}" + (f" ; {marker}" if marker else "")


def _all_of(conditions: frozenset[str]) -> str:
    return " and ".join(f"({part})" if " or " in part else part for part in sorted(conditions))


@dataclass(frozen=True)
class Requirements:
    """What an image installs.

    Attributes:
        text: of a `requirements.txt`.
        wheels: that it names, as lying in `WHEELS`.
    """

    text: str
    wheels: tuple[Wheel, ...] = ()


def requirements_of(
    root: Path, imported: Iterable[str], extra: str, more: Sequence[str], site: Site | None = None
) -> Requirements:
    """Gives what an image installs.

    A `requirements.txt` in the project is the project's own word: it is taken as it is, with Glacier added where it
    does not name it. Else it holds what is imported and all that this needs, each in the version installed here, so
    that two builds of an image install the same. A dependency for other systems only keeps its marker. What was not
    installed from an index is a wheel that is made of it, unless `more` says where it is to be had.

    Args:
        root: the project's folder.
        imported: modules, by their first name; those of the standard library, and those not installed, are left out.
        extra: of Glacier, for the cloud: `aws`.
        more: what is asked for besides, as pip takes it.
        site: who wants it.

    Raises:
        ConfigError: a package that was not installed from an index cannot go into an image.
    """
    lock = root / "requirements.txt"
    given = lock.read_text(encoding="utf-8") if lock.is_file() else None
    if given is not None and "--hash=" in given:
        return Requirements(given)
    stated = {_normal(name) for line in (*more, *(given or "").splitlines()) for name in _names(line)}
    modules = _modules_by_package(imported)
    if given is None:
        needed = {name: one for name, one in _needed(modules, extra).items() if name not in stated and name != OWN}
    else:
        needed = {}
    own = {} if OWN in stated else {OWN: _Asked([frozenset()], {extra})}
    lines: list[str] = []
    wheels: list[Wheel] = []
    for name, asked in (own | needed).items():
        if is_carried(name):
            wheels.append(wheel_of(name, modules.get(name, ()), site))
            lines.append(asked.line(name, f" @ file://{WHEELS}/{wheels[-1].file}"))
        else:
            lines.append(asked.line(name, f"=={_version(name)}"))
    text = "".join(f"{line}\n" for line in (*lines, *more))
    return Requirements(text if given is None else f"{given.rstrip()}\n{text}" if text else given, tuple(wheels))


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
            package = packages.pop()
            missing[module] = f"{package} @ https://..." if is_carried(package) else f"{package}=={_version(package)}"
    return missing


def _stated(requirement: str) -> _Needed | None:
    found = _NAME.match(requirement)
    if found is None:
        return None
    extras = frozenset(part.strip() for part in (found[2] or "").split(",") if part.strip())
    return _Needed(_normal(found[1]), extras, frozenset())


def _names(line: str) -> Iterator[str]:
    """Gives the packages that a line of a `requirements.txt` may name: by name, in an address, as a wheel's file."""
    if found := _NAME.match(line):
        yield found[1]
    yield from _EGG.findall(line)
    yield from _WHEEL_FILE.findall(line)


def _modules_by_package(imported: Iterable[str]) -> dict[str, set[str]]:
    """Gives the imported modules that come with installed packages, by these."""
    providing = metadata.packages_distributions()
    found: dict[str, set[str]] = {OWN: {"glacier"}}
    for module in sorted({*imported} - sys.stdlib_module_names):
        packages = providing.get(module) or [one for one in (package_of(module),) if one]
        for package in packages:
            found.setdefault(_normal(package), set()).add(module)
    return found


def _needed(roots: Iterable[str], extra: str) -> dict[str, _Asked]:
    """Gives each installed package that is needed, by its name in order."""
    needed: dict[str, _Asked] = {}
    always = frozenset[str]()
    pending = [_Needed(OWN, frozenset({extra}), always), *(_Needed(name, always, always) for name in sorted(roots))]
    while pending:
        one = pending.pop()
        if _version(one.name) is None:
            continue
        known = needed.setdefault(one.name, _Asked([], set()))
        if one.extras <= known.extras and any(marker <= one.marker for marker in known.markers):
            continue
        known.markers.append(one.marker)
        known.extras.update(one.extras)
        found = _dependencies(one.name, known.extras)
        pending += (dependency._replace(marker=one.marker | dependency.marker) for dependency in found)
    return {name: needed[name] for name in sorted(needed)}


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
