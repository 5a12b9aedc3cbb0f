"""What calls a handler for an HTTP request in a cloud whose functions are not `handler(event, context)`.

Goes into the function's archive as it is, beside a module of the cloud's own; imports nothing of Glacier.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE / "source"


class Context:
    """What a handler is told of its invocation, by the names that AWS Lambda uses."""

    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, settings: dict[str, Any]) -> None:
        self.function_name: str = settings["name"]
        self.invoked_function_arn: str = settings["name"]
        self.memory_limit_in_mb: int = settings["memory"]
        self.aws_request_id = str(uuid.uuid4())
        self.log_group_name = self.log_stream_name = self.function_name
        self._end = time.monotonic() + settings["timeout"]

    def get_remaining_time_in_millis(self) -> int:
        """Gives how long it may still run."""
        return max(0, int((self._end - time.monotonic()) * 1000))


def answer(body: bytes) -> tuple[int, str]:
    """Calls the handler with a request's body as its event, and gives the status and the body of the answer."""
    try:
        settings: dict[str, Any] = json.loads((HERE / "function_entry.json").read_bytes())
        event: object = json.loads(body) if body.strip() else None
        return 200, json.dumps(_handler(settings["handler"])(event, Context(settings)))
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is the function's
        traceback.print_exc()  # for the log
        failure = {
            "errorType": type(error).__name__,
            "errorMessage": str(error),
            "stackTrace": _trace(error.__traceback__),
        }
        return 500, json.dumps(failure)


_loaded: dict[str, ModuleType] = {}


def _handler(named: str) -> Callable[[object, Context], object]:
    """Gives the handler; its module is imported for the first request, in the folder of the function's sources."""
    module, _, function = named.replace("/", ".").rpartition(".")
    if module not in _loaded:
        if str(SOURCE) not in sys.path:
            sys.path.insert(0, str(SOURCE))
        os.chdir(SOURCE)  # where it lies on the machine that it was written on
        cloud = sys.modules.get(module)  # Google calls its own module `main`, and so may the user
        if cloud is not None and not str(getattr(cloud, "__file__", "")).startswith(str(SOURCE)):
            del sys.modules[module]
        _loaded[module] = importlib.import_module(module)
    handler: Callable[[object, Context], object] = getattr(_loaded[module], function)
    return handler


def _trace(tb: TracebackType | None) -> list[str]:
    """Gives the handler's own frames, its files named from the source's folder."""
    frames = [frame for frame in traceback.extract_tb(tb) if frame.filename not in (__file__, importlib.__file__)]
    own = [frame for frame in frames if not frame.filename.startswith("<frozen importlib")]
    return [line.replace(f'"{SOURCE}{os.sep}', '"') for line in traceback.format_list(own)]
