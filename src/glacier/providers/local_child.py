"""What a local function's own process runs: one handler, once. Started as a file; imports nothing of Glacier."""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any


class Context:
    """What a handler is told of its invocation, by the names that AWS Lambda uses."""

    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, call: dict[str, Any]) -> None:
        self.function_name: str = call["name"]
        self.invoked_function_arn: str = call["uri"]
        self.memory_limit_in_mb: int = call["memory"]
        self.aws_request_id: str = call["request"]
        self.log_group_name = self.log_stream_name = f"glacier.functions.{call['name']}"
        self._end = time.monotonic() + call["timeout"]

    def get_remaining_time_in_millis(self) -> int:
        """Gives how long it may still run."""
        return max(0, int((self._end - time.monotonic()) * 1000))


def main() -> None:
    """Reads the call from standard input, and writes what the handler gives to the file that the call names."""
    call: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    event: object = json.loads(sys.stdin.buffer.read(call["size"]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.path.insert(0, call["source"])
    try:
        module, _, function = call["handler"].replace("/", ".").rpartition(".")
        handler = getattr(importlib.import_module(module), function)
        answer = {"result": json.dumps(handler(event, Context(call)))}
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is the function's
        answer = {
            "raised": type(error).__name__,
            "message": str(error),
            "trace": _trace(error.__traceback__, call["source"]),
        }
    Path(call["answer"]).write_text(json.dumps(answer), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads that the handler left running do not keep it, as in a cloud


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, and with it the other end of the pipe."""
    sys.stdin.buffer.read()
    os._exit(1)


def _trace(tb: TracebackType | None, source: str) -> str:
    """Gives the handler's own frames, its files named from the source's folder."""
    frames = [frame for frame in traceback.extract_tb(tb) if frame.filename not in (__file__, importlib.__file__)]
    own = [frame for frame in frames if not frame.filename.startswith("<frozen importlib")]
    return "".join(traceback.format_list(own)).replace(f'"{source}{os.sep}', '"')


if __name__ == "__main__":
    main()
