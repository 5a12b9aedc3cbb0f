"""What a function reaches besides its arguments: the globals and closure variables it names, the functions it calls."""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import cast

from glacier.source import is_users


def outer_names(function: FunctionType) -> dict[str, object]:
    """Gives the values of the global and closure names that `function`, or a function inside it, uses."""
    names: dict[str, object] = {}
    for name in used_names(function.__code__):
        if name in function.__globals__ and not hasattr(builtins, name):
            names[name] = function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # a cell that is not filled yet holds nothing
            continue
    return names


def used_names(code: CodeType) -> Iterator[str]:
    """Gives the names of globals and attributes that code uses, that of functions inside it too; some repeatedly."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):  # a comprehension, a lambda, a function inside
            yield from used_names(constant)


def python_function(function: Callable[..., object]) -> FunctionType | None:
    """Gives the function with a Python body behind decorators, tasks and methods; None where there is none."""
    inner = inspect.unwrap(function)
    inner = getattr(inner, "__func__", inner)
    return inner if isinstance(inner, FunctionType) else None


def helpers(function: FunctionType, owner: type | None = None) -> Iterator[FunctionType]:
    """Gives the user's own functions that `function` names: plainly, in a module, as methods of an object or `owner`.

    A method counts by its name alone: which object it is called on is not told apart.
    """
    used = frozenset(used_names(function.__code__))
    for value in outer_names(function).values():
        yield from _users(value)
        if isinstance(value, type | ModuleType) or is_users_class(type(value)):
            yield from (one for name in used for one in _users(inspect.getattr_static(value, name, None)))
    if owner is not None:
        yield from (one for name in used for one in _users(inspect.getattr_static(owner, name, None)))


def _users(found: object) -> Iterator[FunctionType]:
    while isinstance(found, partial):
        found = found.func
    if isinstance(found, staticmethod | classmethod):
        found = cast("Callable[..., object]", found.__func__)
    if isinstance(found, property):
        found = found.fget
    function = python_function(found) if callable(found) and not isinstance(found, type) else None
    if function is not None and is_users(function.__code__.co_filename):
        yield function


def is_users_class(kind: type) -> bool:
    """Says whether a class is written in the user's own code, so that its instances and methods are looked into."""
    if kind.__module__ == "builtins":
        return False
    module = sys.modules.get(kind.__module__)
    return module is not None and is_users_module(module)


def is_users_module(module: ModuleType) -> bool:
    """Says whether a module is the user's own code; one without a file is, unless it is of Python's library."""
    file: str | None = getattr(module, "__file__", None)
    if file is None:
        top = module.__name__.partition(".")[0]
        return top == "__main__" or top not in sys.stdlib_module_names
    return is_users(file)
