"""A line of so many bytes a second in front of a server on loopback, as a network would be."""

from __future__ import annotations

import socket
import threading
import time
from urllib.parse import urlsplit

_PIECE_BYTES = 256 * 1024


class Line:
    """The line; `url` is where it begins. Both directions carry as much, each for itself, all connections together."""

    def __init__(self, server: str, bytes_a_second: float) -> None:
        there = urlsplit(server)
        assert there.hostname is not None
        assert there.port is not None
        self._there = there.hostname, there.port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._up, self._down = _Pace(bytes_a_second), _Pace(bytes_a_second)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{there.path}"
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        """Takes no further connection."""
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for one
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            there = socket.create_connection(self._there)
            for source, target, pace in (here, there, self._up), (there, here, self._down):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_carry, args=(source, target, pace), daemon=True).start()


class _Pace:
    """Lets bytes pass at a rate, whoever brings them."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = time.monotonic()
        self._lock = threading.Lock()

    def wait(self, count: int) -> None:
        with self._lock:
            self._free = max(self._free, time.monotonic()) + count / self._rate
            pause = self._free - time.monotonic()
        if pause > 0:
            time.sleep(pause)


def _carry(source: socket.socket, target: socket.socket, pace: _Pace) -> None:
    buffer = memoryview(bytearray(_PIECE_BYTES))
    try:
        while count := source.recv_into(buffer):
            pace.wait(count)
            target.sendall(buffer[:count])
        target.shutdown(socket.SHUT_WR)
    except OSError:  # an end has hung up
        source.close()
        target.close()
