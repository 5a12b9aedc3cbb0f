"""One blueprint for several environments: what differs between them becomes variables, with a value for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from glacier.blueprint import (
    Block,
    Blueprint,
    Declaration,
    Either,
    Json,
    Ref,
    Text,
    Value,
    Variable,
    VariableType,
)
from glacier.errors import UnsupportedError, listed

Values = dict[str, dict[str, Value]]
"""For each environment, the values of the variables."""


def merged(blueprints: Mapping[str | None, Blueprint]) -> tuple[Blueprint, Values]:
    """Gives a blueprint that stands for all of some, and the values that make each of them of it.

    Text that holds the environment's name holds the variable `environment` instead.

    Raises:
        UnsupportedError: they differ in more than values: one has a declaration that another one has not, say.
    """
    if len(blueprints) == 1:
        return next(iter(blueprints.values())), {}
    return _Merge({str(name): one for name, one in blueprints.items()}).result()


class _Merge:
    def __init__(self, blueprints: Mapping[str, Blueprint]) -> None:
        self.names = list(blueprints)
        self.blueprints = list(blueprints.values())
        self.variables: dict[tuple[Value, ...], Variable] = {}
        self.values: Values = {name: {} for name in self.names}
        self.taken = {variable.name for one in self.blueprints for variable in one.variables}
        self.environment = Variable("environment", "string", "Which environment this is.")

    def result(self) -> tuple[Blueprint, Values]:
        first = self.blueprints[0]
        declared = [{one.address: one for one in blueprint.declarations} for blueprint in self.blueprints]
        self._check_same(declared)
        declarations = tuple(self._declaration([each[one.address] for each in declared]) for one in first.declarations)
        plugins = tuple(
            replace(one, settings=self._arguments([each.plugins[at].settings for each in self.blueprints], one.name))
            for at, one in enumerate(first.plugins)
        )
        outputs = tuple(
            replace(one, value=self._value([each.outputs[at].value for each in self.blueprints], one.name))
            for at, one in enumerate(first.outputs)
        )
        whole = replace(first, declarations=declarations, plugins=plugins, outputs=outputs)
        if any(variable.name == "environment" for variable in whole.variables):
            for name in self.names:
                self.values[name] = {"environment": name, **self.values[name]}
        return whole, self.values

    def _check_same(self, declared: Sequence[Mapping[str, Declaration]]) -> None:
        for name, each in zip(self.names[1:], declared[1:], strict=True):
            only = [*(declared[0].keys() - each.keys()), *(each.keys() - declared[0].keys())]
            if only:
                here = self.names[0] if only[0] in declared[0] else name
                raise UnsupportedError(
                    f"environments `{self.names[0]}` and `{name}` cannot share a folder: {listed(sorted(only))} is "
                    f"declared in `{here}` only",
                    fix=f"generate each into a folder of its own: --env {name} --output terraform/{name}",
                )
        if len({len(one.outputs) for one in self.blueprints}) > 1:
            raise UnsupportedError(
                f"environments {listed(self.names)} cannot share a folder: their outputs differ",
                fix="generate each into a folder of its own",
            )

    def _declaration(self, each: Sequence[Declaration]) -> Declaration:
        first = each[0]
        short = first.kind.partition("_")[2] + "_" + first.name
        return replace(first, arguments=self._arguments([one.arguments for one in each], short))

    def _arguments(self, each: Sequence[Mapping[str, Value]], path: str) -> Mapping[str, Value]:
        names = list(dict.fromkeys(name for one in each for name in one))
        return {name: self._value([one.get(name) for one in each], f"{path}_{name}") for name in names}

    def _value(self, each: Sequence[Value], path: str) -> Value:
        first = each[0]
        if all(type(one) is type(first) and one == first for one in each):
            return first
        if all(isinstance(one, str) for one in each):
            return self._named(cast("Sequence[str]", each)) or self._variable(each, "string", path)
        if all(isinstance(one, Variable) for one in each):
            return self._same_variable(cast("Sequence[Variable]", each), path)
        if all(isinstance(one, Text) for one in each):
            return self._text(cast("Sequence[Text]", each), path)
        if all(isinstance(one, Json) for one in each):
            return Json(self._value([cast("Json", one).document for one in each], path))
        if all(isinstance(one, Either) for one in each):
            inner = self._value([cast("Either", one).values for one in each], path)
            return Either(cast("tuple[Value, ...]", inner))
        if all(isinstance(one, Block) for one in each):
            return Block(self._arguments([cast("Block", one).arguments for one in each], path))
        if all(isinstance(one, Mapping) for one in each):
            return self._arguments([cast("Mapping[str, Value]", one) for one in each], path)
        if all(isinstance(one, tuple) for one in each):
            return self._tuple([cast("tuple[Value, ...]", one) for one in each], path)
        if all(isinstance(one, bool) for one in each):
            return self._variable(each, "bool", path)
        if all(isinstance(one, int | float) and not isinstance(one, bool) for one in each):
            return self._variable(each, "number", path)
        for kind, variable_type in ((str, "string"), (bool, "bool"), (int | float, "number")):
            if all(one is None or isinstance(one, kind) for one in each):
                return self._variable(each, cast("VariableType", variable_type), path)
        raise self._differ(path)

    def _tuple(self, each: Sequence[tuple[Value, ...]], path: str) -> Value:
        if len({len(one) for one in each}) == 1:
            return tuple(self._value(list(items), f"{path}_{at}") for at, items in enumerate(zip(*each, strict=True)))
        if all(isinstance(part, str) for one in each for part in one):
            return self._variable(each, "list(string)", path)
        raise self._differ(path)

    def _text(self, each: Sequence[Text], path: str) -> Value:
        shapes = {tuple(_kind(part) for part in one.parts) for one in each}
        if len(shapes) > 1:
            raise self._differ(path)
        parts: list[str | Ref | Variable] = []
        for at, pieces in enumerate(zip(*(one.parts for one in each), strict=True)):
            value = self._value(list(pieces), f"{path}_{at}")
            parts += value.parts if isinstance(value, Text) else [cast("str | Ref | Variable", value)]
        return Text(tuple(parts))

    def _same_variable(self, each: Sequence[Variable], path: str) -> Variable:
        """Gives a variable that has another default in each environment, without one."""
        if len({(one.name, one.type) for one in each}) > 1:
            raise self._differ(path)
        for environment, one in zip(self.names, each, strict=True):
            self.values[environment][one.name] = one.default
        return replace(each[0], default=None, nullable=any(one.default is None for one in each))

    def _named(self, each: Sequence[str]) -> Value | None:
        """Gives text with the variable `environment` in it, where the environment's name is all that differs."""
        marked = [_marker(name)(text) for name, text in zip(self.names, each, strict=True)]
        if len({*map(tuple, marked)}) > 1 or len(marked[0]) == 1:
            return None
        parts: list[str | Variable] = []
        for at, literal in enumerate(marked[0]):
            parts += [self.environment] * bool(at) + [literal] * bool(literal)
        return parts[0] if len(parts) == 1 else Text(tuple(parts))

    def _variable(self, each: Sequence[Value], kind: VariableType, path: str) -> Variable:
        key = tuple(each)
        if key not in self.variables:
            name = re.sub(r"[^a-z0-9_]+", "_", path.lower())
            while name in self.taken:
                name += "_"
            self.taken.add(name)
            nullable = any(one is None for one in each)
            said = ", ".join(f"{value!r} in {name}" for name, value in zip(self.names, each, strict=True))
            self.variables[key] = Variable(name, kind, f"Differs by environment: {said}.", nullable=nullable)
            for environment, value in zip(self.names, each, strict=True):
                self.values[environment][name] = value
        return self.variables[key]

    def _differ(self, path: str) -> UnsupportedError:
        return UnsupportedError(
            f"environments {listed(self.names)} cannot share a folder: `{path}` is not made in the same way in them",
            fix=f"generate each into a folder of its own: --env {self.names[-1]} --output terraform/{self.names[-1]}",
        )


def _kind(part: str | Ref | Variable) -> Ref | str | None:
    """Gives what must be alike in two texts: the reference, or which variable."""
    return part.name if isinstance(part, Variable) else part if isinstance(part, Ref) else None


def _marker(name: str) -> Callable[[str], list[str]]:
    pattern = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")
    return pattern.split
