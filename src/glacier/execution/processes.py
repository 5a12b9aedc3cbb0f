"""Tasks in worker processes, for work bound to Python: values go by pickle, frames by file."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutine
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from glacier.annotations import FrameKind
from glacier.containers import rebuilt
from glacier.doing import Doing, Told, current, enter, tells_origins
from glacier.errors import GraphError, text_of
from glacier.execution.failures import too_late
from glacier.execution.measuring import Measuring
from glacier.execution.memory import Memory
from glacier.execution.retries import names_of
from glacier.execution.tracing import carried, carry_on
from glacier.execution.workers import OutOfTime, Workers
from glacier.frameplans import origins_of
from glacier.observe import Metric
from glacier.origins import Origins, Published
from glacier.permits import act, current_permit
from glacier.task import Task

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class FrameFile:
    """A frame handed from process to process: an uncompressed Arrow file, which readers map into memory.

    Attributes:
        lazy: whether the task returned a LazyFrame; what it takes is of the same kind.
        origins: where its columns come from, if that is asked for and known.
    """

    path: Path
    lazy: bool
    origins: Origins | None = None

    @property
    def frame_kind(self) -> FrameKind:
        """Which of Polars' frames it stands for."""
        return "LazyFrame" if self.lazy else "DataFrame"

    def opened(self) -> pl.DataFrame | pl.LazyFrame:
        """Gives the frame; a LazyFrame scans the file, so it is good only as long as the run."""
        import polars as pl

        return pl.scan_ipc(self.path) if self.lazy else pl.read_ipc(self.path)

    def rows(self) -> int:
        """Gives how many rows it has."""
        import polars as pl

        rows: int = pl.scan_ipc(self.path).select(pl.len()).collect().item()
        return rows


class Processes:
    """A pool of worker processes and the folder in which frames are handed over; both gone when the block ends."""

    elsewhere = True

    def __init__(self, max_workers: int | None) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="glacier-run-"))
        self._workers = Workers(max_workers or os.cpu_count() or 1, partial(_call, self._scratch))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None or issubclass(kind, Exception):
                self._workers.close()
            else:  # interrupted: running tasks are ended, not awaited
                self._workers.end()
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def call(self, task: Task[..., Any], function: Callable[..., object], args: Any, kwargs: Any) -> object:
        """Calls the task in a worker process; what it returns stays a `FrameFile` where it is a frame.

        Raises:
            GraphError: the task, an argument or the result cannot go to another process.
            TaskTimeout: the try took longer than it may, and its process was ended.
            WorkerDied: its process ended by itself.
            RemoteError: in place of an exception that cannot be pickled.
            BaseException: whatever else the task raised, caused by a `RemoteError` with its traceback.
        """
        called = task if function is task.function else function
        doing = current()
        timeout = task.options.tries.timeout if task.options.tries is not None else None
        portable = doing.portable() if doing else None
        try:
            sent = (called, args, kwargs, current_permit(), portable, carried(), timeout is not None)
            payload = pickle.dumps(sent)
        except Exception as error:
            raise GraphError(
                f"`{task.name}` cannot go to a worker process: {error}",
                site=task.site,
                fix="keep tasks and their arguments at module level and picklable, or run with executor='threads'",
            ) from error
        try:
            answered: _Answer = pickle.loads(self._workers.answer(payload, timeout))  # noqa: S301  # our own worker's
        except OutOfTime:
            raise too_late(timeout or 0.0) from None
        pickled, told, measured, published = answered
        answer: object = pickle.loads(pickled)  # noqa: S301  # pickled by our own worker
        if doing is not None:
            doing.told, doing.measured, doing.published = told, measured, published
        if isinstance(answer, _Raised):
            raise answer.error()
        return answer

    def opened(self, handed: object) -> object:
        """Gives frames as scans of their files, which go with the run."""
        return handed.opened() if isinstance(handed, FrameFile) else rebuilt(handed, self.opened)

    def value(self, handed: object) -> object:
        """Gives frames as frames of this process, held in memory, since the files go with the run."""
        if isinstance(handed, FrameFile):
            import polars as pl

            frame = pl.read_ipc(BytesIO(handed.path.read_bytes()))
            return frame.lazy() if handed.lazy else frame
        return rebuilt(handed, self.value)


@dataclass(frozen=True)
class _Raised:
    """What a task raised in a worker, in a form that surely comes back: itself if it can be pickled, and its text."""

    pickled: bytes | None
    kinds: tuple[str, ...]
    text: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> _Raised:
        text = f"{type(error).__name__}: {text_of(error)}"
        return cls(_portable(error), names_of(type(error)), text, "".join(traceback.format_exception(error)))

    def error(self) -> BaseException:
        """Gives what to raise here."""
        remote = RemoteError(f"{self.text}\n\nin the worker process:\n{self.traceback}")
        remote.kinds = self.kinds
        if self.pickled is None:
            return remote
        try:
            error: BaseException = pickle.loads(self.pickled)  # noqa: S301  # pickled by our own worker
        except Exception:  # noqa: BLE001  # what came back there may not come back here
            return remote
        error.__cause__ = remote
        return error


