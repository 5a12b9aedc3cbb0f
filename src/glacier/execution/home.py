"""Where Glacier keeps what outlives a run: the folder `.glacier` of the user's project."""

from __future__ import annotations

import os
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
    return (_marked(beside) or beside) / FOLDER


def path_in_project(file: str, home: Path) -> str:
    """Gives the path by which a pipeline's file is known in its project, which may lie elsewhere by now; with "/".

    Where no folder around it holds a `.git` or a `.glacier`, that of its home counts as the project's, if the file is
    in it. Of other files, and of a pipeline without a file of its own, it is the name alone.

    Args:
        file: the pipeline's file, `pipeline.site.file`.
        home: that of the pipeline, see `home_of`.
    """
    path = _absolute(Path(file))
    root = _marked(path.parent) or home.parent
    if in_library(file) or not path.is_file() or not path.is_relative_to(root):
        return path.name
    return path.relative_to(root).as_posix()


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


def _marked(beside: Path) -> Path | None:
    """Gives the nearest folder, upwards, that says to be a project; None if there is none."""
    for folder in (beside, *beside.parents):
        if any(os.path.lexists(folder / mark) for mark in (".git", FOLDER)):  # false where it may not be looked at
            return folder
    return None
