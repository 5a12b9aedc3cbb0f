"""Tasks in worker processes, for work bound to Python: values go by pickle, frames by file."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from inspect import iscoroutine
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from glacier.annotations import FrameKind
from glacier.errors import GraphError
from glacier.task import Task
from glacier.trace import rebuilt

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class FrameFile:
    """A frame handed from process to process: an uncompressed Arrow file, which readers map into memory.

    Attributes:
        lazy: whether the task returned a LazyFrame; what it takes is of the same kind.
    """

    path: Path
    lazy: bool

    @property
    def frame_kind(self) -> FrameKind:
        """Which of Polars' frames it stands for."""
        return "LazyFrame" if self.lazy else "DataFrame"

    def opened(self) -> pl.DataFrame | pl.LazyFrame:
        """Gives the frame; a LazyFrame scans the file, so it is good only as long as the run."""
        import polars as pl

        return pl.scan_ipc(self.path) if self.lazy else pl.read_ipc(self.path)


class Processes:
    """A pool of worker processes and the folder in which frames are handed over; both gone when the block ends."""

    def __init__(self, max_workers: int | None) -> None:
        self._pool = ProcessPoolExecutor(max_workers or os.cpu_count(), mp_context=get_context("spawn"))
        self._scratch = Path(tempfile.mkdtemp(prefix="glacier-run-"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, Exception):  # interrupted: running tasks are ended, not awaited
            for process in list(self._pool._processes.values()):
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def call(self, task: Task[..., Any], function: Callable[..., object], args: Any, kwargs: Any) -> object:
        """Calls the task in a worker process; what it returns stays a `FrameFile` where it is a frame.

        Raises:
            GraphError: the task, an argument or the result cannot go to another process, or no worker could start.
        """
        called = task if function is task.function else function
        try:
            payload = pickle.dumps((called, args, kwargs))
        except Exception as error:
            raise GraphError(
                f"`{task.name}` cannot go to a worker process: {error}",
                site=task.site,
                fix="keep tasks and their arguments at module level and picklable, or run with executor='threads'",
            ) from error
        try:
            return self._pool.submit(_call, payload, self._scratch).result()
        except BrokenProcessPool as error:
            raise GraphError(
                f"the worker process of `{task.name}` ended without an answer: killed, crashed, or never started",
                site=task.site,
                fix='if the file starts the run itself, put that under `if __name__ == "__main__":`',
            ) from error

    def value(self, handed: object) -> object:
        """Gives frames as frames of this process, held in memory, since the files go with the run."""
        if isinstance(handed, FrameFile):
            import polars as pl

            frame = pl.read_ipc(BytesIO(handed.path.read_bytes()))
            return frame.lazy() if handed.lazy else frame
        return rebuilt(handed, self.value)


def _call(payload: bytes, scratch: Path) -> object:
    """Runs in the worker: opens frames, calls, and leaves frames as files."""
    called, args, kwargs = pickle.loads(payload)  # noqa: S301  # written a moment ago by the parent process
    function: Callable[..., object] = called.function if isinstance(called, Task) else called
    value = function(*(_opened(value) for value in args), **{key: _opened(value) for key, value in kwargs.items()})
    if iscoroutine(value):
        import asyncio

        value = asyncio.run(value)
    return _left(value, scratch)


def _opened(value: object) -> object:
    return value.opened() if isinstance(value, FrameFile) else rebuilt(value, _opened)


def _left(value: object, scratch: Path) -> object:
    kind = _frame(value)
    if kind is None:
        return rebuilt(value, lambda member: _left(member, scratch))
    path = scratch / f"{uuid4().hex}.arrow"
    frame: Any = value
    if kind == "LazyFrame":
        frame.sink_ipc(path, engine="streaming")
    else:
        frame.write_ipc(path)
    return FrameFile(path, kind == "LazyFrame")


def _frame(value: object) -> FrameKind | None:
    import polars as pl

    if isinstance(value, pl.LazyFrame):
        return "LazyFrame"
    return "DataFrame" if isinstance(value, pl.DataFrame) else None
