"""The tour of `glacier demo`: writes the files, shows the graph, runs it, shows what came out and what to try next."""

from __future__ import annotations

import shutil
from pathlib import Path
from time import perf_counter

import polars as pl
from rich.console import Console
from rich.rule import Rule

from glacier.demo import data
from glacier.errors import ConfigError
from glacier.execution.record import Recorder
from glacier.loading import load_pipeline
from glacier.report.outcome import shown_result
from glacier.report.progress import progress_observer
from glacier.report.summary import summary_table

_PIPELINE = Path(__file__).with_name("pipeline.py")


def show(folder: Path) -> None:
    """Writes the demo into `folder` unless it is there, runs it, and prints the tour to the terminal.

    A second call writes again only what is missing, and runs `pipeline.py` as it is, changed by the user or not.

    Raises:
        ConfigError: `folder` is a file.
    """
    console = Console()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"`{folder}` is a file, and the demo needs a folder", fix="glacier demo another-folder")
    _prepare(folder, console)
    pipeline = load_pipeline(str(folder / "pipeline.py"))

    console.print(Rule("The graph, read from the code", align="left"))
    console.print(pipeline.graph().text(width=console.width), markup=False, highlight=False)
    console.print(Rule("The run", align="left"))
    recorder = Recorder(progress_observer())
    result = pipeline.run(progress=recorder)
    console.print(Rule("What it returned", align="left"))
    with pl.Config(tbl_rows=10, thousands_separator=True, float_precision=2):
        console.print(shown_result(result), markup=False, highlight=False)
    console.print(Rule("Where the time went", align="left"))
    if recorder.record is not None:
        console.print(summary_table(recorder.record))
    console.print(Rule("Next", align="left"))
    console.print(_next_commands(folder), markup=False, highlight=False)


def _prepare(folder: Path, console: Console) -> None:
    console.print(Rule("A data set and a pipeline", align="left"))
    if data.is_written(folder / "data"):
        console.print(f"{folder}/data is there", highlight=False)
    else:
        began = perf_counter()
        with console.status(f"writing {data.SALES:,} sales"):
            data.write_data(folder / "data")
        seconds = perf_counter() - began
        console.print(
            f"{folder}/data: {data.SALES:,} sales in 12 Parquet files, {data.CUSTOMERS:,} customers as CSV, "
            f"{data.PRODUCTS:,} products as Parquet, in {seconds:.1f} s",
            highlight=False,
        )
    target = folder / "pipeline.py"
    if not target.exists():
        shutil.copyfile(_PIPELINE, target)
        console.print(f"{target}: open it in your editor", highlight=False)
    elif target.read_text("utf-8") == _PIPELINE.read_text("utf-8"):
        console.print(f"{target} is there", highlight=False)
    else:
        console.print(f"{target} is kept as you changed it", highlight=False)


def _next_commands(folder: Path) -> str:
    commands = {
        "analyze": "what waits for what, and which task touches which data",
        "graph": "the picture; -o graph.svg writes it as SVG",
        "run": "run it again; --json for a script to read",
    }
    lines = [f"  glacier {command} {folder}/pipeline.py\n      {text}" for command, text in commands.items()]
    return "\n".join([*lines, f"Change a task in {folder}/pipeline.py, and run it again."])
