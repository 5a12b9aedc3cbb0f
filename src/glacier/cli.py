"""The command line: `glacier run | analyze | check | graph | generate | plan | runs | report | ui | demo`.

Exit codes: 0 all went well, 1 the pipeline failed or its schemas do not fit, 2 it could not start (usage, inputs, the
graph), or `plan` found changes, 130 interrupted.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glacier.commands import cache, runs

if TYPE_CHECKING:
    from glacier.pipeline import Pipeline

app = typer.Typer(
    name="glacier",
    help="Write Python code, get cloud infrastructure: data pipelines over Polars frames.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(runs.app)
app.add_typer(cache.app)

Target = Annotated[
    str, typer.Argument(metavar="PIPELINE", help="etl.py, etl.py:name or package.module:name", show_default=False)
]
Given = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="KEY=VALUE", help="A parameter of the pipeline; typed by its annotation."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine to read.")]


class ExecutorChoice(StrEnum):
    """Where tasks run."""

    THREADS = "threads"
    PROCESSES = "processes"
    SYNC = "sync"


class OnFailureChoice(StrEnum):
    """What a failed task ends."""

    STOP = "stop"
    CONTINUE = "continue"


class CloudChoice(StrEnum):
    """Which provider takes the place of the local one."""

    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"


class BackendChoice(StrEnum):
    """Where Terraform keeps its state."""

    S3 = "s3"
    GCS = "gcs"
    AZURERM = "azurerm"
    HTTP = "http"
    PG = "pg"
    KUBERNETES = "kubernetes"
    CONSUL = "consul"
    REMOTE = "remote"


class CacheChoice(StrEnum):
    """What is done with results of tasks that are kept."""

    USE = "use"
    REFRESH = "refresh"
    OFF = "off"


class GraphFormat(StrEnum):
    """How a graph is drawn."""

    TEXT = "text"
    MERMAID = "mermaid"
    SVG = "svg"


@app.command()
def run(
    target: Target,
    which: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="With --resume: which run; the last if left out.", show_default=False),
    ] = None,
    given: Given = None,
    max_workers: Annotated[int | None, typer.Option(min=1, help="Most tasks at once.")] = None,
    executor: Annotated[ExecutorChoice, typer.Option(help="Where tasks run.")] = ExecutorChoice.THREADS,
    on_failure: Annotated[
        OnFailureChoice, typer.Option(help="End the run at a failure, or run all that does not depend on it.")
    ] = OnFailureChoice.STOP,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Keep the run in the history; see `glacier runs`.")
    ] = True,
    kept: Annotated[
        CacheChoice, typer.Option("--cache", help="Use results that are kept, compute all anew, or do without.")
    ] = CacheChoice.USE,
    checkpoint: Annotated[
        bool | None,
        typer.Option("--checkpoint/--no-checkpoint", help="Keep what tasks finish, so that the run can be resumed."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that did not succeed.")] = False,
) -> None:
    """Run a pipeline here and print what it returns."""
    from glacier.errors import GateClosed, RunErrors, TaskError
    from glacier.execution.record import Recorder
    from glacier.report.outcome import as_json_text, shown_result
    from glacier.report.progress import progress_observer

    if which is not None and not resume:
        raise typer.BadParameter(f"`{which}` is a second argument; to go on with a run, add --resume")
    pipeline, inputs = _loaded(target, given, complete=not resume)
    recorder = Recorder(None if quiet or as_json else progress_observer())
    keeps = resume or (pipeline.checkpoint if checkpoint is None else checkpoint)
    again = f"; to go on from what was finished: glacier run {target} --resume" if keeps else ""
    value: object = None
    out = redirect_stdout(sys.stderr) if as_json else nullcontext()  # what tasks print must not spoil the JSON
    try:
        with out:
            value = pipeline.run(
                inputs=inputs,
                max_workers=max_workers,
                executor=executor.value,
                on_failure=on_failure.value,
                progress=recorder,
                record=record,
                cache="refresh" if kept is CacheChoice.REFRESH else kept is CacheChoice.USE,
                checkpoint=checkpoint,
                resume=(which or "last") if resume else None,
            )
    except KeyboardInterrupt:
        typer.echo(f"interrupted{again}", err=True)
        raise typer.Exit(130) from None
    except (TaskError, RunErrors, GateClosed):
        if again:
            typer.echo(f"failed{again}", err=True)
        raise
    finally:
        if as_json and recorder.record is not None:
            typer.echo(as_json_text(recorder.record, value))
    if not as_json:
        typer.echo(shown_result(value))


@app.command()
def analyze(target: Target, given: Given = None, as_json: AsJson = False) -> None:
    """Show a pipeline's tasks, what waits for what and why, and which task touches which data. Runs nothing."""
    import json

    pipeline, inputs = _loaded(target, given)
    analysis = pipeline.run(mode="analyze", inputs=inputs)
    typer.echo(json.dumps(analysis.to_dict(), indent=2, ensure_ascii=False) if as_json else str(analysis))


