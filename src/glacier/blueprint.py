"""What a cloud must hold: declarations in Terraform's vocabulary with typed references. Plain data; prints nothing.

A cloud's module builds a `Blueprint`, a target's module prints it. Resource kinds and arguments are those of
Terraform's providers, which the other targets know too: Pulumi's and the CDK's bindings are made from them;
nothing here says how a target writes them down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from glacier.errors import ConfigError, Site

Concern = Literal["services", "storage", "functions", "jobs", "schedule", "access", "network", "alerts"]
"""What a declaration is for; a target puts those of one concern together."""

VariableType = Literal["string", "number", "bool", "list(string)", "map(string)"]


@dataclass(frozen=True, slots=True)
class Ref:
    """The value that an attribute of another declaration has once that is there.

    Attributes:
        kind: of the declaration, `aws_s3_bucket`.
        name: of the declaration.
        path: to the attribute, through lists and blocks: `("identity", 0, "principal_id")`.
        looked_up: whether the declaration is looked up and not made.
    """

    kind: str
    name: str
    path: tuple[str | int, ...]
    looked_up: bool = False

    @property
    def address(self) -> str:
        """Which declaration it is of: `aws_s3_bucket.raw`, `data.aws_s3_bucket.raw`."""
        return f"data.{self.kind}.{self.name}" if self.looked_up else f"{self.kind}.{self.name}"


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that whoever applies the blueprint may give. Used where its value goes.

    Attributes:
        default: the value if none is given; None says that one must be given, unless it is `nullable`.
        pattern: a regular expression that a given text must match, and `complaint` what is said if it does not.
        nullable: whether it may be left without a value.
    """

    name: str
    type: VariableType
    description: str
    default: bool | float | str | tuple[str, ...] | None = None
    pattern: str | None = None
    complaint: str = ""
    nullable: bool = False
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """Text with values of references and variables in it. Made by `text`."""

    parts: tuple[str | Ref | Variable, ...]


@dataclass(frozen=True, slots=True)
class AssetPath:
    """Where an asset of the blueprint lies when it is applied.

    Attributes:
        path: of the asset, in the folder of the declarations.
    """

    path: str | Text


