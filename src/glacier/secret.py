"""Values that no record, message or page shows: `Secret`, and the mask that takes them out of text."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, CodeType, FunctionType, MemberDescriptorType, ModuleType, NoneType
from typing import Any, cast

SHOWN = "**********"
"""What stands for a secret, however long it is."""

_MOST_LOOKED_AT = 10_000
"""Of so many values at most is it asked whether they are secrets, or hold some."""

_WITHOUT = (str, bytes, int, float, NoneType, type, ModuleType, FunctionType, BuiltinFunctionType, CodeType)
"""Types whose values hold no secrets, or too much that is not theirs."""
_ROWS: tuple[type[Any], ...] = (list, tuple, set, frozenset, deque)


class Secret:
    """Text that is not shown by accident: a password, a token.

    Records of runs, messages and pages have `**********` in its place, also where the text of an exception that a task
    raised contains it. Objects of other libraries with a method `get_secret_value`, pydantic's `SecretStr` say, are
    treated alike. To use it, take it out where it is needed, inside of a task.

    >>> token = Secret("s3cr3t")
    >>> print(token, repr(token), token.get_secret_value())
    ********** Secret('**********') s3cr3t
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        """Gives the text."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __str__(self) -> str:
        return SHOWN

    def __format__(self, form: str) -> str:
        return format(SHOWN, form)

    def __repr__(self) -> str:
        return f"Secret({SHOWN!r})"


class Mask:
    """Takes secrets out of text.

    >>> Mask.of({"url": "https://x", "token": Secret("s3 cr3t")})("GET https://x?token=s3+cr3t")
    'GET https://x?token=**********'
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts = sorted({form for text in texts for form in _forms(text)}, key=len, reverse=True)

    @classmethod
    def of(cls, *values: object) -> Mask:
        """Gives the mask of all secrets in some values: in containers, and in the attributes of objects."""
        return cls(text for secret in _secrets_in(values) for text in _texts_of(secret))

    def __call__(self, text: str) -> str:
        """Gives the text without the secrets."""
        for hidden in self._texts:
            text = text.replace(hidden, SHOWN)
        return text

    def __bool__(self) -> bool:
        return bool(self._texts)

    def __or__(self, other: Mask) -> Mask:
        if not other:
            return self
        both = Mask()
        both._texts = sorted({*self._texts, *other._texts}, key=len, reverse=True)
        return both

    def __repr__(self) -> str:
        return f"<mask of {len(self._texts)} texts>"


NO_MASK = Mask()


def is_secret(kind: object) -> bool:
    """Says whether `kind` is a type whose values are secrets: whether it has a method `get_secret_value`."""
    return isinstance(kind, type) and callable(getattr(kind, "get_secret_value", None))


def _secrets_in(values: Iterable[object]) -> list[object]:
    found: list[object] = []
    seen: set[int] = set()
    pending = deque(values)
    while pending and len(seen) < _MOST_LOOKED_AT:
        value = pending.popleft()
        if id(value) in seen or issubclass(type(value), _WITHOUT):  # not isinstance, which would ask a proxy
            continue
        seen.add(id(value))
        if is_secret(type(value)):
            found.append(value)
        else:
            pending += _held_by(value)
    return found


def _held_by(value: object) -> Iterable[object]:
    """Gives the members of a container, or what an object holds in attributes. Calls no code of its type."""
    kind = type(value)
    if issubclass(kind, dict):
        held = cast("dict[object, object]", value)
        keys, values = dict[object, object].keys(held), dict[object, object].values(held)
        return [*keys, *values]
    for plain in _ROWS:
        if issubclass(kind, plain):
            return cast("list[object]", list(plain.__iter__(value)))
    try:
        attributes: dict[str, object] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        attributes = {}
    slots = [
        member for one in kind.__mro__ for member in vars(one).values() if isinstance(member, MemberDescriptorType)
    ]
    return [*attributes.values(), *(member.__get__(value) for member in slots if _is_set(member, value))]


def _is_set(slot: MemberDescriptorType, value: object) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def _texts_of(secret: Any) -> Iterable[str]:
    try:
        value = secret.get_secret_value()
    except Exception:  # noqa: BLE001  # the text of another error is being made; one that cannot be had is in no text
        return []
    match value:
        case str():
            return [value]
        case bytes():
            return [value.decode("utf-8", "replace"), repr(value)[2:-1]]
        case _:
            return [str(leaf) for leaf in _leaves(value)]


def _leaves(value: object) -> Iterable[object]:
    match value:
        case None | bool():
            return []
        case dict():
            return [leaf for one in cast("dict[object, object]", value).values() for leaf in _leaves(one)]
        case list() | tuple() | set() | frozenset():
            return [leaf for one in cast("Iterable[object]", value) for leaf in _leaves(one)]
        case _:
            return [value]


def _forms(text: str) -> set[str]:
    """Gives how a text may stand in others: as it is, escaped, in a URL, and each long line of it alone."""
    from urllib.parse import quote, quote_plus

    forms: tuple[Callable[[str], str], ...] = (str, lambda text: repr(text)[1:-1], quote, quote_plus)
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) >= 8]
    return {form(one) for one in (text, *lines) for form in forms if one.strip()}
