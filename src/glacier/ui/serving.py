"""Serves the history on this machine until it is interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from glacier.errors import InputError, MissingExtra

_LOOPBACK = "127.0.0.1"


def serve(home: Path, port: int, tell: Callable[[str], None]) -> None:
    """Serves until an interrupt; nobody but this machine reaches it.

    Args:
        home: the folder `.glacier`.
        port: to listen on; 0 for a free one.
        tell: is given the address once it can be opened.

    Raises:
        MissingExtra: the web server is not installed.
        InputError: the port is taken.
    """
    try:
        import uvicorn

        from glacier.ui.app import app
    except ImportError:
        raise MissingExtra(
            "`glacier ui` needs starlette and uvicorn, which are not installed",
            fix="pip install 'glacier-pipelines[ui]', or write a file with `glacier report`",
        ) from None
    listening = _listening(port)
    tell(f"http://{_LOOPBACK}:{listening.getsockname()[1]}")
    server = uvicorn.Server(uvicorn.Config(app(home), log_level="warning", timeout_graceful_shutdown=1))
    server.run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_LOOPBACK, port))
        listening.listen()  # who is told the address may come before the server is ready
    except OSError as error:
        listening.close()
        raise InputError(
            f"port {port} of {_LOOPBACK} cannot be listened on: {error.strerror}", fix="name another one with --port"
        ) from None
    return listening
