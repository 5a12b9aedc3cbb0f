"""Gives the value that a text stands for by an annotation; in containers, which are JSON, each member by its own."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, Union, cast, get_args, get_origin, get_type_hints

from glacier.annotations import UNKNOWN
from glacier.secret import is_secret

_BOOLEANS: Mapping[str, bool] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_FROM_TEXT: tuple[object, ...] = (int, float, complex, Decimal, Path)
_FROM_ISO: tuple[object, ...] = (date, datetime, time)
_FROM_LIST: Mapping[object, type[Any]] = {
    **{kind: kind for kind in (list, tuple, set, frozenset)},
    **dict.fromkeys((Sequence, Collection, Iterable), list),
    AbstractSet: set,
}
_FROM_OBJECT: tuple[object, ...] = (dict, Mapping)
_OF_JSON: tuple[object, ...] = (bool, str, NoneType)
_NUMBERS: tuple[object, ...] = (int, float, complex, timedelta)
_FROM_JSON: tuple[object, ...] = (*_FROM_LIST, *_FROM_OBJECT)


class NotOfType(ValueError):
    """A text, or a member of the JSON in it, that stands for no value of its type.

    Attributes:
        where: it stands in the value, `[0]['day']` say; empty for the whole.
        wanted: the type.
        got: what stands there.
    """

    def __init__(self, where: str, wanted: object, got: object) -> None:
        super().__init__(where)
        self.where = where
        self.wanted = wanted
        self.got = got


def parsed(text: str, wanted: object) -> object:
    """Gives the value of `wanted` that `text` stands for.

    Text where the type is unknown or `str`; ISO 8601 for dates and times; seconds for `timedelta`; JSON for containers
    and dataclasses, whose members are read by their own types.

    Raises:
        NotOfType: it stands for none.

    >>> parsed("3", int), parsed("yes", bool), parsed("[1, 2]", list[int])
    (3, True, [1, 2])
    >>> parsed('{"first": "2024-05-17"}', dict[str, date])
    {'first': datetime.date(2024, 5, 17)}
    """
    wanted = _plain(wanted)
    if get_origin(wanted) in (Union, UnionType):
        return _first_that_fits(text, get_args(wanted), wanted)
    if is_json(wanted):
        try:
            value = json.loads(text, parse_float=Decimal)
        except ValueError:
            raise NotOfType("", wanted, text) from None
        return _converted(value, wanted, "")
    try:
        return _of_text(text, wanted)
    except (ValueError, ArithmeticError, TypeError):
        raise NotOfType("", wanted, text) from None


def is_json(wanted: object) -> bool:
    """Says whether a value of a type is written as JSON."""
    return (get_origin(wanted) or wanted) in _FROM_JSON or (isinstance(wanted, type) and is_dataclass(wanted))


def _plain(wanted: object) -> object:
    """Gives the type that an annotation stands for behind `Annotated` and `NewType`."""
    while True:
        if get_origin(wanted) is Annotated:
            wanted = get_args(wanted)[0]
        elif isinstance(wanted, NewType):
            wanted = wanted.__supertype__
        else:
            return wanted


def _first_that_fits(text: str, members: tuple[object, ...], whole: object) -> object:
    inside: NotOfType | None = None
    for member in sorted(members, key=lambda member: member is str):  # text fits everything, so it is tried last
        try:
            return parsed(text, member)
        except NotOfType as error:
            inside = error if error.where else inside
    raise inside or NotOfType("", whole, text)


def _of_text(text: str, wanted: object) -> object:
    if get_origin(wanted) is Literal:
        for value in get_args(wanted):
            if str(value) == text:
                return cast("object", value)
        raise ValueError(text)
    match wanted:
        case type() if issubclass(wanted, Enum):
            return wanted[text] if text in wanted.__members__ else wanted(text)
        case _ if wanted is bool:
            if text.lower() not in _BOOLEANS:
                raise ValueError(text)
            return _BOOLEANS[text.lower()]
        case _ if wanted in _FROM_TEXT or is_secret(wanted):
            return cast("type[Any]", wanted)(text)
        case _ if wanted in _FROM_ISO:
            return cast("type[date]", wanted).fromisoformat(text)
        case _ if wanted is timedelta:
            return timedelta(seconds=float(text))
        case _ if wanted is NoneType:
            if text.lower() not in ("none", "null", ""):
                raise ValueError(text)
            return None
        case _:
            return text


def _converted(value: object, wanted: object, where: str) -> object:
    """Gives what a member of JSON stands for by a type; its fractions are `Decimal`, so that none is rounded."""
    wanted = _plain(wanted)
    try:
        return _of_json(value, wanted, where)
    except NotOfType:
        raise
    except (ValueError, ArithmeticError, TypeError):
        raise NotOfType(where, wanted, _untouched(value)) from None


def _of_json(value: object, wanted: object, where: str) -> object:
    origin = get_origin(wanted) or wanted
    if origin in (Union, UnionType):
        return _first_converted(value, wanted, where)
    if origin in _FROM_LIST and isinstance(value, list):
        return _members(cast("list[object]", value), wanted, where)
    if origin in _FROM_OBJECT and isinstance(value, dict):
        return dict(_entries(cast("dict[str, object]", value), wanted, where))
    if isinstance(wanted, type) and is_dataclass(wanted) and isinstance(value, dict):
        return wanted(**dict(_fields(cast("dict[str, object]", value), wanted, where)))
    return _scalar(value, wanted)  # pyright: ignore[reportUnknownArgumentType]  # what isinstance left of it


def _first_converted(value: object, wanted: object, where: str) -> object:
    inside: NotOfType | None = None
    for member in sorted(get_args(wanted), key=lambda member: member is str):
        try:
            return _converted(value, member, where)
        except NotOfType as error:
            inside = error if error.where != where else inside
    raise inside or NotOfType(where, wanted, _untouched(value))


def _members(values: Sequence[object], wanted: object, where: str) -> object:
    origin, types = get_origin(wanted) or wanted, get_args(wanted)
    made = _FROM_LIST[origin]
    if made is tuple and types and types[-1] is not Ellipsis:
        if len(types) != len(values):
            raise ValueError(len(values))
    else:
        types = (types[0] if types else UNKNOWN,) * len(values)
    each = enumerate(zip(values, types, strict=True))
    return cast("object", made(_converted(one, kind, f"{where}[{at}]") for at, (one, kind) in each))


def _entries(values: Mapping[str, object], wanted: object, where: str) -> Iterator[tuple[object, object]]:
    key_type, value_type = get_args(wanted) or (UNKNOWN, UNKNOWN)
    for key, value in values.items():
        inside = f"{where}[{key!r}]"
        try:
            known = parsed(key, key_type)
        except NotOfType as error:
            raise NotOfType(inside, key_type, key) from error
        yield known, _converted(value, value_type, inside)


def _fields(values: Mapping[str, object], wanted: type, where: str) -> Iterator[tuple[str, object]]:
    types = get_type_hints(wanted)
    taken = {one.name: one for one in fields(wanted) if one.init}
    needed = {name for name, one in taken.items() if one.default is MISSING and one.default_factory is MISSING}
    if not needed <= values.keys() <= taken.keys():
        raise ValueError(where)
    for name, value in values.items():
        yield name, _converted(value, types[name], f"{where}.{name}")


def _scalar(value: object, wanted: object) -> object:
    """Gives what a value of JSON that is no container stands for: of text what JSON has no form of its own for."""
    if get_origin(wanted) is Literal:
        same = [one for one in get_args(wanted) if one == value and type(one) is type(value)]
        return same[0] if same else _literal_member(value, wanted)
    match wanted:
        case type() if issubclass(wanted, Enum):
            return wanted[value] if isinstance(value, str) and value in wanted.__members__ else wanted(value)
        case _ if wanted in _OF_JSON:
            if not isinstance(value, cast("type", wanted)):
                raise ValueError(value)
            return value
        case _ if wanted in _NUMBERS:
            if isinstance(value, bool) or not isinstance(value, (int,) if wanted is int else (int, float, Decimal)):
                raise ValueError(value)
            return timedelta(seconds=float(value)) if wanted is timedelta else cast("type[Any]", wanted)(value)
        case _ if wanted is Decimal:
            if isinstance(value, bool):
                raise ValueError(value)
            return Decimal(cast("Any", value))
        case _ if wanted in (*_FROM_ISO, Path) or is_secret(wanted):
            if not isinstance(value, str):
                raise ValueError(value)
            return _of_text(value, wanted)
        case _ if is_json(wanted):
            raise ValueError(value)
        case _:
            return _untouched(value)


def _literal_member(value: object, wanted: object) -> object:
    """Gives the member of an enum that a `Literal` names."""
    for one in get_args(wanted):
        if isinstance(one, Enum) and value in (one.name, one.value):
            return one
    raise ValueError(value)


def _untouched(value: object) -> object:
    """Gives JSON as the standard library reads it: fractions as `float`."""
    match value:
        case Decimal():
            return float(value)
        case list():
            return [_untouched(one) for one in cast("list[object]", value)]
        case dict():
            return {key: _untouched(one) for key, one in cast("dict[str, object]", value).items()}
        case _:
            return value
