"""A process that a task forks must not go on with the run: its end is where it comes back from the task."""

from __future__ import annotations

import os
from typing import NoReturn


class Forks:
    """Counts the forks that lie between this process and the one that loaded this module.

    Attributes:
        depth: how many.
    """

    depth = 0

    @classmethod
    def _forked(cls) -> None:
        cls.depth += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Forks._forked)


def leave_fork() -> NoReturn:
    """Ends this process. Takes no lock: threads that are not here may have held some when it was forked."""
    os.write(2, b"glacier: a task forked, and the child came back from the task: it ends here, its parent goes on\n")
    os._exit(1)
