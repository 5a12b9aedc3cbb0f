"""Functions on this machine: the handler in a process of its own, held to its time and memory."""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from glacier.config import LambdaConfig
from glacier.config.translation import FunctionConfig
from glacier.errors import FunctionError, Site
from glacier.lease import check_lease
from glacier.permits import act
from glacier.resources.host import Invocation, Limit
from glacier.resources.serverless import Serverless

StandIn = Callable[[Any], object] | Callable[[Any, Any], object]
"""What is called in place of a function: with the event, or the event and a context."""

_CHILD = str(Path(__file__).with_name("local_child.py"))
_LOOK_SECONDS = 0.02
"""How often the memory of a running function is looked at."""
_MOST_LINES = 30
"""Of a function's traceback; the last ones are kept."""


@dataclass(frozen=True)
class LocalFunctions:
    """Runs handlers with the Python that runs the pipeline, whatever `runtime` says, and with its packages.

    Memory is looked at on Linux only, and of the handler's own process; elsewhere the limit is not held.
    """

    provider: str
    base: str
    given: FunctionConfig | None = field(default=None, compare=False)
    declarer: object = field(default=None, compare=False, repr=False)

    @property
    def config(self) -> FunctionConfig | None:
        """The config of any cloud."""
        return self.given

    def physical(self, name: str) -> str:
        """Gives the name."""
        return name

    def uri(self, name: str) -> str:
        """Gives a name that is no path, so that no bucket shares it."""
        return f"function://{self.base}/{name}"

    def refusal(self, name: str) -> tuple[str, str] | None:
        """Refuses what no cloud takes for a name."""
        if re.fullmatch(r"[A-Za-z0-9_-]+", name):
            return None
        return (
            f"function name {name!r} is none: letters, digits, hyphens and underscores",
            'name it "data-processor", say',
        )

    def limit(self, *, wait: bool) -> Limit | None:
        """Gives nothing: the payload goes through a pipe."""
        del wait
        return None

    def invoke(self, invocation: Invocation) -> bytes:
        """Runs the handler; what is not waited for runs on in a thread that the interpreter waits for at its end."""
        if invocation.wait:
            return self.call(invocation.function, invocation.payload)
        name = f"function {invocation.function.name}"
        threading.Thread(target=self._log_failure, args=(invocation,), name=name).start()
        return b""

    def call(self, function: Serverless, payload: bytes) -> bytes:
        """Gives what the handler gives for a payload, both as JSON."""
        limits = self.given or LambdaConfig()
        with tempfile.TemporaryDirectory(prefix="glacier-function-") as folder:
            answer = Path(folder, "answer.json")
            header = {
                "name": function.name, "uri": function.uri, "handler": function.handler, "source": function.source,
                "memory": limits.memory, "timeout": limits.timeout, "request": secrets.token_hex(16),
                "size": len(payload), "answer": str(answer),
            }  # fmt: skip
            if not Path(function.source).is_dir():
                raise _failure(
                    function, f"has no source: there is no folder `{function.source}`", "correct source=", function.site
                )
            ended = _run(function, json.dumps(header).encode() + b"\n" + payload, limits.timeout, limits.memory)
            if ended.stopped is not None:
                raise _failure(function, *ended.stopped)
            if not answer.exists():
                how = f"was killed by signal {-ended.code}" if ended.code < 0 else f"ended with exit code {ended.code}"
                raise _failure(function, f"{how} before it had a result", "look at its log: logging at level INFO")
            return _given(function, json.loads(answer.read_text(encoding="utf-8")))

    def _log_failure(self, invocation: Invocation) -> None:
        try:
            self.call(invocation.function, invocation.payload)
        except FunctionError as error:
            _log(invocation.function).error("%s", error)


@dataclass(frozen=True)
class StandIns(LocalFunctions):
    """Local functions, with Python functions in place of some, which are called in this process."""

    functions: Mapping[str, StandIn] = field(default_factory=dict[str, StandIn], hash=False)

    def call(self, function: Serverless, payload: bytes) -> bytes:
        """Calls the stand-in with the event, and with a context of None where it takes two arguments."""
        stand_in = self.functions.get(function.name)
        if stand_in is None:
            return super().call(function, payload)
        try:
            return json.dumps(copy_context().run(_unheld, stand_in, json.loads(payload))).encode()
        except Exception as error:
            raise _failed(function, type(error).__name__, str(error), "") from error


