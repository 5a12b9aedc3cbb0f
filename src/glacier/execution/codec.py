"""Values as JSON, and back: what a stage hands on, what a run keeps. No pickle, and no code runs when one is read."""

from __future__ import annotations

import math
import sys
from base64 import b64decode, b64encode
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cached_property
from io import BytesIO
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from glacier.secret import is_secret
from glacier.source import module_name, module_named

if TYPE_CHECKING:
    import polars as pl

Json = Any
"""What the standard library's `json` writes and reads."""

_INLINE_BYTES = 64 * 1024
"""Longer pieces of bytes are kept beside the document."""
_DIGITS_BITS = 10_000
"""Python refuses to read integers of more than 4,300 digits from text."""


class Kept(Protocol):
    """Where the parts of a value lie that are no JSON: frames and long bytes."""

    def keep_frame(self, frame: pl.DataFrame | pl.LazyFrame) -> str:
        """Takes a frame to be kept, and gives the name it will be found by; a LazyFrame need not be computed yet."""
        ...

    def keep_bytes(self, content: bytes) -> str:
        """Takes bytes to be kept, and gives the name they will be found by."""
        ...

    def frame(self, name: str) -> pl.LazyFrame:
        """Gives a frame that was kept, as a scan."""
        ...

    def content(self, name: str) -> bytes:
        """Gives bytes that were kept."""
        ...


class NotPlain(TypeError):
    """A value that has no form as data.

    Attributes:
        what: it is, with the reason: "a Model has no form as data".
        where: in the value it stands: `["model"].weights`; empty for the value itself.
    """

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.what = what
        self.where = where


class NotReadable(ValueError):
    """A document that stands for no value of this process: written by other code, or damaged."""


def encoded(value: object, kept: Kept) -> Json:
    """Gives a value as JSON.

    Plain are None, booleans, numbers, text, bytes, dates and times, `Decimal`, `UUID`, paths, enums, lists, tuples,
    sets, dicts and their kin, dataclasses and named tuples of such, numpy's arrays, and Polars' frames, series and
    schemas, which are kept as Arrow files. An object that stands in two places comes back as two. No secret is plain,
    whatever else it is.

    Raises:
        NotPlain: something in it is none of these.

    >>> from datetime import date
    >>> encoded({"day": date(2024, 5, 1), "ids": (1, 2)}, kept=None)
    {'day': {'$date': '2024-05-01'}, 'ids': {'$tuple': [1, 2]}}
    """
    return _Writing(kept).of(value, "")


def decoded(document: Json, kept: Kept) -> object:
    """Gives the value that `encoded` was given.

    Classes are looked up among the modules that are loaded; none is imported, and no `__init__` is called.

    Raises:
        NotReadable: it stands for none here.

    >>> decoded({"$tuple": [1, {"$decimal": "2.50"}]}, kept=None)
    (1, Decimal('2.50'))
    """
    try:
        return _Reading(kept).of(document)
    except NotReadable:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, EOFError) as error:
        raise NotReadable(f"it is not what was written: {type(error).__name__}") from error


_SEQUENCES: Mapping[str, Callable[[Iterable[Any]], object]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
}
_MAPPINGS: Mapping[str, Callable[[Iterable[Any]], object]] = {
    "dict": dict,
    "ordered": OrderedDict,
    "counter": lambda pairs: Counter(dict(pairs)),
}
_TYPES: Mapping[type, str] = {
    tuple: "tuple", set: "set", frozenset: "frozenset", deque: "deque", OrderedDict: "ordered", Counter: "counter",
}  # fmt: skip
_PATHS: Mapping[str, type[PurePath]] = {
    "posix": PurePosixPath, "windows": PureWindowsPath, "path": Path,
}  # fmt: skip


