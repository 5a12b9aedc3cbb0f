"""What a body of the corpus says about itself: the inputs to try, and which readers understand it.

Above each `@pipeline` stands one of

- `@tried(...)`: the plain call, the plan by staging and the plan by plain tracing agree;
- `@staged(...)`: control flow depends on results; the plain call and staging agree, and tracing refuses it;
- `@refused(message, ...)`: planning is a GraphError of that message, at the line that ends in `# here`.

Inputs are given as columns: `@tried(n=[1, 2], k=[3, 4])` tries `n=1, k=3` and `n=2, k=4`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import bodies
from glacier import Pipeline

Reading = Literal["traced", "staged", "refused"]


@dataclass(frozen=True)
class Body:
    """One pipeline of the corpus.

    Attributes:
        inputs: what to try it with.
        reading: what it takes to plan it.
        message: the regular expression of its refusal.
    """

    pipeline: Pipeline[..., Any]
    inputs: Sequence[dict[str, object]]
    reading: Reading
    message: str = ""

    @property
    def id(self) -> str:
        return f"{self.pipeline.function.__module__.partition('.')[2]}.{self.pipeline.function.__name__}"


Declared = Callable[[Pipeline[..., Any]], Body]


def tried(**columns: Iterable[object]) -> Declared:
    """Every reader agrees."""
    return lambda pipeline: Body(pipeline, _rows(columns), "traced")


def staged(**columns: Iterable[object]) -> Declared:
    """Control flow depends on results, so only staging can plan it."""
    return lambda pipeline: Body(pipeline, _rows(columns), "staged")


def refused(message: str, **columns: Iterable[object]) -> Declared:
    """Cannot be planned; the message is a regular expression."""
    return lambda pipeline: Body(pipeline, _rows(columns), "refused", message)


def _rows(columns: dict[str, Iterable[object]]) -> list[dict[str, object]]:
    if not columns:
        return [{}]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def corpus(*readings: Reading) -> list[Body]:
    """Gives every body of the given readings, module by module."""
    names = [module.name for module in pkgutil.iter_modules(bodies.__path__, "bodies.")]
    modules = [importlib.import_module(name) for name in names]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Body)]
    return [body for body in found if body.reading in readings]