class RemoteError(Exception):
    """The exception of a task in a worker process, with its traceback there as text.

    Attributes:
        kinds: the names of its type and those that this one derives from; see `retries.names_of`.
    """

    kinds: tuple[str, ...] = ()


_Answer = tuple[bytes, dict[str, Told], dict[Metric, float | None], list[Published]]


def _call(scratch: Path, payload: bytes, begun: Callable[[], None]) -> bytes:
    """Runs in the worker: calls, and gives the pickled result, or what was raised, with what was told and measured."""
    enter(None)
    try:
        pickled = _result(payload, scratch, begun)
    except BaseException as error:  # noqa: BLE001  # whatever a task raises is told by the parent
        pickled = pickle.dumps(_Raised.of(error))
    doing = current()
    answer: _Answer = (pickled, {}, {}, [])
    if doing is not None:
        answer = pickled, doing.told, doing.measured, doing.published
    return pickle.dumps(answer)


def _portable(error: BaseException) -> bytes | None:
    try:
        pickled = pickle.dumps(error)
        pickle.loads(pickled)  # noqa: S301  # written a line above; many exceptions pickle and do not come back
    except BaseException:  # noqa: BLE001  # how it is pickled is the user's own code; then its text is what comes back
        return None
    return pickled


def _result(payload: bytes, scratch: Path, begun: Callable[[], None]) -> bytes:
    """Opens frames, calls, and leaves frames as files."""
    called, args, kwargs, permit, portable, trace, is_timed = pickle.loads(payload)  # noqa: S301  # the parent's own
    if is_timed:
        begun()
    act(permit)
    carry_on(trace)
    doing = Doing.of(portable) if portable is not None else None
    enter(doing)
    function: Callable[..., object] = called.function if isinstance(called, Task) else called
    if doing is not None and doing.tells_origins:
        doing.handed |= {str(file.path): file.origins for file in _files((args, kwargs))}
    args, kwargs = [_opened(value) for value in args], {key: _opened(value) for key, value in kwargs.items()}
    if doing is not None and doing.observed:
        left = _measured(function, args, kwargs, doing, scratch)
    else:
        left = _left(_awaited(function(*args, **kwargs)), scratch)
    try:
        return pickle.dumps(left)
    except Exception as error:  # noqa: BLE001  # whatever pickling raises, it means the same
        raise GraphError(
            f"what `{called.__name__}` returned cannot come back from a worker process: {error}",
            fix="return something that can be pickled, or run with executor='threads'",
        ) from None


def _awaited(value: object) -> object:
    if not iscoroutine(value):
        return value
    import asyncio

    return asyncio.run(value)


def _measured(function: Callable[..., object], args: Any, kwargs: Any, doing: Doing, scratch: Path) -> object:
    """Calls and leaves frames as files, measuring what is asked for."""
    memory = Memory() if "memory" in doing.observed else None
    measuring = Measuring(doing.observed, memory, lazy_out="leave")
    try:
        args, kwargs = measuring.begun(args, kwargs)
        left = _left(_awaited(function(*args, **kwargs)), scratch)
        measuring.ended(None)
        for file in _files(left):
            doing.moves.append(("out", file.rows(), file.path.stat().st_size))
    finally:
        doing.measured = measuring.measured(doing.moves)
        if memory is not None:
            memory.close()
    return left


def _files(value: object) -> list[FrameFile]:
    found: list[FrameFile] = []

    def visit(member: object) -> object:
        if isinstance(member, FrameFile):
            found.append(member)
            return member
        return rebuilt(member, visit)

    visit(value)
    return found


def _opened(value: object) -> object:
    return value.opened() if isinstance(value, FrameFile) else rebuilt(value, _opened)


def _left(value: object, scratch: Path) -> object:
    kind = _frame(value)
    if kind is None:
        return rebuilt(value, lambda member: _left(member, scratch))
    path = scratch / f"{uuid4().hex}.arrow"
    frame: Any = value
    handed = tells_origins()
    origins = origins_of(frame.lazy()) if handed is not None else None
    if kind == "LazyFrame":
        frame.sink_ipc(path, engine="streaming")
    else:
        frame.write_ipc(path)
    return FrameFile(path, kind == "LazyFrame", origins and origins.through(handed or {}))


def _frame(value: object) -> FrameKind | None:
    import polars as pl

    if isinstance(value, pl.LazyFrame):
        return "LazyFrame"
    return "DataFrame" if isinstance(value, pl.DataFrame) else None