@app.command()
def check(
    target: Target,
    given: Given = None,
    record: Annotated[
        bool, typer.Option("--record", help="Read the sources' schemas from the data and write them to the file.")
    ] = False,
    schemas: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The sources' schemas; glacier-schemas.json beside the pipeline by default."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where a source's schema is not known.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow schemas through a pipeline: missing columns, dtypes that do not fit. Reads no data but files' footers."""
    import json

    from glacier.checking.record import FILE_NAME, update
    from glacier.errors import Site

    pipeline, inputs = _loaded(target, given)
    with redirect_stdout(sys.stderr):  # what tasks print
        examined = pipeline.examine(inputs, schemas, strict=strict, recording=record)
    if record:
        file = schemas or Path(pipeline.site.file).with_name(FILE_NAME)
        update(file, examined.recorded)
        typer.echo(
            f"wrote {len(examined.recorded)} of {len(examined.check.sources)} schemas to {Site(str(file), 1).path}",
            err=True,
        )
    error = examined.error()
    if as_json:
        typer.echo(json.dumps(examined.to_dict(), indent=2, ensure_ascii=False))
        raise typer.Exit(0 if error is None else 1)
    if error is not None:
        raise error
    typer.echo(str(examined.check))


@app.command()
def graph(
    target: Target,
    given: Given = None,
    form: Annotated[GraphFormat, typer.Option("--format", "-f", help="How to draw it.")] = GraphFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file; .svg, .mmd or .txt chooses the format.")
    ] = None,
) -> None:
    """Draw a pipeline's graph. Runs nothing."""
    pipeline, inputs = _loaded(target, given)
    diagram = pipeline.graph(inputs=inputs)
    if output is not None:
        diagram.save(output)
        typer.echo(f"wrote {output}", err=True)
        return
    match form:
        case GraphFormat.TEXT:
            typer.echo(diagram.text())
        case GraphFormat.MERMAID:
            typer.echo(diagram.mermaid())
        case GraphFormat.SVG:
            typer.echo(diagram.svg())


Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The folder that is generated into.")]
Cloud = Annotated[
    CloudChoice | None, typer.Option("--provider", help="Generate for this cloud what is written for LocalProvider.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of --provider: region, project_id, ..."),
]
Environments = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME", help="An environment, GLACIER_ENVIRONMENT while the pipeline is loaded."),
]
Backend = Annotated[BackendChoice | None, typer.Option("--backend", help="Where Terraform keeps its state.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite generated files that were changed by hand.")]


@app.command()
def generate(
    target: Target,
    given: Given = None,
    output: Output = Path("terraform"),
    provider: Cloud = None,
    settings: Settings = None,
    environments: Environments = None,
    backend: Backend = None,
    force: Force = False,
    explain: Annotated[
        bool, typer.Option("--explain-permissions", help="Say for every permission which task and line needs it.")
    ] = False,
) -> None:
    """Write the Terraform configuration of all that a pipeline needs in its cloud. Runs nothing."""
    from glacier.drafting import Wanted, drafts_of
    from glacier.generation.generate import generate as written_to
    from glacier.generation.readme import explained

    drafts = drafts_of(Wanted(target, given or [], output, provider, settings or [], environments or []))
    generated = written_to(drafts, output, backend.value if backend else None, force=force)
    if explain:
        typer.echo(explained(generated.blueprint.permissions) + "\n")
    typer.echo(str(generated))


@app.command()
def plan(
    target: Target,
    given: Given = None,
    output: Output = Path("terraform"),
    provider: Cloud = None,
    settings: Settings = None,
    environments: Environments = None,
    backend: Backend = None,
    as_json: AsJson = False,
) -> None:
    """Show what `generate` would change of what it wrote: rights, resources, schedule. Exits with 2 if anything."""
    import json

    from glacier.drafting import Wanted, drafts_of
    from glacier.generation.generate import changes_of

    drafts = drafts_of(Wanted(target, given or [], output, provider, settings or [], environments or []))
    found = changes_of(drafts, output, backend.value if backend else None)
    typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if as_json else str(found))
    if found:
        raise typer.Exit(2)


@app.command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, a pipeline's name, or last~1.")] = "last",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; glacier-<run>.html by default.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write one HTML file that shows a run: its graph, time line, memory, tasks, resources, the run before."""
    from glacier.errors import ConfigError
    from glacier.execution.home import home_here
    from glacier.history.store import History
    from glacier.report.page import page
    from glacier.report.page.recorded import recorded_data

    with History(home_here()) as history:
        recorded = history.run(run)
        made = page(recorded_data(history, recorded))
    file = output or Path(f"glacier-{recorded.short_id}.html")
    try:
        file.write_text(made, "utf-8")
    except OSError as error:
        told = f"the report cannot be written to `{file}`: {error.strerror}"
        raise ConfigError(told, fix="name another file with --output") from None
    typer.echo(f"wrote {file}", err=True)
    if show:
        typer.launch(file.absolute().as_uri())


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=0, max=65535, help="To listen on; 0 for a free one.")] = 8765,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Show the runs of this project in a browser on this machine, live, until interrupted."""
    from glacier.execution.home import home_here
    from glacier.ui.serving import serve

    def tell(address: str) -> None:
        typer.echo(f"{address} (end with Ctrl-C)", err=True)
        if show:
            typer.launch(address)

    serve(home_here(), port, tell)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the data and the pipeline.")] = Path("glacier-demo"),
) -> None:
    """Write a data set and a pipeline into a folder, run it, and show what there is to see."""
    from glacier.demo.tour import show

    show(folder)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Write Python code, get cloud infrastructure: data pipelines over Polars frames."""
    if version:
        from glacier import __version__

        typer.echo(__version__)
        raise typer.Exit


def _loaded(
    target: str, given: list[str] | None, *, complete: bool = False
) -> tuple[Pipeline[..., Any], dict[str, object]]:
    from glacier.loading import load_pipeline, parse_inputs

    pipeline = load_pipeline(target)
    return pipeline, parse_inputs(pipeline, given or [], complete=complete)


def main() -> None:
    """Runs the command line; the entry point of the `glacier` script."""
    try:
        app(prog_name="glacier")
    except Exception as error:  # noqa: BLE001  # the last stop of every error: told without Glacier's own frames
        from glacier.report.outcome import exit_code, told

        typer.secho(told(error), err=True)
        sys.exit(exit_code(error))
