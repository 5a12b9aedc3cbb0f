"""What a function's annotations say, as far as they can be known, and whether a value of one type can be another's.

Only certain misfits count: a name that does not resolve, a type variable, a type narrower or wider than the other
are all let pass. A checker of subtype relations would refuse those, which is why none is used here.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, Union, cast, get_args, get_origin, is_typeddict

FrameKind = Literal["LazyFrame", "DataFrame"]


class Unknown:
    """The type of what is not annotated, or whose annotation does not resolve."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function.

    Attributes:
        type: its annotation resolved, or `UNKNOWN`.
        required: whether a call must give it.
        variadic: whether it is `*args` or `**kwargs`.
    """

    name: str
    type: object
    required: bool
    variadic: bool
    keyword_only: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a function in order, what it returns, and its `inspect.Signature` for binding."""

    parameters: tuple[Parameter, ...]
    returns: object
    binding: inspect.Signature

    @property
    def positional(self) -> int | None:
        """How many positional arguments make a complete call; None where it takes others than those."""
        if any(p.variadic or p.keyword_only or not p.required for p in self.parameters):
            return None
        return len(self.parameters)


def signature_of(function: Callable[..., object]) -> Signature:
    """Gives the signature with each annotation resolved on its own, so that one unknown name spoils no other."""
    signature = inspect.signature(function)
    inner = inspect.unwrap(function)
    names: dict[str, object] = dict(getattr(inner, "__globals__", {}))
    closure = getattr(inner, "__closure__", None) or ()
    for name, cell in zip(getattr(getattr(inner, "__code__", None), "co_freevars", ()), closure, strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # a cell that is not filled yet: the name stays unknown
            continue
    parameters = tuple(
        Parameter(
            parameter.name,
            resolved(parameter.annotation, names),
            parameter.default is parameter.empty,
            parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD),
            parameter.kind is parameter.KEYWORD_ONLY,
        )
        for parameter in signature.parameters.values()
    )
    return Signature(parameters, resolved(signature.return_annotation, names), signature)


def resolved(annotation: object, names: dict[str, object]) -> object:
    """Gives the type an annotation stands for, `UNKNOWN` where it is missing or a name in it is not defined."""
    if annotation is inspect.Parameter.empty:
        return UNKNOWN
    while isinstance(annotation, str):  # once for a postponed annotation, once more for one also written in quotes
        try:
            annotation = eval(annotation, names)  # noqa: S307  # what typing.get_type_hints does, one name at a time
        except Exception:  # noqa: BLE001  # whatever an annotation raises, it only means that the type is unknown
            return UNKNOWN
    return NoneType if annotation is None else annotation


def can_be(produced: object, wanted: object) -> bool:
    """Says whether a value annotated `produced` may be one that `wanted` takes; False only where it certainly is not.

    >>> can_be(int, float), can_be(dict[str, int], str)
    (True, False)
    """
    produced, wanted = _plain(produced), _plain(wanted)
    if isinstance(produced, tuple):
        return any(can_be(member, wanted) for member in cast("tuple[object, ...]", produced))
    if isinstance(wanted, tuple):
        return any(can_be(produced, member) for member in cast("tuple[object, ...]", wanted))
    if not isinstance(produced, type) or not isinstance(wanted, type) or wanted is complex:
        return True
    if wanted is float and issubclass(produced, int):
        return True
    try:
        return issubclass(produced, wanted) or issubclass(wanted, produced)
    except TypeError:  # a Protocol that cannot be checked at run time
        return True


