"""`glacier cache ls | rm | why`: the results of tasks that a project keeps from run to run."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from glacier.execution.cache.entries import Entries, Entry

app = typer.Typer(
    name="cache",
    help="Show the results of tasks that are kept from run to run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine to read.")]


@app.command("ls")
def listed(
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="Those of this task alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the results that are kept, newest first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = [entry for entry in _entries().all() if task in (None, entry.task, entry.node)]
    if as_json:
        typer.echo(json.dumps([_told(entry) for entry in found], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("task", "pipeline", "computed"):
        table.add_column(name, no_wrap=True)
    for name in ("took", "bytes"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("key", no_wrap=True)
    for entry in found:
        when = f"{entry.when.astimezone():%Y-%m-%d %H:%M:%S}"
        cells = entry.node, entry.pipeline, when, f"{entry.seconds:.2f} s", f"{entry.size:,}", entry.key[:12]
        table.add_row(*map(Text, cells))
    Console().print(table)


@app.command("rm")
def removed(
    tasks: Annotated[list[str] | None, typer.Argument(metavar="TASK", help="Whose results are removed.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Remove all.")] = False,
    older: Annotated[
        float | None, typer.Option("--older-than", metavar="DAYS", min=0, help="Only those older than so many days.")
    ] = None,
) -> None:
    """Remove results that are kept."""
    from glacier.errors import InputError

    if not tasks and not every and older is None:
        raise InputError("nothing is named to be removed", fix="name tasks, or write --all, or --older-than DAYS")
    entries = _entries()
    oldest = datetime.now(UTC) - timedelta(days=older or 0)
    count = 0
    for entry in entries.all():
        if (not tasks or entry.task in tasks or entry.node in tasks) and (older is None or entry.when < oldest):
            entries.remove(entry.key)
            count += 1
    typer.echo(f"removed {count:,} {'result' if count == 1 else 'results'}")


@app.command("why")
def why(task: Annotated[str, typer.Argument(metavar="TASK", show_default=False)], as_json: AsJson = False) -> None:
    """Say why a task was computed anew: what of its code, arguments and data changed since the result before."""
    from glacier.errors import InputError, did_you_mean, listed
    from glacier.execution.cache.why import differences, explained

    entries = list(_entries().all())
    found = differences(entries, task)
    if not found:
        near = did_you_mean(task, sorted({entry.task for entry in entries}))
        told = f"did you mean {listed(near)}?" if near else "run its pipeline, with @task(cache=True)"
        raise InputError(f"no result of a task `{task}` is kept", fix=told)
    if as_json:
        typer.echo(json.dumps([one.to_dict() for one in found], indent=2))
        return
    typer.echo("\n".join(explained(found)))


def _entries() -> Entries:
    from glacier.execution.cache.run import local_entries
    from glacier.execution.home import home_here

    return local_entries(home_here())


def _told(entry: Entry) -> dict[str, object]:
    return {
        "key": entry.key,
        "pipeline": entry.pipeline,
        "node": entry.node,
        "task": entry.task,
        "created": entry.created,
        "seconds": round(entry.seconds, 6),
        "bytes": entry.size,
        "rows": entry.rows,
    }
