"""What goes wrong, told in one layout: what happened, at which line of the user's code, how to fix it."""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Self

from glacier.secret import NO_MASK, Mask

_LIBRARY = os.path.dirname(os.__file__) + os.sep
_PACKAGE_ROOT = os.path.dirname(os.path.abspath(__file__)) + os.sep


def in_package(file: str) -> bool:
    """Says whether `file` is one of Glacier's own, not the user's."""
    return file.startswith(_PACKAGE_ROOT)


def in_library(file: str) -> bool:
    """Says whether `file` is part of Python's library or of an installed package."""
    return file.startswith(("<frozen", _LIBRARY)) or "site-packages" in file


@dataclass(frozen=True, slots=True)
class Site:
    """A line of the user's code: where a thing was written.

    >>> str(Site("etl.py", 12))
    'etl.py:12'
    """

    file: str
    line: int

    @classmethod
    def of_frame(cls, frame: FrameType) -> Site:
        """Gives the line that `frame` is executing."""
        return cls(frame.f_code.co_filename, frame.f_lineno)

    @classmethod
    def of_caller(cls, frame: FrameType | None) -> Site | None:
        """Gives the user's nearest line from `frame` outwards: not Glacier's, nor a library's that it went through."""
        nearest = None
        while frame is not None:
            file = frame.f_code.co_filename
            if not in_package(file):
                if not in_library(file):
                    return cls.of_frame(frame)
                nearest = nearest or frame
            frame = frame.f_back
        return cls.of_frame(nearest) if nearest is not None else None

    @property
    def text(self) -> str:
        """The line itself, stripped; empty where the source cannot be had."""
        return linecache.getline(self.file, self.line).strip()

    @property
    def path(self) -> str:
        """The file as a person would name it: relative to the working directory if it is below it."""
        if not os.path.isabs(self.file):
            return self.file
        relative = os.path.relpath(self.file)
        return self.file if relative.startswith(os.pardir) else relative

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class GlacierError(Exception):
    """Something Glacier refuses or could not do; the parent of every error it raises itself.

    Its text has three parts: what happened; `at file:line` with that line; `Fix:` with an edit the user can make.

    >>> print(GlacierError("bucket `raw` has no path", fix='pass path="raw.parquet"'))
    bucket `raw` has no path
      Fix: pass path="raw.parquet"
    """

    def __init__(self, message: str, *, site: Site | None = None, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.site = site
        self.fix = fix

    def __str__(self) -> str:
        parts = [self.message]
        if self.site is not None:
            parts.append(f"  at {self.site}")
            if self.site.text:
                parts.append(f"     {self.site.text}")
        if self.fix is not None:
            parts.append(f"  Fix: {self.fix}")
        return "\n".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.__dict__)


def _restore(cls: type[GlacierError], state: dict[str, object]) -> GlacierError:
    error = cls.__new__(cls, state["message"])
    error.__dict__.update(state)
    return error


class GraphError(GlacierError):
    """A body that cannot be read as a graph, or a graph that cannot run."""


class InputError(GlacierError):
    """Inputs of a run that do not fit the pipeline's parameters, or a pipeline that cannot be found."""


class ConfigError(GlacierError):
    """A declaration (a bucket, an option) whose values are not allowed."""


class UnsupportedError(GlacierError):
    """Something that a cloud, or what is generated for it, cannot express."""


class StorageError(GlacierError):
    """Data that cannot be read or written as asked."""


class SchemaError(GlacierError):
    """Frames that do not fit: a column that is not there, dtypes that do not go together, a schema that is not kept.

    Attributes:
        findings: of a check, each thing that does not fit on its own; the error itself where there is one.
    """

    def __init__(
        self,
        message: str,
        *,
        site: Site | None = None,
        fix: str | None = None,
        findings: Iterable[SchemaError] = (),
    ) -> None:
        super().__init__(message, site=site, fix=fix)
        self._several = tuple(findings)

    @property
    def findings(self) -> tuple[SchemaError, ...]:
        """Each thing that does not fit, in body order."""
        return self._several or (self,)


class ObjectNotFound(StorageError, FileNotFoundError):
    """A bucket's path holds nothing."""


class AccessDenied(StorageError, PermissionError):
    """A store that knows whoever asks, and does not allow it."""


class FunctionError(GlacierError):
    """A serverless function that failed, or could not be invoked.

    Attributes:
        function: its name.
        raised: the type of the exception that it raised itself; empty where it raised none.
    """

    def __init__(
        self, message: str, *, function: str, raised: str = "", site: Site | None = None, fix: str | None = None
    ) -> None:
        super().__init__(message, site=site, fix=fix)
        self.function = function
        self.raised = raised


class MissingExtra(GlacierError, ImportError):
    """A feature whose optional dependency is not installed."""


class GateClosed(GlacierError):
    """The pipeline's own result was skipped, because a check before it returned False."""


class TaskError(GlacierError):
    """A task of a run failed. The task's own exception is `__cause__`, its traceback intact.

    Attributes:
        task: the name of the failed call in the graph.
        pipeline: the pipeline's name.
        items: for each loop around the call, outermost first, the number of the item it failed for, from 0.
        reason: what the task raised, in one line, without secrets: what records of the run tell.
        mask: takes the secrets that the task was given, or may have known, out of text.
        attempts: how many times it was tried.
    """

    def __init__(
        self,
        message: str,
        *,
        task: str,
        pipeline: str,
        items: tuple[int, ...] = (),
        reason: str = "",
        site: Site | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message, site=site, fix=fix)
        self.task = task
        self.pipeline = pipeline
        self.items = items
        self.reason = reason or message
        self.mask: Mask = NO_MASK
        self.attempts = 1


class TaskTimeout(GlacierError, TimeoutError):
    """A try of a task took longer than its `timeout`; the `__cause__` of the `TaskError`."""


class WorkerDied(GlacierError):
    """The process in which a task ran ended before it had a result; the `__cause__` of the `TaskError`."""


class RunErrors(ExceptionGroup[TaskError]):
    """Every failure of a run with `on_failure="continue"`, one `TaskError` each, in body order."""

    def derive(self, excs: Iterable[TaskError]) -> Self:  # type: ignore[override]  # a group of this kind holds TaskErrors only
        """Gives a group of the same kind and text; what `split` and `except*` make of it."""
        return type(self)(self.message, list(excs))


def text_of(error: BaseException) -> str:
    """Gives an exception's text, also where that fails itself.

    >>> class Odd(Exception):
    ...     def __str__(self) -> str:
    ...         raise RuntimeError
    >>> text_of(ValueError("no good")), text_of(Odd())
    ('no good', '(its text cannot be had)')
    """
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # whatever it raises, the exception itself is still to be told
        return "(its text cannot be had)"


def did_you_mean(name: str, known: Iterable[str]) -> list[str]:
    """Gives up to three of `known` that look like `name`, nearest first.

    >>> did_you_mean("amout", ["amount", "date"])
    ['amount']
    """
    from difflib import get_close_matches  # only a message needs it, not every import

    return get_close_matches(name, list(known), n=3, cutoff=0.5)


def listed(names: Iterable[str], *, most: int = 8) -> str:
    """Gives names in backticks, comma-separated, at most `most` of them.

    >>> listed(["a", "b"])
    '`a`, `b`'
    """
    every = list(names)
    shown = ", ".join(f"`{name}`" for name in every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown
