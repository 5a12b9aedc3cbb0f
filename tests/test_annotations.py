"""What annotations say, and when one certainly cannot be another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NewType, Protocol, TypedDict, TypeVar

import polars as pl
import pytest

from glacier import Bucket
from glacier.annotations import UNKNOWN, can_be, frame_kind, may_be_lazy, shown, signature_of

T = TypeVar("T")
UserId = NewType("UserId", int)


class Row(TypedDict):
    n: int


class Sized(Protocol):
    def size(self) -> int: ...


@pytest.mark.parametrize(
    ("produced", "wanted", "fits"),
    [
        (pl.LazyFrame, pl.DataFrame, False),
        (pl.DataFrame, pl.LazyFrame, False),
        (pl.LazyFrame, pl.LazyFrame | pl.DataFrame, True),
        (pl.LazyFrame | None, pl.LazyFrame, True),
        (None, pl.LazyFrame, False),
        (pl.DataFrame, Bucket, False),
        (int, float, True),
        (bool, int, True),
        (int, str, False),
        (str, int | None, False),
        (dict, Mapping, True),
        (Mapping, dict, True),
        (dict[str, int], dict[str, str], True),
        (list[int], Sequence[int], True),
        (list, dict, False),
        (Row, dict, True),
        (Row, list, False),
        (UserId, int, True),
        (UserId, str, False),
        (Annotated[int, "rows"], str, False),
        (Literal["a", "b"], str, True),
        (Literal["a"], int, False),
        (object, int, True),
        (Any, int, True),
        (int, Any, True),
        (T, int, True),
        (int, T, True),
        (int, Sized, True),
        (int, Iterable, False),
        (int, Callable[..., int], False),
        (UNKNOWN, int, True),
        (int, UNKNOWN, True),
    ],
)
def test_can_be(produced: Any, wanted: Any, fits: bool) -> None:
    assert can_be(produced, wanted) is fits


def test_each_annotation_resolves_on_its_own() -> None:
    namespace: dict[str, Any] = {"pl": pl}
    source = "def f(a: pl.LazyFrame, b: 'Missing', *c: int, d: str = '') -> 'pl.DataFrame': ..."
    exec("from __future__ import annotations\n" + source, namespace)
    signature = signature_of(namespace["f"])
    assert [(p.name, p.type, p.required, p.variadic) for p in signature.parameters] == [
        ("a", pl.LazyFrame, True, False),
        ("b", UNKNOWN, True, False),
        ("c", int, True, True),
        ("d", str, False, False),
    ]
    assert signature.returns is pl.DataFrame
    assert signature.positional is None


@pytest.mark.parametrize(
    ("annotation", "lazy"),
    [
        (pl.LazyFrame, True),
        (pl.DataFrame, False),
        (int, False),
        (None, False),
        (dict[str, pl.LazyFrame], True),
        (dict[str, int], False),
        (tuple[pl.DataFrame, ...], False),
        (pl.LazyFrame | None, True),
        (dict, True),
        (UNKNOWN, True),
    ],
)
def test_may_be_lazy(annotation: Any, lazy: bool) -> None:
    assert may_be_lazy(annotation) is lazy


def test_shown_as_a_user_writes_it() -> None:
    assert [shown(kind) for kind in (pl.LazyFrame, type(None), list[int], int | None)] == [
        "LazyFrame",
        "None",
        "list[int]",
        "int | None",
    ]
    assert (frame_kind(pl.LazyFrame), frame_kind(int)) == ("LazyFrame", None)
