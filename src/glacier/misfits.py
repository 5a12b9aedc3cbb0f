"""What of a value is certainly not as its annotation has it, members of containers too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import UnionType
from typing import Annotated, Literal, NewType, Union, cast, get_args, get_origin

from glacier.annotations import can_be, shown
from glacier.trace import Handle

_MOST_MEMBERS = 10_000
"""Of a container that are looked at."""


@dataclass(frozen=True)
class Misfit:
    """A part of a value that is certainly not as its type has it.

    Attributes:
        where: it stands in the value, `[0]['day']` say; empty for the whole.
        got: what stands there: its type, or the value that is not one of a `Literal`.
    """

    where: str
    got: str


def misfit(value: object, wanted: object, where: str = "") -> Misfit | None:
    """Gives the first part of a value that certainly does not fit; None where there is none.

    Of a container the first 10,000 members are looked at. A result that a call in a body gives fits everywhere.

    >>> misfit([{"a": 1}, {"a": "x"}], list[dict[str, int]])
    Misfit(where="[1]['a']", got='str')
    >>> misfit([1.5], list[int] | None)
    Misfit(where='[0]', got='float')
    """
    if type(value) is Handle:
        return None
    origin = get_origin(wanted)
    if origin is Annotated:
        return misfit(value, get_args(wanted)[0], where)
    if isinstance(wanted, NewType):
        return misfit(value, wanted.__supertype__, where)
    if not can_be(type(value), wanted):
        return Misfit(where, shown(type(value)))
    if origin in (Union, UnionType):
        found = [misfit(value, member, where) for member in get_args(wanted) if can_be(type(value), member)]
        return None if None in found else found[0]
    if origin is Literal:
        return None if value in get_args(wanted) else Misfit(where, repr(value))
    types = get_args(wanted)
    if not types or getattr(origin, "__module__", "") not in ("builtins", "collections.abc"):
        return None  # type arguments of another class may be of anything
    if isinstance(value, dict):
        return _first(_of_entries(cast("Mapping[object, object]", value), types[0], types[1:], where))
    if isinstance(value, tuple) and origin is tuple and types[-1] is not Ellipsis:
        return _first(_of_tuple(cast("tuple[object, ...]", value), types, where))
    if isinstance(value, (list, tuple, set, frozenset)):
        return _first(_of_members(cast("Iterable[object]", value), types[0], where))
    return None


def _first(found: Iterable[Misfit | None]) -> Misfit | None:
    return next((one for one in islice(found, _MOST_MEMBERS) if one is not None), None)


def _of_entries(
    value: Mapping[object, object], key_type: object, value_types: tuple[object, ...], where: str
) -> Iterator[Misfit | None]:
    for key, one in value.items():
        inside = f"{where}[{key!r}]"
        yield misfit(key, key_type, inside)
        for kind in value_types:
            yield misfit(one, kind, inside)


def _of_members(value: Iterable[object], kind: object, where: str) -> Iterator[Misfit | None]:
    numbered = not isinstance(value, set | frozenset)
    for at, one in enumerate(value):
        yield misfit(one, kind, f"{where}[{at}]" if numbered else where)


def _of_tuple(value: tuple[object, ...], types: tuple[object, ...], where: str) -> Iterator[Misfit | None]:
    if len(value) != len(types):
        yield Misfit(where, f"{len(value):,} values")
    for at, (one, kind) in enumerate(zip(value, types, strict=False)):
        yield misfit(one, kind, f"{where}[{at}]")