class _Writing:
    """Writes one value; remembers what it is inside of."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.around: set[int] = set()

    def of(self, value: Any, where: str) -> Json:
        kind = cast("Any", type(value))
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if value.bit_length() < _DIGITS_BITS else {"$int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"$float": str(value)}
        if id(value) in self.around:
            raise NotPlain("it contains itself", where)
        self.around.add(id(value))
        try:
            return self._composed(value, kind, where)
        except RecursionError:
            raise NotPlain("it is nested too deeply", where[:80]) from None
        finally:
            self.around.discard(id(value))

    def _composed(self, value: Any, kind: Any, where: str) -> Json:
        if is_secret(kind):
            raise NotPlain(f"a {kind.__name__} has no form as data", where)
        if kind is list:
            return self._items(value, where)
        if kind is dict:
            if all(type(key) is str and not key.startswith("$") for key in value):
                return {key: self.of(item, f'{where}["{key}"]') for key, item in value.items()}
            return {"$dict": self._pairs(value, where)}
        name = _TYPES.get(kind)
        if name in _SEQUENCES:
            return {f"${name}": self._items(value, where)}
        if name in _MAPPINGS:
            return {f"${name}": self._pairs(value, where)}
        plain = _scalar(value)
        if plain is not None:
            return plain
        if isinstance(value, bytes | bytearray):
            return self._bytes(bytes(value), "bytes" if kind is bytes else "bytearray")
        frame = self._polars(value)
        if frame is not None:
            return frame
        if kind.__module__ == "numpy":
            return self._numpy(value, where)
        if isinstance(value, Enum):
            return {"$enum": _named(kind, where), "value": self.of(value.value, where + ".value")}
        if _fields_of(kind) is not None:
            held = [self.of(item, f"{where}.{name}") for name, item in zip(value._fields, value, strict=True)]
            return {"$namedtuple": _named(kind, where), "values": held}
        if is_dataclass(value):
            return self._dataclass(value, kind, where)
        raise NotPlain(f"a {kind.__name__} has no form as data", where)

    def _items(self, value: Iterable[object], where: str) -> list[Json]:
        return [self.of(item, f"{where}[{number}]") for number, item in enumerate(value)]

    def _pairs(self, value: Mapping[object, object], where: str) -> list[Json]:
        return [
            [self.of(key, f"{where} key {number}"), self.of(item, f"{where}[{key!r}]"[:120])]
            for number, (key, item) in enumerate(value.items())
        ]

    def _bytes(self, content: bytes, name: str) -> Json:
        if len(content) > _INLINE_BYTES:
            return {f"${name}": {"at": self.kept.keep_bytes(content)}}
        return {f"${name}": b64encode(content).decode()}

    def _polars(self, value: Any) -> Json | None:
        polars = sys.modules.get("polars")
        if polars is None:
            return None
        match value:
            case polars.LazyFrame():
                return {"$lazyframe": self.kept.keep_frame(value)}
            case polars.DataFrame():
                return {"$dataframe": self.kept.keep_frame(value)}
            case polars.Series():
                return {"$series": self.kept.keep_frame(value.to_frame("0")), "name": value.name}
            case polars.Schema():
                return {"$schema": self.kept.keep_frame(polars.DataFrame(schema=value))}
            case _:
                return None

    def _numpy(self, value: Any, where: str) -> Json:
        numpy = sys.modules["numpy"]
        if not isinstance(value, numpy.ndarray | numpy.generic) or value.dtype.hasobject:
            raise NotPlain(f"a {type(value).__name__} of numpy with Python objects has no form as data", where)
        content = BytesIO()
        numpy.save(content, value, allow_pickle=False)
        return self._bytes(content.getvalue(), "array" if isinstance(value, numpy.ndarray) else "number")

    def _dataclass(self, value: Any, kind: type, where: str) -> Json:
        names = {field.name for field in fields(value)}
        besides = [
            name
            for name in getattr(value, "__dict__", ())
            if name not in names and not isinstance(getattr(kind, name, None), cached_property)
        ]
        if besides:
            raise NotPlain(f"a {kind.__name__} holds `{besides[0]}`, which is no field of its dataclass", where)
        unset = [name for name in sorted(names) if not hasattr(value, name)]
        if unset:
            raise NotPlain(f"field `{unset[0]}` of a {kind.__name__} is not set", where)
        held = {name: self.of(getattr(value, name), f"{where}.{name}") for name in sorted(names)}
        return {"$dataclass": _named(kind, where), "fields": held}


def _scalar(value: Any) -> Json | None:
    """Gives what is written as one text; None for other values."""
    match value:
        case Enum():
            return None
        case datetime():
            return _datetime(value)
        case date():
            return {"$date": value.isoformat()}
        case time() if value.tzinfo is None:
            return {"$time": value.isoformat(), "fold": value.fold}
        case timedelta():
            return {"$timedelta": [value.days, value.seconds, value.microseconds]}
        case Decimal():
            return {"$decimal": str(value)}
        case UUID():
            return {"$uuid": str(value)}
        case complex():
            return {"$complex": [str(value.real), str(value.imag)]}
        case range():
            return {"$range": [value.start, value.stop, value.step]}
        case PurePath():
            kind = "path" if isinstance(value, Path) else "windows" if isinstance(value, PureWindowsPath) else "posix"
            known = (PosixPath, WindowsPath, PurePosixPath, PureWindowsPath)
            return {"$path": str(value), "kind": kind} if type(value) in known else None
        case _:
            return None


def _datetime(value: datetime) -> Json | None:
    zone = value.tzinfo
    written: dict[str, Json] = {"$datetime": value.replace(tzinfo=None).isoformat(), "fold": value.fold}
    match zone:
        case None:
            return written
        case ZoneInfo() if zone.key:
            return {**written, "zone": zone.key}
        case timezone():
            offset = zone.utcoffset(None)
            return {**written, "offset": [offset.days, offset.seconds, offset.microseconds]}
        case _:
            return None


def _named(kind: type, where: str) -> str:
    """Gives the name by which a class is found again.

    Raises:
        NotPlain: it is not found by it.
    """
    name = f"{module_name(kind.__module__)}:{kind.__qualname__}"
    try:
        found = _class(name)
    except NotReadable:
        found = None
    if found is not kind:
        raise NotPlain(f"the class `{kind.__qualname__}` is not at the top of a module", where)
    return name


def _fields_of(kind: Any) -> tuple[str, ...] | None:
    """Gives the names of a named tuple's members; None for other classes."""
    names: tuple[str, ...] | None = getattr(kind, "_fields", None)
    return names if issubclass(kind, tuple) else None


