"""One check from a graph to its report: where schemas are looked up, what is wrong, what is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, TypeGuard

from glacier.annotations import frame_model, gives_frames
from glacier.checking import record
from glacier.checking.check import Check
from glacier.checking.propagation import Propagation
from glacier.checking.sources import Known, Source, Sources
from glacier.errors import SchemaError, did_you_mean, listed
from glacier.rehearsal import rehearsing
from glacier.schemas import SchemaLike, schema_from
from glacier.work import Input

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from glacier.graph import Graph

Given = str | PathLike[str] | Mapping[str, SchemaLike]
"""The schemas a check is given: a file of `glacier check --record`, or schemas by source (`raw/x.csv`) and input."""


@dataclass(frozen=True, slots=True)
class Examination:
    """A check and what it found wrong.

    Attributes:
        recorded: the schemas read from data, by source.
    """

    check: Check
    errors: tuple[SchemaError, ...]
    recorded: Mapping[str, pl.Schema]

    def to_dict(self) -> dict[str, Any]:
        """Gives the check's content and its errors as plain lists and dicts."""
        errors = [
            {
                "message": error.message,
                "file": error.site.path if error.site else None,
                "line": error.site.line if error.site else None,
                "fix": error.fix,
            }
            for error in self.errors
        ]
        return {**self.check.to_dict(), "errors": errors}

    def error(self) -> SchemaError | None:
        """Gives one error that tells all that is wrong; None if nothing is."""
        return _together(self.check.pipeline, self.errors) if self.errors else None


def examine(
    plan: Callable[[], Graph], given: Given | None, beside: Path, *, strict: bool = False, recording: bool = False
) -> Examination:
    """Checks a pipeline.

    Args:
        plan: reads the body into a graph; called in the rehearsal, so that URIs the body asks for are none to harm.
        given: schemas, or the file of them.
        beside: the folder whose `glacier-schemas.json` is taken if nothing is given and it is there.
        strict: whether a source without a known schema is an error, not a warning.
        recording: whether data is asked before what was recorded, on other machines too.
    """
    known = _known(given, beside, may_be_missing=recording)
    sources = Sources(known, record=recording)
    try:
        with rehearsing(sources):
            graph = plan()
        propagation = Propagation(graph, sources)
        calls = propagation.calls()
    finally:
        sources.close()
    missing = [_unknown(source) for source in sources.found.values() if source.schema is None]
    missing += [_without_schema(graph, node.work) for node in graph.nodes if _is_unknown_input(node.work, sources)]
    unused = _unused(graph, sources) if isinstance(given, Mapping) else []
    warnings = [*unused, *([] if strict else missing)]
    check = Check(graph.name, calls, tuple(sources.found.values()), tuple(str(warning) for warning in warnings))
    return Examination(check, (*propagation.errors, *(missing if strict else ())), sources.recorded)


def _known(given: Given | None, beside: Path, *, may_be_missing: bool) -> Known:
    if isinstance(given, Mapping):
        return Known({name: schema_from(one, f"`{name}`", None) for name, one in given.items()}, "given to the check")
    path = beside / record.FILE_NAME if given is None else Path(given)
    if (given is None or may_be_missing) and not path.is_file():
        return Known({}, "")
    return Known(record.read(path), f"recorded in {path.name}")


def _unknown(source: Source) -> SchemaError:
    return SchemaError(
        f"the schema of `{source.name}` is not known: {source.origin}",
        site=source.site,
        fix="declare schema= on the bucket, or run `glacier check --record` where the data is",
    )


def _is_unknown_input(work: object, sources: Sources) -> TypeGuard[Input]:
    if not isinstance(work, Input) or not gives_frames(work.annotation):
        return False
    return frame_model(work.annotation) is None and work.name not in sources.known.schemas


def _without_schema(graph: Graph, work: Input) -> SchemaError:
    return SchemaError(
        f"the schema of input `{work.name}` of pipeline `{graph.name}` is not known",
        fix=f"pass schemas={{{work.name!r}: ...}} or inputs={{{work.name!r}: ...}}",
    )


def _unused(graph: Graph, sources: Sources) -> list[SchemaError]:
    """Gives a warning for each schema given that is no source's and no input's."""
    names = [*sources.found, *(node.work.name for node in graph.nodes if isinstance(node.work, Input))]
    return [
        SchemaError(
            f"the check is given a schema of `{name}`, and pipeline `{graph.name}` scans nothing of that name",
            fix=f"did you mean {listed(did_you_mean(name, names) or names) or 'another pipeline'}?",
        )
        for name in sources.known.schemas
        if name not in names
    ]


def _together(pipeline: str, errors: Sequence[SchemaError]) -> SchemaError:
    """Gives one error that tells all: the one itself, or a numbered list with each in its own layout."""
    if len(errors) == 1:
        return errors[0]
    listing = "\n".join(indent(f"{number}. {error}", "  ") for number, error in enumerate(errors, 1))
    return SchemaError(f"{len(errors)} things do not fit in pipeline `{pipeline}`:\n{listing}", findings=errors)
