"""One blueprint for several environments: what differs between them becomes variables, with a value for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, zip_longest
from typing import cast

from glacier.blueprint import (
    AssetPath,
    Block,
    Blueprint,
    Declaration,
    Either,
    Json,
    Permission,
    Ref,
    Step,
    Text,
    Value,
    Variable,
    VariableType,
)
from glacier.deployment.packaging import ARCHIVES
from glacier.errors import UnsupportedError, listed

_WORD = re.compile(r"([A-Za-z0-9]+)")

Path = tuple[str, ...]
"""Where a value is: its declaration, then names of arguments."""

Key = tuple[VariableType, str, tuple[Value, ...]]
"""What is one variable: its type, the argument, the value in each environment."""

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
    named = _parted({str(name): one for name, one in blueprints.items()})
    first = _Merge(named)
    first.result()
    return _Merge(named, frozenset(key for key, holders in first.holders.items() if len(holders) > 1)).result()


def _parted(blueprints: Mapping[str, Blueprint]) -> Mapping[str, Blueprint]:
    """Gives archives of functions that differ a name for each environment: `functions/sums-dev.zip`.

    Raises:
        UnsupportedError: another file differs.
    """
    contents: dict[str, set[bytes]] = {}
    for blueprint in blueprints.values():
        for asset in blueprint.assets:
            contents.setdefault(asset.path, set()).add(asset.content)
    differ = [path for path, each in contents.items() if len(each) > 1]
    if others := [path for path in differ if not path.startswith(ARCHIVES)]:
        raise UnsupportedError(
            f"environments {listed([*blueprints])} cannot share a folder: {listed(others)} differs in them",
            fix="generate each into a folder of its own: --env NAME --output terraform/NAME",
        )
    return {
        name: _renamed(one, {path: f"-{name}.".join(path.rsplit(".", 1)) for path in differ})
        for name, one in blueprints.items()
    }


def _renamed(blueprint: Blueprint, names: Mapping[str, str]) -> Blueprint:
    """Gives a blueprint with other names for some of its assets."""
    if not names:
        return blueprint

    def argument(value: Value) -> Value:
        if isinstance(value, AssetPath) and isinstance(value.path, str):
            return AssetPath(names.get(value.path, value.path))
        return value

    def command(text: str) -> str:
        for before, now in names.items():
            text = text.replace(before, now)
        return text

    return replace(
        blueprint,
        assets=tuple(replace(one, path=names.get(one.path, one.path)) for one in blueprint.assets),
        declarations=tuple(
            replace(one, arguments={name: argument(value) for name, value in one.arguments.items()})
            for one in blueprint.declarations
        ),
        steps=tuple(replace(one, command=command(one.command)) for one in blueprint.steps),
    )


class _Merge:
    """Goes through blueprints side by side.

    Attributes:
        shared: what differs in several declarations in the same way, which names none of them.
        holders: by what differs, the declarations in which it does.
    """

    def __init__(self, blueprints: Mapping[str, Blueprint], shared: frozenset[Key] = frozenset()) -> None:
        self.shared = shared
        self.holders: dict[Key, set[str]] = {}
        self.names = list(blueprints)
        self.blueprints = list(blueprints.values())
        self.variables: dict[Key, Variable] = {}
        self.values: Values = {name: {} for name in self.names}
        self.taken = {variable.name for one in self.blueprints for variable in one.variables}
        self.environment = Variable("environment", "string", "Which environment this is.")

    def result(self) -> tuple[Blueprint, Values]:
        first = self.blueprints[0]
        declared = [{one.address: one for one in blueprint.declarations} for blueprint in self.blueprints]
        self._check_same(declared)
        declarations = tuple(self._declaration([each[one.address] for each in declared]) for one in first.declarations)
        plugins = tuple(
            replace(one, settings=self._arguments([each.plugins[at].settings for each in self.blueprints], (one.name,)))
            for at, one in enumerate(first.plugins)
        )
        outputs = tuple(
            replace(one, value=self._value([each.outputs[at].value for each in self.blueprints], ("output", one.name)))
            for at, one in enumerate(first.outputs)
        )
        whole = replace(
            first,
            declarations=declarations,
            plugins=plugins,
            outputs=outputs,
            permissions=tuple(self._permissions()),
            assets=tuple({one.path: one for blueprint in self.blueprints for one in blueprint.assets}.values()),
            steps=tuple(self._steps()),
            notes=tuple(dict.fromkeys(note for one in self.blueprints for note in one.notes)),
        )
        if any(variable.name == "environment" for variable in whole.variables):
            for name in self.names:
                self.values[name] = {"environment": name, **self.values[name]}
        return whole, self.values

    def _permissions(self) -> Iterator[Permission]:
        """Gives the permissions of all environments, those that correspond beside each other."""
        known: set[tuple[str, tuple[str, ...], str]] = set()
        for each in zip_longest(*(one.permissions for one in self.blueprints)):
            for one in each:
                if one is not None and (key := (one.holder, tuple(one.actions), one.scope)) not in known:
                    known.add(key)
                    yield one

    def _steps(self) -> Iterator[Step]:
        """Gives the steps of each environment, also where they are alike: each works on a state of its own."""
        for name, blueprint in zip(self.names, self.blueprints, strict=True):
            yield from (replace(step, environment=name) for step in blueprint.steps)

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
        short = first.kind.partition("_")[2] + f"_{first.name}" * (first.name != "this")
        return replace(first, arguments=self._arguments([one.arguments for one in each], (short,)))

    def _arguments(self, each: Sequence[Mapping[str, Value]], path: Path) -> Mapping[str, Value]:
        names = list(dict.fromkeys(name for one in each for name in one))
        return {name: self._value([one.get(name) for one in each], (*path, name)) for name in names}

    def _value(self, each: Sequence[Value], path: Path) -> Value:
        first = each[0]
        if all(type(one) is type(first) and one == first for one in each):
            return first
        if all(isinstance(one, str) for one in each):
            return self._named(cast("Sequence[str]", each)) or self._variable(each, "string", path)
        if all(isinstance(one, Variable) for one in each):
            return self._same_variable(cast("Sequence[Variable]", each), path)
        if all(isinstance(one, AssetPath) for one in each):
            lies = self._value([cast("AssetPath", one).path for one in each], path)
            return AssetPath(lies if isinstance(lies, Text) else Text((cast("str | Variable", lies),)))
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

    def _tuple(self, each: Sequence[tuple[Value, ...]], path: Path) -> Value:
        first = each[0]
        if len({len(one) for one in each}) == 1:
            parts = enumerate(zip(*each, strict=True))
            return tuple(self._value(list(items), (*path, _name_of(first, at))) for at, items in parts)
        if all(isinstance(part, str) for one in each for part in one):
            return self._variable(each, "list(string)", path)
        raise self._differ(path)

    def _text(self, each: Sequence[Text], path: Path) -> Value:
        shapes = {tuple(_kind(part) for part in one.parts) for one in each}
        if len(shapes) > 1:
            raise self._differ(path)
        parts: list[str | Ref | Variable] = []
        for at, pieces in enumerate(zip(*(one.parts for one in each), strict=True)):
            value = self._value(list(pieces), (*path, str(at)))
            parts += value.parts if isinstance(value, Text) else [cast("str | Ref | Variable", value)]
        return Text(tuple(parts))

    def _same_variable(self, each: Sequence[Variable], path: Path) -> Variable:
        """Gives a variable that has another default in each environment, without one."""
        if len({(one.name, one.type) for one in each}) > 1:
            raise self._differ(path)
        for environment, one in zip(self.names, each, strict=True):
            self.values[environment][one.name] = one.default
        return replace(each[0], default=None, nullable=any(one.default is None for one in each))

    def _named(self, each: Sequence[str]) -> Value | None:
        """Gives text with the variable `environment` in it, where the environment's name is all that differs."""
        pieces = [_marker(name)(text) for name, text in zip(self.names, each, strict=True)]
        if len({*map(tuple, pieces)}) > 1 or len(pieces[0]) == 1:
            return self._worded(each)
        parts: list[str | Variable] = []
        for at, literal in enumerate(pieces[0]):
            parts += [self.environment] * bool(at) + [literal] * bool(literal)
        return parts[0] if len(parts) == 1 else Text(tuple(parts))

    def _worded(self, each: Sequence[str]) -> Value | None:
        """Gives the same word by word, for text that has an environment's name in another sense too: `pkg.dev`."""
        words = [_WORD.split(text) for text in each]
        if len({len(one) for one in words}) > 1:
            return None
        parts: list[str | Variable] = []
        for at, word in enumerate(words[0]):
            same = [one[at] for one in words]
            if len(set(same)) > 1 and same != self.names:
                return None
            parts.append(word if len(set(same)) == 1 else self.environment)
        return Text(tuple(_joined(parts)))

    def _variable(self, each: Sequence[Value], kind: VariableType, path: Path) -> Variable:
        pieces = [*path]
        if pieces[-1] == "value" and len(pieces) > 2:
            pieces.pop()
        of_tags = len(pieces) > 1 and pieces[-2].endswith(("tags", "labels"))
        leaf = "_".join(pieces[-2:] if of_tags or pieces[-1].isdigit() else pieces[-1:])
        key = (kind, leaf, tuple(each))
        self.holders.setdefault(key, set()).add(pieces[0])
        if key not in self.variables:
            name = _identifier(leaf if key in self.shared or of_tags else f"{pieces[0]}_{leaf}")
            if name in self.taken:
                name = _identifier("_".join(pieces))
            while name in self.taken:
                name += "_"
            self.taken.add(name)
            nullable = any(one is None for one in each)
            said = ", ".join(f"{value!r} in {name}" for name, value in zip(self.names, each, strict=True))
            self.variables[key] = Variable(name, kind, f"Differs by environment: {said}.", nullable=nullable)
            for environment, value in zip(self.names, each, strict=True):
                self.values[environment][name] = value
        return self.variables[key]

    def _differ(self, path: Path) -> UnsupportedError:
        return UnsupportedError(
            f"environments {listed(self.names)} cannot share a folder: `{'.'.join(path)}` is not made in the same way "
            "in them",
            fix=f"generate each into a folder of its own: --env {self.names[-1]} --output terraform/{self.names[-1]}",
        )


def _name_of(items: tuple[Value, ...], at: int) -> str:
    """Gives what an item of a list is known by: its own name, the option it is the value of, or its place."""
    item, before = items[at], items[at - 1] if at else None
    arguments = item.arguments if isinstance(item, Block) else item
    name = arguments.get("name") if isinstance(arguments, Mapping) else None
    if isinstance(name, str):
        return name
    return before[2:] if isinstance(before, str) and before.startswith("--") else str(at)


def _joined(parts: Iterable[str | Variable]) -> Iterator[str | Variable]:
    """Gives the same parts, with text that follows text as one."""
    for literal, run in groupby(parts, key=lambda part: isinstance(part, str)):
        if literal:
            yield "".join(cast("Iterable[str]", run))
        else:
            yield from run


def _identifier(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).lower())


def _kind(part: str | Ref | Variable) -> Ref | str | None:
    """Gives what must be alike in two texts: the reference, or which variable."""
    return part.name if isinstance(part, Variable) else part if isinstance(part, Ref) else None


def _marker(name: str) -> Callable[[str], list[str]]:
    pattern = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")
    return pattern.split