@dataclass(frozen=True, slots=True)
class Either:
    """The first of some values that is not null."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON document in an attribute that takes text; references may be anywhere in it."""

    document: Value


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a declaration with arguments of its own. One that occurs several times is a tuple of blocks."""

    arguments: Mapping[str, Value]


Value = (
    None | bool | int | float | str | Ref | Variable | AssetPath | Text | Either | Json | Block | tuple["Value", ...]
    | Mapping[str, "Value"]
)  # fmt: skip
"""What an argument may be. None leaves the argument out."""


def text(*parts: str | Ref | Variable) -> Text | str:
    """Gives text made of literal text, references and variables; plain text if there are none.

    >>> text("arn:aws:s3:::", "raw")
    'arn:aws:s3:::raw'
    """
    if all(isinstance(part, str) for part in parts):
        return "".join(cast("tuple[str, ...]", parts))
    return Text(parts)


@dataclass(frozen=True, slots=True)
class Because:
    """What in a user's code a declaration or a permission is there for.

    Attributes:
        what: in words, `task load reads raw/2024.parquet`.
        where: the line, from the project's folder on: `etl.py:12`.
        site: the same line, for an error.

    >>> str(Because("bucket raw", "etl.py:12"))
    'bucket raw (etl.py:12)'
    """

    what: str
    where: str = ""
    site: Site | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.what} ({self.where})" if self.where else self.what


@dataclass(frozen=True, slots=True)
class Waiver:
    """A rule of a policy scanner that a declaration does not meet, and why.

    Attributes:
        rule: the scanner's name of it, `CKV_AWS_18`.
        reason: one line.
    """

    rule: str
    reason: str


@dataclass(frozen=True)
class Declaration:
    """One thing that a cloud must hold, or that is looked up there.

    Attributes:
        kind: Terraform's resource type, `aws_s3_bucket`, or data source if `looked_up`.
        name: unique among those of its kind, and stable: made of the names in the user's code, not of positions.
        concern: what it is for.
        arguments: in the order in which they are written.
        looked_up: whether it is there already.
        keeps_data: whether it must never be destroyed by an apply.
        after: declarations that must be there before it, beyond those it refers to.
        ignored: arguments that others change, and that an apply leaves as they are.
        because: what in the user's code it is there for.
        waivers: rules of scanners that it does not meet.
    """

    kind: str
    name: str
    concern: Concern
    arguments: Mapping[str, Value]
    looked_up: bool = False
    keeps_data: bool = False
    after: tuple[Ref, ...] = ()
    ignored: tuple[str, ...] = ()
    because: tuple[Because, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    @property
    def address(self) -> str:
        """What it is called: `aws_s3_bucket.raw`."""
        return self.ref().address

    def ref(self, *path: str | int) -> Ref:
        """Gives a reference to one of its attributes: `ref("arn")`, `ref("identity", 0, "principal_id")`."""
        return Ref(self.kind, self.name, path, self.looked_up)


@dataclass(frozen=True)
class Plugin:
    """What a target needs to speak to a cloud, and how it is set up.

    Attributes:
        name: `aws`.
        source: `hashicorp/aws`.
        versions: a range, as Terraform writes it: `>= 6.0, < 7.0`.
        settings: region, project and the like; never a credential.
    """

    name: str
    source: str
    versions: str
    settings: Mapping[str, Value] = field(default_factory=dict[str, Value])


@dataclass(frozen=True)
class Output:
    """A value that whoever applied the blueprint is told."""

    name: str
    value: Value
    description: str


@dataclass(frozen=True)
class Permission:
    """What one identity may do, as people are told it.

    Attributes:
        holder: the identity, by the stage or function that runs under it.
        actions: in the cloud's own words, `s3:GetObject`.
        scope: on what, `s3://acme-raw/2024/*`.
        because: who needs it.
    """

    holder: str
    actions: tuple[str, ...]
    scope: str
    because: tuple[Because, ...]


@dataclass(frozen=True)
class Asset:
    """A file that goes with the declarations: an image's recipe, a function's archive.

    Attributes:
        path: in the folder of the declarations, with "/".
        content: its bytes; the same for the same input on every machine.
    """

    path: str
    content: bytes


@dataclass(frozen=True)
class Step:
    """A command that a person runs to bring the blueprint into being.

    Attributes:
        title: what it does, in a few words.
        command: as typed in the folder of the declarations; several lines if it is several.
        first: whether it comes before the declarations are applied.
        sets: a variable of the blueprint that is `$IMAGE` of the command from then on; all is applied again after it.
        environment: that it is for, if the blueprint stands for several.
    """

    title: str
    command: str
    first: bool = False
    sets: str | None = None
    environment: str | None = None


@dataclass(frozen=True)
class Blueprint:
    """All that one pipeline needs in one cloud.

    Attributes:
        name: the pipeline's.
        cloud: as people know it: "AWS".
        steps: what to do besides applying it, such as pushing an image, in order.
        notes: what a person should know before applying it.
    """

    name: str
    cloud: str
    plugins: tuple[Plugin, ...]
    declarations: tuple[Declaration, ...]
    outputs: tuple[Output, ...] = ()
    permissions: tuple[Permission, ...] = ()
    assets: tuple[Asset, ...] = ()
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses what no target could print.

        Raises:
            ConfigError: two declarations have one address, or something refers to a declaration that is not there.
        """
        known: dict[str, Declaration] = {}
        for declaration in self.declarations:
            other = known.setdefault(declaration.address, declaration)
            if other is not declaration:
                _refuse_same(self, declaration, other)
        for declaration in self.declarations:
            for ref in (*refs_in(declaration.arguments), *declaration.after):
                if ref.address not in known:
                    raise ConfigError(f"`{declaration.address}` refers to `{ref.address}`, which is not declared")

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Each variable that a value asks for, once, in the order of their names."""
        found: dict[str, Variable] = {}
        values = [value for declaration in self.declarations for value in declaration.arguments.values()]
        settings = [value for plugin in self.plugins for value in plugin.settings.values()]
        for value in (*values, *settings, *(output.value for output in self.outputs)):
            for part in leaves(value):
                if isinstance(part, Variable):
                    found[part.name] = part
        return tuple(found[name] for name in sorted(found))


def leaves(value: Value) -> Iterator[Value]:
    """Gives all that a value is made of, down to plain values, references and variables."""
    match value:
        case Text(parts) | AssetPath(Text(parts)):
            yield from parts
        case Either(values):
            for one in values:
                yield from leaves(one)
        case Json(document):
            yield from leaves(document)
        case Block(arguments):
            for one in arguments.values():
                yield from leaves(one)
        case tuple():
            for one in value:
                yield from leaves(one)
        case Mapping():
            for one in value.values():
                yield from leaves(one)
        case _:
            yield value


def refs_in(arguments: Mapping[str, Value]) -> Iterator[Ref]:
    """Gives the references in arguments."""
    return (part for value in arguments.values() for part in leaves(value) if isinstance(part, Ref))


def _refuse_same(blueprint: Blueprint, first: Declaration, second: Declaration) -> None:
    sites = [cause.site for one in (second, first) for cause in one.because if cause.site is not None]
    raise ConfigError(
        f"pipeline `{blueprint.name}` would declare `{first.address}` twice"
        + (f": at {sites[0]} and at {sites[-1]}" if len(sites) > 1 else ""),
        site=sites[-1] if sites else None,
        fix="give one of the two another name; names are told apart without case and punctuation",
    )
