"""Runs that keep what they have finished: begun, or resumed from where an earlier one ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

from glacier.errors import StorageError
from glacier.execution.checkpoints import Checkpoint, Origin, begun, resumed
from glacier.execution.home import home_of
from glacier.execution.options import RunOptions
from glacier.execution.record import run_id_at
from glacier.execution.scheduler import execute
from glacier.graph import Graph

Inputs = Mapping[str, object]


def keep_and_execute(
    pipeline: str,
    file: str,
    inputs: Inputs,
    parameters: Collection[str],
    resume: str | None,
    prepared: Callable[[Inputs, Checkpoint], tuple[Graph, RunOptions]],
) -> object:
    """Runs a pipeline with a checkpoint, and gives what its body returned.

    Args:
        pipeline: its name.
        file: where it is written.
        inputs: for its parameters; in a run that is resumed, those left out are what they were.
        parameters: the names of these.
        resume: the run to resume, "last" or its id; None to begin a new one.
        prepared: gives the graph and the options for inputs.

    Raises:
        InputError: there is no such run.
        StorageError: the checkpoint cannot be written.
        Exception: whatever the run raises; it can then be resumed.
    """
    run_id = run_id_at(datetime.now(UTC))
    origin = Origin(home_of(file), pipeline, file)
    try:
        checkpoint = begun(origin, run_id, inputs) if resume is None else resumed(origin, resume, run_id)
    except OSError as error:
        raise StorageError(
            f"what pipeline `{pipeline}` finishes cannot be kept in `{origin.folder}`: {error.strerror or error}",
            fix="let GLACIER_HOME name a folder that can be written, or run it without a checkpoint",
        ) from error
    succeeded, result = False, None
    try:
        before = {name: value for name, value in checkpoint.inputs.items() if name in parameters}
        graph, options = prepared({**before, **inputs}, checkpoint)
        result = execute(graph, options)
        succeeded = True
    finally:
        checkpoint.close(result, succeeded=succeeded)
    return result
