"""Which run a person means: by an id or its beginning, by `last`, by a pipeline, and so many before that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from glacier.errors import InputError, did_you_mean, listed


class Known(NamedTuple):
    """A run there is."""

    run_id: str
    pipeline: str


def short_id(run_id: str) -> str:
    """Gives the random end of a run's id, which is enough to name it.

    >>> short_id("20240517-101112-000345-9f3c2a7b")
    '9f3c2a7b'
    """
    return run_id.rpartition("-")[2]


def run_named(name: str, known: Sequence[Known], where: str) -> str:
    """Gives the id of the run that a name stands for.

    Args:
        name: its id, or the beginning of that or of its short id; `last`, or the name of a pipeline for its last run;
            with `~N` the Nth before that.
        known: the runs there are, newest first.
        where: they are, for messages.

    Raises:
        InputError: it stands for none, or several.

    >>> run_named("etl~1", [Known("3-c", "etl"), Known("2-b", "ml"), Known("1-a", "etl")], "here")
    '1-a'
    """
    found = [run.run_id for run in known if run.run_id == name]
    inside = f"-{name}"  # of all runs few are looked at closely
    found = found or [
        run_id
        for run_id, _ in known
        if run_id.startswith(name) or (inside in run_id and short_id(run_id).startswith(name))
    ]
    if len(found) > 1:
        raise InputError(f"`{name}` names several runs: {listed(map(short_id, found))}", fix="write more of the id")
    if found:
        return found[0]
    first, tilde, back = name.partition("~")
    of_pipeline = [run.run_id for run in known if first in ("last", run.pipeline)]
    if not tilde or back.isdecimal():
        place = int(back or 0)
        if place < len(of_pipeline):
            return of_pipeline[place]
    raise no_run(name, known, where)


def no_run(name: str, known: Sequence[Known], where: str) -> InputError:
    """Gives the error for a name that stands for no run."""
    if not known:
        return InputError(
            f"no runs are recorded in `{where}`",
            fix="go to the folder of the project, or let GLACIER_HOME name the folder they are in",
        )
    near = did_you_mean(name.partition("~")[0], {"last", *(run.pipeline for run in known)})
    fix = f"did you mean {listed(near)}?" if near else "see `glacier runs ls --all`"
    return InputError(f"there is no run `{name}`", fix=fix)