def _class(name: str) -> type:
    module, _, qualified = name.partition(":")
    found: Any = module_named(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise NotReadable(f"there is no class `{qualified}` in module `{module}`, or that is not loaded")
    return found


_SCALARS: Mapping[str, Callable[[Json, Mapping[str, Json]], object]] = {
    "int": lambda given, _: int(given, 16),
    "float": lambda given, _: float(given),
    "date": lambda given, _: date.fromisoformat(given),
    "time": lambda given, held: time.fromisoformat(given).replace(fold=held["fold"]),
    "datetime": lambda given, held: datetime.fromisoformat(given).replace(tzinfo=_zone(held), fold=held["fold"]),
    "timedelta": lambda given, _: timedelta(*given),
    "decimal": lambda given, _: Decimal(given),
    "uuid": lambda given, _: UUID(given),
    "complex": lambda given, _: complex(float(given[0]), float(given[1])),
    "range": lambda given, _: range(*given),
    "path": lambda given, held: _PATHS[held["kind"]](given),
}


def _zone(held: Mapping[str, Json]) -> timezone | ZoneInfo | None:
    if "zone" in held:
        return ZoneInfo(held["zone"])
    return timezone(timedelta(*held["offset"])) if "offset" in held else None


class _Reading:
    """Reads one value."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept

    def of(self, document: object) -> object:
        if isinstance(document, list):
            return [self.of(item) for item in cast("Sequence[Json]", document)]
        if not isinstance(document, dict):
            return document
        held = cast("dict[str, Json]", document)
        tag = next(iter(held), "")
        if not tag.startswith("$"):
            return {key: self.of(item) for key, item in held.items()}
        return self._tagged(tag.removeprefix("$"), held[tag], held)

    def _tagged(self, tag: str, given: Json, held: dict[str, Json]) -> object:
        if tag in _SEQUENCES:
            return _SEQUENCES[tag](self.of(item) for item in given)
        if tag in _MAPPINGS:
            return _MAPPINGS[tag]((self.of(key), self.of(item)) for key, item in given)
        if tag in _SCALARS:
            return _SCALARS[tag](given, held)
        match tag:
            case "bytes":
                return self._bytes(given)
            case "bytearray":
                return bytearray(self._bytes(given))
            case _:
                return self._object(tag, given, held)

    def _object(self, tag: str, given: Json, held: dict[str, Json]) -> object:
        match tag:
            case "lazyframe":
                return self.kept.frame(given)
            case "dataframe":
                return self.kept.frame(given).collect()
            case "series":
                return self.kept.frame(given).collect().to_series().rename(held["name"])
            case "schema":
                return self.kept.frame(given).collect_schema()
            case "array" | "number":
                import numpy

                array: Any = numpy.load(BytesIO(self._bytes(given)), allow_pickle=False)
                return array if tag == "array" else array[()]
            case "enum":
                return self._enum(_class(given), self.of(held["value"]))
            case "namedtuple":
                return self._namedtuple(_class(given), held["values"])
            case "dataclass":
                return self._dataclass(_class(given), held["fields"])
            case _:
                raise NotReadable(f"`{tag}` is nothing that this version knows")

    def _bytes(self, given: Json) -> bytes:
        return b64decode(given, validate=True) if isinstance(given, str) else self.kept.content(given["at"])

    def _enum(self, kind: type, value: object) -> object:
        if not issubclass(kind, Enum):
            raise NotReadable(f"`{kind.__name__}` is no enum")
        try:
            return kind(value)
        except ValueError as error:
            raise NotReadable(f"enum `{kind.__name__}` has no such member") from error

    def _namedtuple(self, kind: Any, written: list[Json]) -> object:
        names = _fields_of(kind)
        if names is None or len(names) != len(written):
            raise NotReadable(f"named tuple `{kind.__name__}` has other fields than when it was written")
        made: object = tuple.__new__(kind, [self.of(item) for item in written])
        return made

    def _dataclass(self, kind: type[Any], written: dict[str, Json]) -> object:
        if not is_dataclass(kind) or {field.name for field in fields(kind)} != written.keys():
            raise NotReadable(f"dataclass `{kind.__name__}` has other fields than when it was written")
        made = object.__new__(kind)
        for name, document in written.items():
            object.__setattr__(made, name, self.of(document))
        return made
