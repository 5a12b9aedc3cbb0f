"""What a task declares of the frames it takes and gives, and whether a frame keeps to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from glacier.annotations import frame_model
from glacier.errors import SchemaError, listed
from glacier.schemas import misfit, schema_from, shown_schema

if TYPE_CHECKING:
    import polars as pl

    from glacier.checking.findings import Call, Taken
    from glacier.task import Task


def takes(task: Task[..., Any]) -> dict[str, pl.Schema]:
    """Gives the schemas of a task's parameters, from `takes=` and from typed frames among the annotations."""
    declared = dict(task.options.takes)
    for parameter in task.signature.parameters:
        model = frame_model(parameter.type)
        if model is not None and parameter.name not in declared:
            declared[parameter.name] = schema_from(model, f"`{parameter.name}` of `{task.name}`", task.site)
    return declared


def gives(task: Task[..., Any]) -> pl.Schema | None:
    """Gives the schema of a task's result, from `gives=` or a typed frame as its annotation; None if there is none."""
    model = frame_model(task.signature.returns)
    if task.options.gives is not None or model is None:
        return task.options.gives
    return schema_from(model, f"the result of `{task.name}`", task.site)


def misfits_taken(declared: dict[str, pl.Schema], call: Call) -> Iterable[SchemaError]:
    """Gives an error for each frame handed to a call that is not as the task declares to take it."""
    for one in call.taken:
        wrong = misfit(declared[one.parameter], one.schema) if one.parameter in declared else None
        if wrong is not None:
            yield SchemaError(
                f"{call.what} does not get in `{one.parameter}` what it declares to take: {wrong.told}{_from(one)}",
                site=call.site,
                fix=f"{_near(wrong.near)}change what {one.source} gives, or correct what `{call.name}` declares",
            )


def misfit_given(declared: pl.Schema, given: pl.Schema, task: Task[..., Any]) -> SchemaError | None:
    """Gives the error of a result that is not as the task declares to give it."""
    wrong = misfit(declared, given)
    if wrong is None:
        return None
    return SchemaError(
        f"task `{task.name}` does not give what it declares to: {wrong.told}",
        site=task.site,
        fix=f"{_near(wrong.near)}return a frame that fits, or correct what `{task.name}` declares",
    )


def _from(taken: Taken) -> str:

    return f"\n    `{taken.parameter}` from {taken.source}: {shown_schema(taken.schema)}"


def _near(names: list[str]) -> str:
    return f"did you mean {listed(names)}? Else " if names else ""
