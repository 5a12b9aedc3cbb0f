"""Packages that were installed here from a folder, a file or a repository: an image gets them as wheels made of them.

An index is not asked for them: it has none, or somebody else's of that name. Where they came from is written nowhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from glacier.deployment.archives import zipped
from glacier.deployment.sources import whole_folder
from glacier.errors import ConfigError, Site

_ADDRESS = re.compile(r"\s*@\s*\S+")
_WHEEL = b"Wheel-Version: 1.0\nGenerator: glacier\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class Wheel(NamedTuple):
    """A wheel that pip installs on any machine.

    Attributes:
        file: its name.
        content: the same bytes whenever and wherever it is made.
    """

    file: str
    content: bytes


def is_carried(package: str) -> bool:
    """Says whether a package was installed from another place than an index (PEP 610)."""
    try:
        return bool(_origin(metadata.distribution(package)))
    except metadata.PackageNotFoundError:
        return False


def package_of(module: str) -> str | None:
    """Gives the package in whose folder a module lies that is used where it is developed (`pip install -e`)."""
    found = _spec(module)
    places = list(_places(found)) if found else []
    if not places:
        return None
    holding = {
        folder: one.metadata["Name"]
        for one in metadata.distributions()
        if (folder := _folder(one)) is not None and any(_lies_in(place, folder) for place in places)
    }
    return holding[max(holding, key=lambda folder: len(folder.parts))] if holding else None


def wheel_of(package: str, modules: Iterable[str], site: Site | None = None) -> Wheel:
    """Gives a package as it is installed here. Runs nothing of it.

    Args:
        package: its name.
        modules: that are known to be its, by their first name; of one that is used where it is developed, others may
            be noted nowhere.
        site: who wants it.

    Raises:
        ConfigError: it holds code for this machine only, or its modules are not found.
    """
    dist = metadata.distribution(package)
    files = dict(_edited(dist, modules) if _folder(dist) else _installed(dist))
    compiled = sorted(name for name in files if name.endswith((*EXTENSION_SUFFIXES, ".so", ".dylib", ".dll")))
    if compiled or not files:
        why = f"`{compiled[0]}` in it is for this machine only" if compiled else "its modules are not found"
        raise ConfigError(
            f"package `{package}` was installed from another place than an index, and cannot go into the image: {why}",
            site=site,
            fix=f'say where pip is to get it: @pipeline(deploy=DeployConfig(requirements=["{package} @ https://..."]))',
        )
    name = re.sub(r"[-_.]+", "_", dist.metadata["Name"]).lower()
    version = dist.version.replace("-", "_")
    told = f"{name}-{version}.dist-info"
    entries = dist.read_text("entry_points.txt")
    contents = {path: file.read_bytes() for path, file in files.items()}
    contents |= {f"{told}/METADATA": _metadata(dist).encode(), f"{told}/WHEEL": _WHEEL}
    contents |= {f"{told}/entry_points.txt": entries.encode()} if entries else {}
    contents[f"{told}/RECORD"] = _record(contents, told).encode()
    return Wheel(f"{name}-{version}-py3-none-any.whl", zipped(contents, stored=True))


def _origin(dist: metadata.Distribution) -> Mapping[str, Any]:
    """Gives where a package came from; of one of conda's it is where conda built it, from what indexes have."""
    if (dist.read_text("INSTALLER") or "").strip() == "conda":
        return {}
    return cast("Mapping[str, Any]", json.loads(dist.read_text("direct_url.json") or "{}"))


def _folder(dist: metadata.Distribution) -> Path | None:
    """Gives the folder that a package is developed in, if it is used there."""
    origin = _origin(dist)
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(str(origin["url"])).path)).resolve()


def _edited(dist: metadata.Distribution, modules: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Gives the files of a package where it is developed: of each of its modules all that lies there, without tests."""
    folder = _folder(dist)
    declared = (dist.read_text("top_level.txt") or "").split()
    for module in sorted({*modules, *declared, dist.metadata["Name"].replace("-", "_")}):
        found = _spec(module)
        for place in _places(found) if found else ():
            is_namespace = found is not None and found.origin is None  # other packages have parts of it
            if is_namespace and (folder is None or not _lies_in(place, folder)):
                continue
            if place.is_dir():
                yield from ((f"{module}/{name}", file) for name, file in whole_folder(place).items())
            else:
                yield place.name, place


def _installed(dist: metadata.Distribution) -> Iterator[tuple[str, Path]]:
    """Gives the files of a package that was copied beside others, without scripts and what installers note."""
    for file in dist.files or ():
        first = file.parts[0]
        if first not in ("..", "/") and not first.endswith((".dist-info", ".pth")) and file.suffix != ".pyc":
            yield PurePosixPath(file).as_posix(), Path(str(dist.locate_file(file)))


def _spec(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except (ImportError, ValueError):
        return None


def _places(spec: ModuleSpec) -> Iterator[Path]:
    """Gives the folders of a package, or the file of a module."""
    if spec.submodule_search_locations is not None:
        yield from map(Path, spec.submodule_search_locations)
    elif spec.has_location and spec.origin:
        yield Path(spec.origin)


def _lies_in(place: Path, folder: Path) -> bool:
    """Says whether it is of a folder, and not of an environment there."""
    place = place.resolve()
    return place.is_relative_to(folder) and "site-packages" not in place.relative_to(folder).parts


def _metadata(dist: metadata.Distribution) -> str:
    """Gives what pip asks of a package; of what it needs the names, not the addresses that it has them from."""
    lines = [f"Name: {dist.metadata['Name']}", f"Version: {dist.version}"]
    for key in ("Requires-Python", "Provides-Extra", "Requires-Dist"):
        values = cast("list[str] | None", dist.metadata.get_all(key))
        lines += [f"{key}: {value}" for value in sorted({_ADDRESS.sub("", one) for one in values or ()})]
    return "\n".join(["Metadata-Version: 2.1", *lines, ""])


def _record(contents: Mapping[str, bytes], told: str) -> str:
    """Gives the list of a wheel's files with their digests (PEP 376)."""

    def digest(content: bytes) -> str:
        return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()

    lines = [f"{name},sha256={digest(content)},{len(content)}\n" for name, content in sorted(contents.items())]
    return "".join([*lines, f"{told}/RECORD,,\n"])
