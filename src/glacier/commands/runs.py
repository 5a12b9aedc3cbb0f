"""`glacier runs ls | show | diff | rm | gc | export`: the history of a project's runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from glacier.history.runs import RecordedRun
    from glacier.history.store import History
    from glacier.runtime.reading import CloudHistory

app = typer.Typer(
    name="runs",
    help="Show the runs of this project: what ran, when, how it went.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine to read.")]
Records = Annotated[
    str | None,
    typer.Option(
        metavar="URI", help="Read what a deployed pipeline recorded instead: s3://, gs:// or abfss://, or a folder."
    ),
]
RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="An id or its beginning, `last`, or a pipeline's name; ~N for the Nth before."),
]


class StateChoice(StrEnum):
    """How a run ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    KILLED = "killed"


@app.command("ls")
def list_runs(
    pipeline: Annotated[str | None, typer.Argument(help="Only the runs of this pipeline.", show_default=False)] = None,
    most: Annotated[int, typer.Option("--number", "-n", min=1, help="How many, the newest first.")] = 20,
    every: Annotated[bool, typer.Option("--all", "-a", help="All of them.")] = False,
    state: Annotated[StateChoice | None, typer.Option(help="Only those that ended so, or run.")] = None,
    records: Records = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from glacier.history.store import Wanted
    from glacier.report.runs import shown_runs

    with closing(_read(records)) as history:
        found = history.runs(Wanted(pipeline, state.value if state else None, None if every else most))
        if as_json:
            lines = ",\n".join(json.dumps(run.to_dict(), ensure_ascii=False) for run in found)
            typer.echo(f"[\n{lines}\n]")
        elif found:
            typer.echo(shown_runs(found, _width()))
        else:
            typer.echo(f"no such runs in {history.home}", err=True)


@app.command()
def show(run: RunName = "last", records: Records = None, as_json: AsJson = False) -> None:
    """Show one run and its tasks."""
    from glacier.report.runs import shown_run

    with closing(_read(records)) as history:
        found = history.run(run)
        nodes = history.tasks(found)
    if as_json:
        _print_json({**found.to_dict(), "tasks": [node.to_dict() for node in nodes]})
    else:
        typer.echo(shown_run(found, nodes, _width() or 120))


@app.command()
def diff(
    run: RunName = "last",
    other: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="The later one; by default RUN is, and the one before it the earlier."),
    ] = None,
    records: Records = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two runs: inputs, versions, the states, durations and rows of tasks."""
    from glacier.errors import InputError
    from glacier.history.difference import difference
    from glacier.report.runs import shown_difference

    with closing(_read(records)) as history:
        after = history.run(run if other is None else other)
        before = history.before(after) if other is None else history.run(run)
        if before is None:
            raise InputError(
                f"run `{after.short_id}` is the first that is recorded of pipeline `{after.pipeline}`",
                fix="name two runs",
            )
        found = difference((before, history.tasks(before)), (after, history.tasks(after)))
    if as_json:
        _print_json(found.to_dict())
    else:
        typer.echo(shown_difference(found, _width() or 120))


@app.command("rm")
def remove(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids, or their beginnings.")],
    as_json: AsJson = False,
) -> None:
    """Remove runs from the history."""
    with closing(_history()) as history:
        found = [history.run(name) for name in runs]
        history.remove(found)
    _tell_removed(found, as_json)


@app.command()
def gc(
    keep: Annotated[int | None, typer.Option(min=0, help="How many of the newest stay.", show_default=False)] = None,
    older_than: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Remove what began longer ago: 90d, 12h, 30m.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove old runs, and give their room back to the disk; without options what is beyond GLACIER_HISTORY."""
    from glacier.history.recording import runs_kept

    before = None if older_than is None else datetime.now(UTC) - _age(older_than)
    if keep is None and older_than is None:
        keep = runs_kept()
    with closing(_history()) as history:
        ended = [(place, run) for place, run in enumerate(history.runs()) if run.state != "running"]
        found = [
            run
            for place, run in ended
            if (keep is not None and place >= keep) or (before is not None and run.started < before)
        ]
        if not dry_run:
            history.remove(found)
            history.give_back()
    _tell_removed(found, as_json, "would be removed" if dry_run else "removed")


@app.command()
def export(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Replace this file in one step, as node_exporter wants it."
        ),
    ] = None,
) -> None:
    """Print the history as Prometheus reads it: how many runs ended how, and each pipeline's last run and its tasks."""
    from glacier.report.prometheus import exposition, last_ended

    with closing(_history()) as history:
        runs = history.runs()
        text = exposition(runs, {name: history.tasks(run) for name, run in last_ended(runs).items()})
    if output is None:
        typer.echo(text, nl=False)
    else:
        _replace(output, text)


def _replace(file: Path, text: str) -> None:
    from glacier.errors import StorageError

    beside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StorageError(f"`{file}` cannot be written: {error.strerror}", fix="name another file with -o") from None


def _tell_removed(found: list[RecordedRun], as_json: bool, done: str = "removed") -> None:
    from glacier.report.fitting import counted
    from glacier.report.runs import named

    if as_json:
        _print_json([run.to_dict() for run in found])
    else:
        which = f": {named(found)}" if 0 < len(found) <= 20 else ""
        typer.echo(f"{counted(len(found), 'run')} {done}{which}")


def _read(records: str | None) -> History | CloudHistory:
    if records is None:
        return _history()
    from glacier.runtime.reading import cloud_history

    return cloud_history(records)


def _history() -> History:
    from glacier.execution.home import home_here
    from glacier.history.store import History

    return History(home_here())


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+)([dhm])", text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no age; write 90d, 12h or 30m", param_hint="--older-than")
    return timedelta(**{{"d": "days", "h": "hours", "m": "minutes"}[match[2]]: int(match[1])})


def _width() -> int | None:
    """Gives the columns of the terminal; None where the output is no terminal's."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