def _unheld(stand_in: StandIn, event: object) -> object:
    """Calls it as what it stands for runs: not held to what the task that invokes it may do."""
    act(None)
    try:
        inspect.signature(stand_in).bind(event, None)
    except TypeError:
        return cast("Callable[[Any], object]", stand_in)(event)
    return cast("Callable[[Any, Any], object]", stand_in)(event, None)


class _Ended(NamedTuple):
    """How a process ended: its exit code, or why it was stopped and the fix."""

    code: int
    stopped: tuple[str, str] | None = None


def _run(function: Serverless, said: bytes, timeout: float, memory: int | None) -> _Ended:
    """Runs the child to its end, or stops it at a limit; its output goes to the log line by line."""
    process = subprocess.Popen(  # noqa: S603  # this interpreter, and a file of this package
        [sys.executable, "-P", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=function.source,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **dict(function.env)},
        start_new_session=True,
    )
    assert process.stdin is not None  # both are pipes
    assert process.stdout is not None
    logging_it = threading.Thread(target=_log_lines, args=(function, process.stdout), daemon=True)
    logging_it.start()
    feeding = threading.Thread(target=_feed, args=(process.stdin, said), daemon=True)
    feeding.start()
    try:
        return _watch(process, timeout, memory)
    finally:
        _kill(process)
        process.wait()
        feeding.join(1)
        with suppress(OSError):
            process.stdin.close()
        logging_it.join(1)
        if not logging_it.is_alive():
            process.stdout.close()


def _watch(process: subprocess.Popen[bytes], timeout: float, memory: int | None) -> _Ended:
    end = time.monotonic() + timeout
    while True:
        try:
            return _Ended(process.wait(_LOOK_SECONDS))
        except subprocess.TimeoutExpired:
            check_lease()
            used = _resident_mib(process.pid)
        if memory is not None and used > memory:
            stopped = f"was stopped: it used {used:,} MiB of memory, and has {memory:,}"
            return _Ended(0, (stopped, "write a larger memory= in its config, or hold less at once"))
        if time.monotonic() > end:
            stopped = f"was stopped: it ran longer than its timeout of {timeout:g} seconds"
            return _Ended(0, (stopped, "write a larger timeout= in its config, or give it less to do"))


def _resident_mib(pid: int) -> int:
    """Gives the memory a process holds; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def _feed(pipe: IO[bytes], said: bytes) -> None:
    """Writes to the child; leaves the pipe open, by whose end the child knows that this process is gone."""
    with suppress(OSError):
        pipe.write(said)
        pipe.flush()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and those that it started."""
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _log_lines(function: Serverless, output: IO[bytes]) -> None:
    log = _log(function)
    with suppress(OSError, ValueError):
        for line in output:
            log.info("%s", line.decode(errors="replace").rstrip())


def _log(function: Serverless) -> logging.Logger:
    return logging.getLogger(f"glacier.functions.{function.name}")


def _given(function: Serverless, answer: Mapping[str, Any]) -> bytes:
    if "raised" not in answer:
        return str(answer["result"]).encode()
    raise _failed(function, answer["raised"], answer["message"], answer["trace"])


def _failed(function: Serverless, raised: str, message: str, trace: str) -> FunctionError:
    """Gives the error for what a handler raised, with its own traceback."""
    shown = [f"    {line}" for line in trace.rstrip().splitlines()[-_MOST_LINES:]]
    return _failure(
        function,
        "\n".join([f"raised {raised}: {message}" if message else f"raised {raised}", *shown]),
        "correct the handler, or what it is given as payload",
        raised=raised,
    )


def _failure(function: Serverless, what: str, fix: str, site: Site | None = None, *, raised: str = "") -> FunctionError:
    return FunctionError(
        f"function `{function.name}` ({function.handler}) {what}", function=function.name, raised=raised, site=site,
        fix=fix,
    )  # fmt: skip
