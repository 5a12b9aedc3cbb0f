"""The folder that generated files go into: Glacier's own are told from a person's, and nothing is half written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from glacier.errors import ConfigError, listed

MANIFEST = ".glacier.json"
"""Beside the files: which of them are Glacier's, with a digest of each, and what they stand for in short."""

_VERSION = 1


@dataclass(frozen=True)
class Written:
    """What a generation did to its folder.

    Attributes:
        folder: the folder.
        new: files that were not there before, by their paths in it.
        changed: files whose content is another one now.
        removed: files of the generation before that are needed no more.
        kept: how many are as they were.
    """

    folder: Path
    new: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    kept: int


@dataclass(frozen=True)
class Manifest:
    """What Glacier noted when it wrote a folder.

    Attributes:
        digests: for each file, the SHA-256 of every content that Glacier gave it; one, unless it was interrupted.
        summary: what the files stand for, for comparison with the next generation.
    """

    digests: Mapping[str, tuple[str, ...]]
    summary: Mapping[str, Any]


def manifest_in(folder: Path) -> Manifest:
    """Gives what was noted; nothing where Glacier has written nothing yet.

    Raises:
        ConfigError: the note cannot be read, or is of a newer version of Glacier.
    """
    try:
        noted = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if noted["version"] > _VERSION:
            raise ConfigError(
                f"`{folder / MANIFEST}` was written by a newer version of Glacier",
                fix="pip install --upgrade glacier-pipelines",
            )
        digests = {name: tuple(cast("list[str]", found)) for name, found in noted["files"].items()}
        return Manifest(digests, noted["summary"])
    except (FileNotFoundError, NotADirectoryError):
        return Manifest({}, {})
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ConfigError(
            f"`{folder / MANIFEST}` cannot be read: {type(error).__name__}",
            fix="restore it from version control, or delete it and generate with --force",
        ) from None


def write(folder: Path, files: Mapping[str, bytes], summary: Mapping[str, Any], *, force: bool = False) -> Written:
    """Makes a folder hold `files`, and leaves what a person added beside them.

    All is written beside first and then moved into place. Interrupted in between, the next generation mends it.

    Args:
        folder: made if it is not there.
        files: content by path in the folder, with "/".
        summary: noted for the next comparison.
        force: whether to overwrite what a person has changed.

    Raises:
        ConfigError: the folder is a file or cannot be written to, or holds files of these names that a person changed
            or made; nothing has been written then.
    """
    _check_place(folder)
    before = manifest_in(folder)
    now = {name: _digest(folder / name) for name in {*files, *before.digests}}
    wanted = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if not force:
        _check_untouched(folder, before, now, wanted)
    changed = sorted(name for name in wanted if now[name] is not None and now[name] != wanted[name])
    new = sorted(name for name in wanted if now[name] is None)
    removed = sorted(name for name in before.digests if name not in wanted and now[name] is not None)
    written = Written(folder, tuple(new), tuple(changed), tuple(removed), len(wanted) - len(new) - len(changed))
    try:
        _replace(folder, {name: files[name] for name in (*new, *changed)}, removed, before, wanted, summary)
    except OSError as error:
        raise ConfigError(
            f"the folder `{folder}` cannot be written to: {error.strerror or type(error).__name__}",
            fix="make room, or choose another folder with --output; what was there before is still there",
        ) from error
    return written


def _check_place(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"the output `{folder}` is a file", fix="name a folder: --output terraform")
    above = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not above.is_dir():
        raise ConfigError(f"the output `{folder}` would lie in `{above}`, which is a file", fix="name another folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ConfigError(f"the folder `{above}` is not writable", fix="name another folder with --output")


def _check_untouched(folder: Path, before: Manifest, now: Mapping[str, str | None], wanted: Mapping[str, str]) -> None:
    """Refuses to overwrite or remove what a person changed or made."""
    changed = sorted(
        name
        for name, digest in now.items()
        if digest is not None and digest not in before.digests.get(name, ()) and digest != wanted.get(name)
    )
    if not changed:
        return
    own = [name for name in changed if name not in before.digests]
    did = "was not written by Glacier" if changed == own else "was changed since Glacier wrote it"
    if len(changed) > 1:
        did = did.replace("was", "were", 1)
    raise ConfigError(
        f"{listed(changed)} in `{folder}` {did}",
        fix="move what is yours into files of other names, or overwrite with --force (force=True)",
    )


def _replace(
    folder: Path,
    contents: Mapping[str, bytes],
    removed: list[str],
    before: Manifest,
    wanted: Mapping[str, str],
    summary: Mapping[str, Any],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".glacier-", suffix=".tmp", dir=folder))
    try:
        for name, content in contents.items():
            place = beside / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        either = {name: before.digests.get(name, ()) for name in {*wanted, *before.digests}}
        for name, digest in wanted.items():
            either[name] = (*(one for one in either[name] if one != digest), digest)
        _note(folder, beside, Manifest(either, before.summary))
        for name in contents:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(beside / name, folder / name)  # noqa: PTH105  # over a file that is there, on every system
        for name in removed:
            (folder / name).unlink(missing_ok=True)
        _note(folder, beside, Manifest({name: (digest,) for name, digest in wanted.items()}, summary))
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    for name in removed:
        parent = (folder / name).parent
        if parent != folder and parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def _note(folder: Path, beside: Path, manifest: Manifest) -> None:
    noted = {
        "about": "Which files here are Glacier's. Keep it with them in version control.",
        "version": _VERSION,
        "files": {name: list(manifest.digests[name]) for name in sorted(manifest.digests)},
        "summary": manifest.summary,
    }
    place = beside / MANIFEST
    text = json.dumps(noted, indent=1, ensure_ascii=False) + "\n"
    if not (folder / MANIFEST).exists() or (folder / MANIFEST).read_text(encoding="utf-8") != text:
        place.write_text(text, encoding="utf-8")
        os.replace(place, folder / MANIFEST)  # noqa: PTH105


def _digest(file: Path) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        return "a folder"
