"""Where Glacier keeps what outlives a run: the folder `.glacier` of the user's project."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from glacier.errors import in_library

VARIABLE = "GLACIER_HOME"
FOLDER = ".glacier"


def home_of(file: str) -> Path:
    """Gives the folder that keeps what runs of a pipeline leave. Makes nothing, and reads no file.

    It is `.glacier` in the nearest folder, from that of the pipeline's file upwards, that holds a `.git` or a
    `.glacier`; with neither anywhere, beside the file. A pipeline without a file of its own (typed in, or part of an
    installed package) counts as one in the working directory. `GLACIER_HOME` names another folder for all.

    Args:
        file: the pipeline's file, `pipeline.site.file`.

    >>> import os
    >>> os.environ["GLACIER_HOME"] = "/var/lib/glacier"
    >>> home_of("etl/daily.py").as_posix()
    '/var/lib/glacier'
    >>> del os.environ["GLACIER_HOME"]
    """
    stated = os.environ.get(VARIABLE)
    if stated:
        return _absolute(Path(stated).expanduser())
    path = _absolute(Path(file))
    beside = _absolute(Path()) if in_library(file) or not path.is_file() else path.parent
    return _project(beside, (".git", FOLDER)) / FOLDER


def home_here() -> Path:
    """Gives the folder that a command finds which is given no pipeline: as for a file in the working directory."""
    return home_of("")


def make_home(home: Path) -> None:
    """Makes the folder where it is missing, with a file in it that tells Git to ignore it.

    Raises:
        OSError: it cannot be made.
    """
    home.mkdir(parents=True, exist_ok=True)
    ignoring = home / ".gitignore"
    if not ignoring.exists():
        ignoring.write_text("# Glacier's own; safe to delete between runs\n*\n", "utf-8")


def _absolute(path: Path) -> Path:
    try:
        return path.absolute()
    except FileNotFoundError:  # the working directory is gone, which whoever goes to the path is told
        return path


def _project(beside: Path, marks: Iterable[str]) -> Path:
    for folder in (beside, *beside.parents):
        if any(os.path.lexists(folder / mark) for mark in marks):  # false where it may not be looked at
            return folder
    return beside
