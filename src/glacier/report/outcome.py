"""How a run's end is told on the command line: its result, its record as JSON, its failure."""

from __future__ import annotations

import json
import traceback
from types import TracebackType
from typing import Any, cast

from glacier.errors import GateClosed, GlacierError, GraphError, RunErrors, SchemaError, TaskError, in_package
from glacier.execution.failures import without_glacier
from glacier.execution.record import RunRecord

_HEAD = 10  # rows shown of a LazyFrame, whose result is not computed as a whole


def exit_code(error: BaseException) -> int:
    """Gives 1 if the pipeline ran and failed or its schemas do not fit, 2 if it could not be started.

    >>> exit_code(GateClosed("no result")), exit_code(GlacierError("no such file"))
    (1, 2)
    """
    return 1 if isinstance(error, TaskError | RunErrors | GateClosed | SchemaError) else 2


def told(error: BaseException) -> str:
    """Gives what a person reads of an error: for a failed task its own traceback, then what Glacier says of it."""
    match error:
        case RunErrors():
            parts = [told(one) for one in error.exceptions if isinstance(one, TaskError)]
            return "\n\n".join([*parts, f"RunErrors: {error.message}"])
        case TaskError() if error.__cause__ is not None and not isinstance(error.__cause__, GlacierError):
            return f"{error.mask(_traceback(error.__cause__))}\n{_named(error)}"
        case GraphError() if error.__cause__ is not None:
            return f"{_traceback(error.__cause__)}\n{_named(error)}"
        case GlacierError():
            return _named(error)
        case _:
            return _traceback(error)


def _named(error: GlacierError) -> str:
    return f"{type(error).__name__}: {error}"


def _traceback(error: BaseException) -> str:
    kept = without_glacier(_below_command_line(error.__traceback__))
    while kept is not None and kept.tb_frame.f_code.co_filename.startswith("<frozen importlib"):
        kept = kept.tb_next
    return "".join(traceback.format_exception(type(error), error, kept)).rstrip()


def _below_command_line(trace: TracebackType | None) -> TracebackType | None:
    """Gives what a command of `cli` called; the whole traceback where no command is in it."""
    below, frame = trace, trace
    while frame is not None:
        code = frame.tb_frame.f_code
        if in_package(code.co_filename) and code.co_filename.endswith("cli.py"):
            below = frame.tb_next
        frame = frame.tb_next
    return below


def shown_result(value: object) -> str:
    """Gives what a pipeline returned as text; of a LazyFrame the first rows, which alone are computed."""
    frame = cast("Any", value)
    match type(value).__name__:
        case "LazyFrame":
            return f"{frame.head(_HEAD).collect()}\n(the first {_HEAD} rows at most; the pipeline returned a LazyFrame)"
        case "dict":
            return "\n".join(f"{key}:\n{shown_result(item)}" for key, item in frame.items())
        case "list" | "tuple" if any(type(item).__name__ in ("LazyFrame", "DataFrame") for item in frame):
            return "\n".join(shown_result(item) for item in frame)
        case "NoneType":
            return ""
        case _:
            return str(value)


def as_json_text(record: RunRecord, value: object) -> str:
    """Gives a run as JSON: what its record tells, and the result where JSON can say it."""
    told_run = {
        "pipeline": record.pipeline,
        "state": record.state,
        "run_id": record.run_id,
        "started": record.started.isoformat(),
        "seconds": round(record.seconds, 6),
        "tasks": [node.to_dict() for node in record.nodes],
        "result": _plain(value),
    }
    return json.dumps(told_run, indent=2, ensure_ascii=False)


def _plain(value: object) -> object:
    frame = cast("Any", value)
    match type(value).__name__:
        case "DataFrame":
            return {"rows": frame.height, "schema": {name: str(dtype) for name, dtype in frame.schema.items()}}
        case "LazyFrame":
            return {"rows": None, "schema": {name: str(dtype) for name, dtype in frame.collect_schema().items()}}
        case "dict":
            return {str(key): _plain(item) for key, item in frame.items()}
        case "list" | "tuple":
            return [_plain(item) for item in frame]
        case "str" | "int" | "float" | "bool" | "NoneType":
            return value
        case _:
            return repr(value)
