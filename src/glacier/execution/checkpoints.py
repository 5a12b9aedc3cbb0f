"""What a checkpointing run has finished, on disk before anything goes on from it, so that a killed run can be resumed.

A run's folder holds a log, each line of which is a task that was finished, and the frames that tasks gave. A line is
written only when all that it names is on the disk; one that was cut off counts as not written.
"""

from __future__ import annotations

import atexit
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Any, cast

from glacier.errors import InputError, listed
from glacier.execution.codec import Json, NotPlain, NotReadable, decoded, encoded
from glacier.execution.frames import holds_lazy_frame, scanned
from glacier.execution.home import make_home, path_in_project
from glacier.execution.record import Reuse
from glacier.lease import counting
from glacier.providers import durable

if TYPE_CHECKING:
    import polars as pl

FOLDER = "checkpoints"
FORMAT = 1
MOST = 3
"""So many runs of a pipeline can be resumed: the newest of those that did not succeed."""

_YOUNG = 3600
"""Seconds for which a folder without a log may belong to a run that just begins, and has not locked it yet."""
LOG, _LOCK, _VALUES = "log", "lock", "values"


@dataclass(frozen=True)
class Origin:
    """Whose runs they are.

    Attributes:
        home: the folder `.glacier`.
        pipeline: the pipeline's name.
        file: where it is written.
    """

    home: Path
    pipeline: str
    file: str

    @property
    def folder(self) -> Path:
        """Where checkpoints lie."""
        return self.home / FOLDER

    @cached_property
    def path(self) -> str:
        """Of the file in its project."""
        return path_in_project(self.file, self.home)

    def began(self, heading: Mapping[str, Any]) -> bool:
        """Says whether a run of it wrote the first line of a log."""
        if (heading.get("format"), heading.get("pipeline")) != (FORMAT, self.pipeline):
            return False
        if "at" in heading:
            return bool(heading["at"] == self.path)
        before, now = Path(heading["file"]).absolute(), Path(self.file).absolute()
        return before == now or (before.name == now.name and not before.exists())  # as older ones have it; it may move


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a task gave in an earlier run.

    Attributes:
        value: itself.
        rows: of the frame it gave or wrote, where that was known.
        reuse: where it was kept.
    """

    value: object
    rows: int | None
    reuse: Reuse = "resumed"


class Checkpoint:
    """What one run has finished, and those that resumed it. One process at a time has it open.

    Attributes:
        run_id: of the run that has it open.
        resumes: the id of the run before, which that one resumes.
        inputs: of the run that began it; none where they have no form as data.
    """

    def __init__(self, folder: Path, lock: IO[bytes], run_id: str, resumes: str | None = None) -> None:
        self.run_id = run_id
        self.resumes = resumes
        self.inputs: Mapping[str, object] = {}
        self._folder = folder
        self._held = lock
        self._finished: dict[str, Mapping[str, Any]] = {}
        (folder / _VALUES).mkdir(exist_ok=True)
        self._log = durable.Log(folder / LOG)

    def recalled(self, task: str) -> Recalled | None:
        """Gives what a task gave; None if it was not finished, or what it gave is not readable any more.

        Args:
            task: an id that it has in every run.
        """
        line = self._finished.get(task)
        if line is None:
            return None
        values = _Values(self._folder)
        try:
            if any((self._folder / name).stat().st_size != size for name, size in line["files"].items()):
                return None
            return Recalled(decoded(line["value"], values), line["rows"])
        except (NotReadable, OSError):
            return None

    def keep(self, task: str, name: str, value: object, rows: int | None) -> object:
        """Puts on the disk what a task gave, and gives what is handed on: for a LazyFrame a scan of its file.

        Args:
            task: an id that it has in every run.
            name: the node's name, for people.
            value: what it gave.
            rows: of the frame it gave or wrote.

        Raises:
            NotPlain: the value has no form as data.
            OSError: the disk does not take it.
            GivenUp: the run has given the task up.
            Exception: whatever computing a LazyFrame raises.
        """
        values = _Values(self._folder)
        try:
            document = encoded(value, values)
            values.confirm()
            with counting():
                self._log.write({"task": task, "name": name, "rows": rows, "value": document, "files": values.sizes})
        except BaseException:
            values.discard()
            raise
        return scanned(value, values.scans, values.frame) if values.scans else value

    def close(self, result: object = None, *, succeeded: bool) -> None:
        """Lets others have it. If the run succeeded, removes it: when the interpreter exits, if `result` scans it."""
        self._log.close()
        if succeeded:
            (self._folder / LOG).unlink()  # from now on there is nothing to resume, whatever ends this process
            if holds_lazy_frame(result):
                atexit.register(self._remove)
                return  # it stays locked, so that no other run sweeps it
            shutil.rmtree(self._folder, ignore_errors=True)
        self._held.close()

    def _remove(self) -> None:
        self._held.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def take(self, lines: Iterator[Mapping[str, Any]]) -> None:
        """Takes the lines that its log had."""
        heading = next(lines)
        if heading["inputs"] is not None:
            with suppress(NotReadable):  # they are then to be given again
                self.inputs = cast("Mapping[str, object]", decoded(heading["inputs"], _Values(self._folder)))
        self._finished = {line["task"]: line for line in lines if "task" in line}

    def begin(self, origin: Origin, inputs: Mapping[str, object]) -> None:
        """Writes the first line of its log."""
        values = _Values(self._folder)
        try:
            written: Json = encoded(dict(inputs), values)
        except NotPlain:
            written = None
        values.confirm()
        of = {"pipeline": origin.pipeline, "file": origin.file, "at": origin.path}
        self._log.write({"format": FORMAT, **of, "started": _now(), "run": self.run_id, "inputs": written})

    def go_on(self) -> None:
        """Notes that a run resumes it."""
        self._log.write({"run": self.run_id, "started": _now()})


def begun(origin: Origin, run_id: str, inputs: Mapping[str, object]) -> Checkpoint:
    """Makes the checkpoint of a new run, and removes the oldest of the pipeline's.

    Raises:
        OSError: the folder cannot be written.
    """
    make_home(origin.home)
    origin.folder.mkdir(exist_ok=True)
    for old in (*_left_over(origin), *(known.folder for known in list(_of(origin))[MOST - 1 :])):
        lock = _locked(old)
        if lock is not None:  # else it still runs
            shutil.rmtree(old, ignore_errors=True)
            lock.close()
    folder = origin.folder / run_id
    folder.mkdir()
    lock = _locked(folder)
    assert lock is not None
    checkpoint = Checkpoint(folder, lock, run_id)
    checkpoint.begin(origin, inputs)
    durable.confirm(folder)
    durable.confirm(origin.folder)
    return checkpoint


def resumed(origin: Origin, name: str, run_id: str) -> Checkpoint:
    """Opens the checkpoint of an earlier run.

    Args:
        origin: whose run.
        name: its id, or that of a run that resumed it, or the beginning or random end of one; "last" for the newest.
        run_id: of the run that resumes it.

    Raises:
        InputError: there is no such run, or it is still running.
    """
    known = list(_of(origin))
    found = known[:1] if name == "last" else [one for one in known if any(_names(run, name) for run in one.runs)]
    if len(found) != 1:
        raise _no_run(origin, name, known, several=len(found) > 1)
    lock = _locked(found[0].folder)
    if lock is None:
        raise InputError(
            f"run `{found[0].runs[-1]}` of pipeline `{origin.pipeline}` is still running",
            fix="wait for its end, or end it",
        )
    checkpoint = Checkpoint(found[0].folder, lock, run_id, found[0].runs[-1])
    checkpoint.take(durable.lines_of(found[0].folder / LOG))
    checkpoint.go_on()
    return checkpoint


@dataclass(frozen=True)
class _Known:
    """A checkpoint on the disk.

    Attributes:
        runs: the ids of the run that began it and of those that resumed it.
    """

    folder: Path
    runs: tuple[str, ...]


def _of(origin: Origin) -> Iterator[_Known]:
    """Gives the checkpoints of a pipeline, the newest first."""
    if not origin.folder.is_dir():
        return
    for folder in sorted(origin.folder.iterdir(), key=lambda folder: folder.name, reverse=True):
        lines = list(durable.lines_of(folder / LOG))
        if lines and origin.began(lines[0]):
            yield _Known(folder, tuple(line["run"] for line in lines if "run" in line))


def _left_over(origin: Origin) -> list[Path]:
    """Gives the folders without a log: of runs that were killed while they began, or after they had succeeded."""
    old = time.time() - _YOUNG
    return [
        folder for folder in origin.folder.iterdir() if not (folder / LOG).exists() and folder.stat().st_mtime < old
    ]


def _names(run: str, name: str) -> bool:
    return run.startswith(name) or run.rpartition("-")[2].startswith(name)


def _no_run(origin: Origin, name: str, known: list[_Known], *, several: bool) -> InputError:
    if several:
        return InputError(f"`{name}` names several runs", fix="write more of the id")
    if not known:
        return InputError(
            f"no run of pipeline `{origin.pipeline}` can be resumed: none was interrupted or failed that kept what it "
            "had finished",
            fix="run it with checkpoint=True (glacier run --checkpoint); it can be resumed until it succeeds",
        )
    runs = [one.runs[-1] for one in known]
    return InputError(
        f"run `{name}` of pipeline `{origin.pipeline}` cannot be resumed", fix=f"name one of {listed(runs)}, or `last`"
    )


def _locked(folder: Path) -> IO[bytes] | None:
    """Locks a checkpoint until the file that it gives is closed; None if another process has it."""
    return durable.try_lock(folder / _LOCK)


class _Values:
    """The files beside a log; `Kept` of the codec.

    Attributes:
        sizes: the bytes of each that was written.
        scans: the LazyFrames that were computed into one, by their ids, with its name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun: list[Path] = []
        self.sizes: dict[str, int] = {}
        self.scans: dict[int, str] = {}

    def keep_frame(self, frame: pl.DataFrame | pl.LazyFrame) -> str:
        """Writes a frame; computes a LazyFrame into its file, without holding it."""
        import polars as pl

        name, place = self._new("arrow")
        if isinstance(frame, pl.LazyFrame):
            frame.sink_ipc(place, engine="streaming")
            self.scans[id(frame)] = name
        else:
            frame.write_ipc(place)
        return self._written(name, place)

    def keep_bytes(self, content: bytes) -> str:
        """Writes bytes."""
        name, place = self._new("bin")
        place.write_bytes(content)
        return self._written(name, place)

    def frame(self, name: str) -> pl.LazyFrame:
        """Gives a frame as a scan of its file."""
        import polars as pl

        return pl.scan_ipc(self._folder / name)

    def content(self, name: str) -> bytes:
        """Gives bytes."""
        return (self._folder / name).read_bytes()

    def confirm(self) -> None:
        """Has the disk confirm that the files are there."""
        if self.sizes:
            durable.confirm(self._folder / _VALUES)

    def discard(self) -> None:
        """Removes the files, also one that is not whole."""
        for place in self._begun:
            place.unlink(missing_ok=True)

    def _new(self, extension: str) -> tuple[str, Path]:
        name = f"{_VALUES}/{token_hex(8)}.{extension}"
        self._begun.append(self._folder / name)
        return name, self._folder / name

    def _written(self, name: str, place: Path) -> str:
        durable.confirm(place)
        self.sizes[name] = place.stat().st_size
        return name


def _now() -> str:
    return datetime.now(UTC).isoformat()
