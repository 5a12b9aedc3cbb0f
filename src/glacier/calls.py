"""Which Python function a call reaches, and which of its parameters takes which argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import NamedTuple, cast

from glacier.reaching import python_function
from glacier.source import function_ast, is_users


class Helper(NamedTuple):
    """A function that is called, and how its arguments meet its parameters.

    Attributes:
        users: whether it is the user's own; a library's function tells by its name what it does to a file.
        owner: the class whose instance it is called on, if it is a method.
        bound: how many of its positional parameters are given already.
    """

    function: FunctionType
    users: bool
    owner: type | None
    bound: int
    positional: list[str]
    keywords: frozenset[str]
    rest: str | None
    others: str | None

    @classmethod
    def of(cls, found: object, owner: type | None) -> Helper | None:
        """Gives it for what a name or attribute stands for; None where that is no function whose source can be had.

        Args:
            found: a function, task, `partial`, or a method as its class holds it.
            owner: the class of the instance it is called on, if it is called on one.
        """
        bound = 0
        if isinstance(found, classmethod | staticmethod):
            method = cast("Callable[..., object]", found.__func__)
            bound, owner = (1, None) if isinstance(found, classmethod) else (0, None)
            found = method
        elif owner is not None:
            bound = 1
        while isinstance(found, partial):
            bound += len(found.args)
            found = found.func
        function = python_function(found) if callable(found) and not isinstance(found, type) else None
        tree = function_ast(function) if function else None
        if function is None or tree is None:
            return None
        arguments = tree.args
        positional = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        keywords = frozenset(a.arg for a in (*arguments.args, *arguments.kwonlyargs))
        rest = arguments.vararg.arg if arguments.vararg else None
        others = arguments.kwarg.arg if arguments.kwarg else None
        users = is_users(function.__code__.co_filename)
        return cls(function, users, owner, bound, positional, keywords, rest, others)

    def parameter(self, at: int | str) -> str | None:
        """Gives the parameter that takes an argument, by place or name; -1 is the instance of a method."""
        if isinstance(at, str):
            return at if at in self.keywords else self.others
        place = at + self.bound
        return self.positional[place] if place < len(self.positional) else self.rest
