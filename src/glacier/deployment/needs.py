"""What a pipeline needs in a cloud, as plain data: buckets, functions, stages, and what each of these may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2s
from pathlib import Path
from typing import Any, Literal

from glacier.blueprint import Because
from glacier.config.deploy import Compute, DeployConfig
from glacier.errors import ConfigError, Site
from glacier.schedules import Schedule

_DIGEST = 8

Verb = Literal["read", "list", "write", "delete", "invoke"]
"""What is done to objects and functions, in no cloud's words. To write is to make an object, or to replace it whole."""


@dataclass(frozen=True)
class DeclaredBucket:
    """A bucket that the pipeline touches.

    Attributes:
        name: as the user's code has it.
        physical: as the cloud has it, with the provider's prefix and environment.
        provider: that it was declared with, which knows its region, project or account.
        config: a config of the cloud's kind, or None.
        existing: whether it is there already, and not Glacier's to make.
        written: whether the pipeline writes to it.
        because: where it was declared.
        site: the same place, for an error.
    """

    name: str
    physical: str
    provider: Any
    config: Any = None
    existing: bool = False
    written: bool = False
    because: tuple[Because, ...] = ()
    site: Site | None = field(default=None, compare=False)


@dataclass(frozen=True, order=True)
class Keys:
    """Objects of a bucket: one, or all below a prefix.

    Attributes:
        path: a key; or a prefix that ends in "/" or is empty.
        below: whether it is a prefix.

    >>> str(Keys("2024/may.parquet")), str(Keys("2024/", below=True))
    ('2024/may.parquet', '2024/*')
    """

    path: str
    below: bool = False

    def __str__(self) -> str:
        return f"{self.path}*" if self.below else self.path


@dataclass(frozen=True)
class Grant:
    """What a stage or a function may do, and must be able to.

    Attributes:
        target: a bucket; a function, which is invoked.
        verbs: what it does.
        keys: to which objects; of a function there are none.
        because: the tasks that need it, with their lines.
    """

    target: DeclaredBucket | DeclaredFunction
    verbs: frozenset[Verb]
    keys: Keys = Keys("")
    because: tuple[Because, ...] = ()


@dataclass(frozen=True)
class DeclaredFunction:
    """A function that the pipeline invokes.

    Attributes:
        name: as the user's code has it.
        physical: as the cloud has it.
        provider: that it was declared with.
        config: a config of the cloud's kind, or None.
        handler: `process.handler`.
        runtime: `python3.12`, or None for the Python that generates.
        source: the folder that holds the handler's module.
        requirements: as pip takes them.
        env: its environment variables.
        grants: what its own identity may do: what was stated with `reads=` and `writes=`.
        because: where it was declared.
    """

    name: str
    physical: str
    provider: Any
    config: Any
    handler: str
    runtime: str | None
    source: Path
    requirements: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    grants: tuple[Grant, ...] = ()
    because: tuple[Because, ...] = ()
    site: Site | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Stage:
    """Nodes that run in one process on one machine, under one identity.

    Attributes:
        name: unique in the pipeline, the same when tasks are added behind its first: lower-case letters, digits and
            hyphens.
        compute: the machine.
        tasks: the names of the graph's nodes that run in it, in body order.
        upstream: the stages that must have ended before it, in their order.
        grants: what its identity may do.
    """

    name: str
    compute: Compute
    tasks: tuple[str, ...]
    upstream: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True)
class Deployment:
    """One pipeline in one cloud and environment.

    Attributes:
        pipeline: its name.
        entry: what the image's entry point is told to load: `etl:sales`.
        root: the project's folder on this machine, which `entry` is imported from; never printed.
        folder: that what is generated goes into; of it, only the way from there to `root` is ever printed.
        provider: what its stages run on.
        environment: "prod", say; None if there is but one.
        buckets: that it touches, by their names; the one for records is not among them.
        functions: that it invokes.
        stages: in an order in which they may run one after another; one, for most pipelines.
        records: the bucket for records of runs and for what stages hand on, below `<pipeline>/<stage>/`.
        schedule: when it runs by itself.
        options: how it runs.
        inputs: what its runs are given, each as a command line has it, `day=2024-05-01`.
        warnings: what a person should know.
    """

    pipeline: str
    entry: str
    root: Path = field(compare=False)
    folder: Path = field(compare=False)
    provider: Any
    environment: str | None
    buckets: tuple[DeclaredBucket, ...]
    functions: tuple[DeclaredFunction, ...]
    stages: tuple[Stage, ...]
    records: DeclaredBucket
    schedule: Schedule | None
    options: DeployConfig
    inputs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    site: Site | None = field(default=None, compare=False)

    @property
    def slug(self) -> str:
        """The pipeline's name as clouds take names: lower-case letters, digits and hyphens."""
        return slug(self.pipeline)

    @property
    def tags(self) -> dict[str, str]:
        """The provider's tags, and those that tell whose a thing is."""
        own = {"managed-by": "glacier", "pipeline": self.slug}
        return {**self.provider.tags, **own, **({"environment": self.environment} if self.environment else {})}

    def called(self, part: str = "", *, longest: int, what: str) -> str:
        """Gives what a thing of this pipeline is called in the cloud: prefix, pipeline, part, environment.

        Args:
            part: which thing, a stage say; empty for the pipeline itself.
            longest: how many characters the cloud allows.
            what: is called so, for the error: "an IAM role".

        Raises:
            ConfigError: the name is longer.
        """
        parts = [self.slug, *([slug(part)] if part else []), *([self.environment] if self.environment else [])]
        name = f"{self.provider.name_prefix}{'-'.join(parts)}"
        if len(name) > longest:
            raise ConfigError(
                f"pipeline `{self.pipeline}` needs {what} `{name}`, which has {len(name)} characters; "
                f"the cloud takes {longest}",
                site=self.site,
                fix=f'give the pipeline a shorter name: @pipeline(name="..."), or shorten name_prefix= by '
                f"{len(name) - longest}",
            )
        return name


def slug(name: str) -> str:
    """Gives a name in lower-case letters, digits and single hyphens, beginning with a letter.

    >>> slug("Sales_by Day"), slug("2024")
    ('sales-by-day', 'p-2024')
    """
    parts = "".join(char if char.isascii() and char.isalnum() else " " for char in name.lower()).split()
    joined = "-".join(parts)
    return joined if joined[:1].isalpha() else f"p-{joined}".rstrip("-")


def identifier(name: str) -> str:
    """Gives a name as a declaration's: lower-case letters, digits and underscores, beginning with a letter.

    >>> identifier("raw-data.2024")
    'raw_data_2024'
    """
    return slug(name).replace("-", "_")


def shortened(name: str, longest: int, *, least: int = 0, joint: str = "-") -> str:
    """Gives a name, its end replaced by a digest of the whole where it is longer than allowed, or shorter.

    >>> shortened("sales-load", 30), shortened("sales-" + "very-" * 6 + "long", 30)
    ('sales-load', 'sales-very-very-very-827e6ef2')
    """
    if least <= len(name) <= longest:
        return name
    digest = blake2s(name.encode(), digest_size=_DIGEST // 2).hexdigest()
    return f"{name[: longest - _DIGEST - 1].rstrip('-_')}{joint}{digest}"
