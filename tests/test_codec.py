"""Values as JSON and back: what comes back is what went, and nothing that was written can run code."""

from __future__ import annotations

import json
import math
import pickle
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, StrEnum
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

from glacier import Secret
from glacier.execution.codec import NotPlain, NotReadable, decoded, encoded
from glacier.providers import AWSProvider, AzureProvider, GCPProvider, LocalProvider


class Memory:
    """Keeps frames and bytes in dicts."""

    def __init__(self) -> None:
        self.frames: dict[str, pl.DataFrame] = {}
        self.contents: dict[str, bytes] = {}

    def keep_frame(self, frame: pl.DataFrame | pl.LazyFrame) -> str:
        name = f"f{len(self.frames)}"
        self.frames[name] = frame.lazy().collect()
        return name

    def keep_bytes(self, content: bytes) -> str:
        name = f"b{len(self.contents)}"
        self.contents[name] = content
        return name

    def frame(self, name: str) -> pl.LazyFrame:
        return self.frames[name].lazy()

    def content(self, name: str) -> bytes:
        return self.contents[name]


def round_trip(value: object) -> Any:
    memory = Memory()
    return decoded(json.loads(json.dumps(encoded(value, memory), allow_nan=False)), memory)


class Colour(Enum):
    RED = 1
    BLUE = (1, 2)


class Mode(StrEnum):
    FAST = "fast"


class Rights(Flag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Point:
    x: float
    tags: tuple[str, ...] = ()

    @cached_property
    def double(self) -> float:
        return 2 * self.x


@dataclass(frozen=True, slots=True)
class Slotted:
    point: Point
    computed: int = field(init=False, default=3)


@dataclass
class Explosive:
    x: int

    def __post_init__(self) -> None:
        raise AssertionError("code ran")


@dataclass
class Token:
    value: str

    def get_secret_value(self) -> str:
        return self.value


class Row(NamedTuple):
    name: str
    when: date


class Pair(NamedTuple):
    left: object
    right: object


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(max_size=100),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(UTC) | st.just(ZoneInfo("Europe/Oslo"))),
    st.timedeltas(),
    st.times(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.complex_numbers(allow_nan=False),
    st.sampled_from([Colour.RED, Colour.BLUE, Mode.FAST, Rights.READ | Rights.WRITE]),
)
KEYS = st.one_of(st.text(), st.integers(), st.dates(), st.tuples(st.integers(), st.text()))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.lists(inner).map(deque),
        st.dictionaries(KEYS, inner),
        st.dictionaries(KEYS, inner).map(OrderedDict),
        st.builds(Pair, inner, inner),
        st.sets(KEYS),
        st.frozensets(KEYS),
    ),
    max_leaves=12,
)


@given(VALUES)
def test_what_comes_back_is_what_went(value: object) -> None:
    again = round_trip(value)
    assert again == value
    assert same_types(again, value)