def _plain(annotation: object) -> object:
    """Gives the class behind an annotation, a tuple of them for a union, or something that is no class."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return get_args(annotation)
    if origin is Literal:
        values: tuple[object, ...] = get_args(annotation)
        return tuple({type(value) for value in values})
    if isinstance(annotation, NewType):
        return _plain(annotation.__supertype__)
    if annotation is Any:
        return UNKNOWN
    if is_typeddict(annotation):
        return dict
    if annotation is None:
        return NoneType
    if origin is not None and frame_kind(annotation) is not None:
        return _frame_class(annotation)  # models' typed frames are Polars' own when a task gets them
    return annotation if origin is None else origin


_NEVER_LAZY: tuple[object, ...] = (bool, int, float, complex, str, bytes, NoneType)


def may_be_lazy(annotation: object) -> bool:
    """Says whether a result of this type may be, or hold, a plan that reads its files only later.

    >>> may_be_lazy(dict[str, int]), may_be_lazy(dict), may_be_lazy(UNKNOWN)
    (False, True, True)
    """
    plain = _plain(annotation)
    if isinstance(plain, tuple):
        return any(may_be_lazy(member) for member in cast("tuple[object, ...]", plain))
    members = [member for member in get_args(annotation) if member is not Ellipsis]
    if members and any(plain is kind for kind in (list, tuple, set, frozenset, dict)):
        return any(may_be_lazy(member) for member in members)
    return not any(plain is kind for kind in _NEVER_LAZY) and frame_kind(plain) != "DataFrame"


def may_hold(annotation: object, kind: type) -> bool:
    """Says whether a result annotated so is, or holds, an instance of `kind`; of what is not annotated it says no.

    >>> may_hold(list[bool], int), may_hold(UNKNOWN, int)
    (True, False)
    """
    plain = _plain(annotation)
    members = cast("tuple[object, ...]", plain if isinstance(plain, tuple) else get_args(annotation))
    if any(may_hold(member, kind) for member in members):
        return True
    return isinstance(plain, type) and issubclass(plain, kind)


def frame_kind(annotation: object) -> FrameKind | None:
    """Says whether the annotation is one of Polars' two frames or a kind of it, without loading Polars."""
    match _frame_class(annotation):
        case type(__name__="LazyFrame"):
            return "LazyFrame"
        case type(__name__="DataFrame"):
            return "DataFrame"
        case _:
            return None


def _frame_class(annotation: object) -> type | None:
    """Gives the class of Polars that an annotation is or derives from, if that is a frame."""
    origin = get_origin(annotation) or annotation
    for kind in origin.__mro__ if isinstance(origin, type) else ():
        if kind.__module__.partition(".")[0] == "polars" and kind.__name__ in ("LazyFrame", "DataFrame"):
            return kind
    return None


def frame_model(annotation: object) -> object | None:
    """Gives the model in the brackets of a typed frame, `dataframely.LazyFrame[Sales]` say; None if there is none."""
    models: tuple[object, ...] = get_args(annotation)
    return models[0] if models and frame_kind(annotation) is not None else None


def gives_frames(annotation: object) -> bool:
    """Says whether a result of this type is a frame, or a container or union with one in it.

    >>> import polars as pl
    >>> gives_frames(tuple[pl.LazyFrame, int]), gives_frames(dict[str, float]), gives_frames(dict)
    (True, False, False)
    """
    origin = get_origin(annotation)
    if frame_kind(annotation) is not None:
        return True
    if isinstance(annotation, type) and (is_dataclass(annotation) or issubclass(annotation, tuple)):
        module: str = annotation.__module__
        names = dict(vars(sys.modules[module])) if module in sys.modules else {}
        members: dict[str, object] = getattr(cast("type", annotation), "__annotations__", {})
        types = [resolved(getattr(member, "__forward_arg__", member), names) for member in members.values()]
        return any(frame_kind(one) is not None for one in types)
    if origin in (Annotated, Union, UnionType, list, tuple, dict, Mapping, Sequence):
        return any(gives_frames(member) for member in get_args(annotation))
    return False


def shown(annotation: object) -> str:
    """Gives a type as its user would write it: `LazyFrame`, `dict[str, int]`, `None`."""
    if annotation is NoneType:
        return "None"
    return annotation.__qualname__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