def same_types(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        keys = [list(map(type, keys)) for keys in (cast("Any", one), other)]
        return keys[0] == keys[1] and all(same_types(one[key], other[key]) for key in other)
    if isinstance(one, list | tuple | deque):
        return all(same_types(a, b) for a, b in zip(cast("Any", one), other, strict=True))
    return True


@pytest.mark.parametrize(
    "value",
    [
        Point(1.5, ("a",)),
        Slotted(Point(math.inf)),
        [Row("a", date(2024, 5, 1)), Pair(1, [2])],
        {"$date": "not a date"},
        {1: "one", (2, 3): {"x"}, None: None},
        Counter("abca"),
        Path("data/raw"),
        PurePosixPath("a/b"),
        PureWindowsPath(r"c:\a"),
        UUID(int=7),
        bytearray(b"x"),
        b"long" * 50_000,
        datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Oslo"), fold=1),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        time(1, 2, 3, fold=1),
        Decimal("NaN").copy_abs(),
        range(1, 9, 2),
        "\ud800",
        -0.0,
    ],
    ids=repr,
)
def test_values_of_each_kind(value: Any) -> None:
    again = round_trip(value)
    assert type(again) is type(value)
    assert repr(again) == repr(value)


def test_what_repr_does_not_tell() -> None:
    assert math.isnan(round_trip(math.nan))
    assert round_trip(datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Oslo"), fold=1)).fold == 1
    assert round_trip(10**6000) == 10**6000


def test_frames_series_and_schemas() -> None:
    frame = pl.DataFrame(
        {"id": [1, None], "at": [date(2024, 5, 1)] * 2, "kind": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"]))}
    )
    again = round_trip({"eager": frame, "lazy": [frame.lazy()], "one": frame["kind"], "schema": frame.schema})
    assert isinstance(again["lazy"][0], pl.LazyFrame)
    assert_frame_equal(again["eager"], frame)
    assert_frame_equal(again["lazy"][0].collect(), frame)
    assert_series_equal(again["one"], frame["kind"])
    assert again["schema"] == frame.schema


@pytest.mark.parametrize(
    "value", [np.arange(6).reshape(2, 3), np.array(["a", "bc"]), np.array([], "datetime64[D]"), np.array(2.5)]
)
def test_arrays(value: Any) -> None:
    again = round_trip({"weights": value})["weights"]
    assert again.dtype == value.dtype
    assert np.array_equal(again, value)


def test_numbers_of_numpy_stay_so() -> None:
    again = round_trip([np.float32(1.5), np.int64(3), np.bool_(True)])
    assert [type(number) for number in again] == [np.float32, np.int64, np.bool_]
    assert again == [1.5, 3, True]


@pytest.mark.parametrize(
    "provider",
    [
        LocalProvider("/srv"),
        AWSProvider(region="us-east-1", tags={"team": "sales"}),
        GCPProvider(project_id="acme-data"),
        AzureProvider(storage_account="acmedata"),
    ],
    ids=repr,
)
def test_buckets(provider: Any) -> None:
    bucket = provider.bucket("raw", path="a.parquet", schema={"a": pl.Int64})
    again = round_trip([bucket])[0]
    assert again == bucket
    assert (again.uri, again.schema) == (bucket.uri, bucket.schema)


class Model:
    pass


class Words(str):
    __slots__ = ()


def inner_class() -> object:
    @dataclass
    class Local:
        x: int

    return Local(1)


def holding_more() -> object:
    point = Explosive.__new__(Explosive)
    point.x = 1
    point.y = 2  # type: ignore[attr-defined]  # what is tested
    return point


def circle() -> object:
    items: list[object] = []
    items.append({"items": items})
    return items


def deep() -> object:
    items: list[object] = []
    for _ in range(100_000):
        items = [items]
    return items


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"models": [Model()]}, '["models"][0]: a Model has no form as data'),
        (Point(1, (Words("a"),)), ".tags[0]: a Words has no form as data"),
        (lambda: 1, "a function has no form as data"),
        (Secret("s3cr3t"), "a Secret has no form as data"),
        ([Token("s3cr3t")], "[0]: a Token has no form as data"),
        (inner_class(), "the class `inner_class.<locals>.Local` is not at the top of a module"),
        (holding_more(), "a Explosive holds `y`, which is no field of its dataclass"),
        (Explosive.__new__(Explosive), "field `x` of a Explosive is not set"),
        (circle(), '[0]["items"]: it contains itself'),
        (np.array([Model()]), "a ndarray of numpy with Python objects has no form as data"),
        (pl.col("a"), "a Expr has no form as data"),
        (int, "a type has no form as data"),
        (ValueError("x"), "a ValueError has no form as data"),
    ],
)  # fmt: skip
def test_what_has_no_form_as_data_is_told_with_its_place(value: object, said: str) -> None:
    with pytest.raises(NotPlain) as caught:
        encoded(value, Memory())
    assert str(caught.value) == said


def test_what_is_nested_too_deeply_is_told() -> None:
    with pytest.raises(NotPlain, match="it is nested too deeply"):
        encoded(deep(), Memory())


def test_reading_calls_no_constructor_and_imports_nothing() -> None:
    written = {"$dataclass": f"{__name__}:Explosive", "fields": {"x": 1}}
    assert decoded(written, Memory()).x == 1  # type: ignore[attr-defined]  # an Explosive
    for name in (
        "antigravity:geohash",
        "os:system",
        f"{__name__}:Model",
        f"{__name__}:Model.__init__",
        "builtins:eval",
    ):
        with pytest.raises(NotReadable):
            decoded({"$dataclass": name, "fields": {}}, Memory())
        with pytest.raises(NotReadable):
            decoded({"$enum": name, "value": 1}, Memory())
        with pytest.raises(NotReadable):
            decoded({"$namedtuple": name, "values": [1]}, Memory())
    import sys

    assert "antigravity" not in sys.modules


def test_arrays_are_read_without_pickle() -> None:
    import base64
    from io import BytesIO

    content = BytesIO()
    np.save(content, np.array([Model()], dtype=object), allow_pickle=True)
    for damaged in (content.getvalue(), pickle.dumps(1), b""):
        with pytest.raises(NotReadable):
            decoded({"$array": base64.b64encode(damaged).decode()}, Memory())


@pytest.mark.parametrize(
    "document",
    [
        {"$unknown": 1}, {"$date": "yesterday"}, {"$date": 3}, {"$tuple": 3}, {"$path": "a", "kind": "c"},
        {"$dataclass": f"{__name__}:Point", "fields": {"x": 1}}, {"$enum": f"{__name__}:Colour", "value": 9},
        {"$datetime": "2024-01-01T00:00:00", "fold": 0, "zone": "Mars/Olympus"}, {"$lazyframe": "not there"},
        {"$namedtuple": f"{__name__}:Row", "values": [1]}, {"$decimal": "one"}, {"$uuid": "7"}, {"$bytes": "#"},
        {"$bytes": {}},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_document_is_refused(document: object) -> None:
    with pytest.raises(NotReadable):
        decoded(document, Memory())
