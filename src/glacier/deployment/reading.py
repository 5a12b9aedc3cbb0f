"""Reads a planned graph into what it needs in a cloud."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from glacier.access import touches
from glacier.accesses import Access
from glacier.blueprint import Because
from glacier.config.deploy import DeployConfig
from glacier.config.translation import Translation, told, translated
from glacier.deployment.grants import WHOLE_TREE, merged, needed
from glacier.deployment.needs import (
    DeclaredBucket,
    DeclaredFunction,
    Deployment,
    Grant,
    Keys,
    Stage,
    Verb,
    slug,
)
from glacier.deployment.packaging import lacking_packages
from glacier.deployment.same import check_bucket, check_function
from glacier.deployment.stages import stages_of
from glacier.errors import ConfigError, GlacierError, Site, UnsupportedError, listed
from glacier.graph import Graph, Node, Resource
from glacier.providers.aws import AWSProvider
from glacier.providers.gcp import GCPProvider
from glacier.providers.local import LocalProvider
from glacier.providers.portable import Provider, declarer_of
from glacier.resources.bucket import Bucket
from glacier.resources.serverless import Serverless
from glacier.schedules import Schedule

_A_DAY = re.compile(r"\b\d{4}-\d{2}")
"""A date, or a month, as ISO 8601 has them."""


@dataclass(frozen=True)
class Source:
    """Where a pipeline is written, and how it is to be deployed.

    Attributes:
        name: the pipeline's.
        file: that holds it.
        qualified: the name of its function there, `sales` or `<locals>` and more.
        site: of its `def`.
        inputs: what its runs are given, each as a command line has it, `day=2024-05-01`.
    """

    name: str
    file: str
    qualified: str
    site: Site
    schedule: Schedule | None = None
    options: DeployConfig = field(default_factory=DeployConfig)
    inputs: tuple[str, ...] = ()


def deployment_of(graph: Graph, source: Source, folder: Path, provider: Provider | None = None) -> Deployment:
    """Gives what a pipeline needs.

    Args:
        graph: as it was planned.
        source: where it is written.
        folder: that what is generated goes into.
        provider: what is to take the place of the local provider; None leaves all where it was declared.

    Raises:
        ConfigError: something has a name that the cloud does not take, or that something else has too.
        UnsupportedError: the pipeline touches what one cloud's identity cannot reach.
    """
    return replace(_Reading(graph, source, provider).deployment(), folder=folder.absolute())


def _bare_names(buckets: Iterable[DeclaredBucket]) -> Iterator[str]:
    """Warns of names that are likely to be somebody else's, which is told by nobody before `terraform apply`."""
    bare: dict[str, list[str]] = {}
    for bucket in buckets:
        provider = bucket.provider
        if isinstance(provider, AWSProvider | GCPProvider) and not bucket.existing and not provider.name_prefix:
            bare.setdefault(type(provider).__name__, []).append(bucket.physical)
    for provider, names in bare.items():
        cloud = "AWS" if provider == "AWSProvider" else "Google Cloud"
        yield (
            f"names of buckets are unique in all of {cloud}, and {listed(sorted(names))} may be somebody's: "
            f'give {provider} a name_prefix="..."'
        )


def _fixed_days(source: Source) -> Iterator[str]:
    """Warns of inputs with a date in them that every run of a schedule is given."""
    fixed = [text for text in source.inputs if _A_DAY.search(text.partition("=")[2])]
    if source.schedule is not None and fixed:
        yield (
            f"every run of the schedule is given {listed(fixed)}, and has rights for that alone: "
            "let a task find the day of its run, and leave the input its default"
        )


class _Reading:
    """Reads one graph. Keeps what it has found of each bucket and function, so that all grants name the same one."""

    def __init__(self, graph: Graph, source: Source, provider: Provider | None) -> None:
        self.graph = graph
        self.source = source
        self.root, self.entry = _entry(source)
        self.rebinds = provider
        self.buckets: dict[str, DeclaredBucket] = {}
        self.functions: dict[str, DeclaredFunction] = {}
        self.declared: dict[str, Serverless] = {}
        self.warnings: list[str] = [*graph.warnings]
        may = range(len(graph.nodes)) if graph.touching is None else graph.touching
        self.touches = [tuple(touches(node)) if node.index in may else () for node in graph.nodes]
        self.touched = [(node, touch) for node in graph.nodes for touch in self.touches[node.index]]
        self.provider = provider or self._provider()

    def deployment(self) -> Deployment:
        for node, touch in self.touched:
            self._declare(touch.resource, node, written=touch.access.writes)
        options = self.source.options
        environment: str | None = getattr(self.provider, "environment", None)
        records = self._records()
        stages = tuple(self._stages(records))
        return Deployment(
            pipeline=self.source.name,
            entry=self.entry,
            root=self.root,
            folder=self.root / "terraform",
            provider=self.provider,
            environment=environment,
            buckets=tuple(self.buckets[name] for name in sorted(self.buckets)),
            functions=tuple(self.functions[name] for name in sorted(self.functions)),
            stages=stages,
            records=records,
            schedule=self.source.schedule,
            options=options,
            inputs=self.source.inputs,
            warnings=(*self.warnings, *_bare_names((*self.buckets.values(), records)), *_fixed_days(self.source)),
            site=self.source.site,
        )

    def _resources(self) -> Iterator[Resource]:
        return (touch.resource for _, touch in self.touched)

    def _provider(self) -> Provider:
        """Gives the provider that the stages run on: that of what they touch.

        Raises:
            UnsupportedError: they touch what lies in several clouds.
        """
        found: dict[type, tuple[Provider, Node, Resource]] = {}
        for node, touch in self.touched:
            provider = declarer_of(touch.resource)
            kind = LocalProvider if isinstance(provider, LocalProvider) else type(provider)
            found.setdefault(kind, (provider, node, touch.resource))
        if len(found) > 1:
            first, second = list(found.values())[:2]
            raise UnsupportedError(
                f"pipeline `{self.source.name}` cannot be deployed: it touches `{first[2].label}` on "
                f"{type(first[0]).__name__} and `{second[2].label}` on {type(second[0]).__name__}, and an identity of "
                "one cloud has no rights in another",
                site=second[1].site,
                fix="make a pipeline for each cloud; copy between them where credentials for both are",
            )
        if not found:
            return LocalProvider()
        return next(iter(found.values()))[0]

    def _declare(self, resource: Resource, node: Node, *, written: bool) -> DeclaredBucket | DeclaredFunction:
        if isinstance(resource, Serverless):
            return self._function(resource)
        return self._bucket(cast("Bucket", resource), node, written=written)

    def _bucket(self, bucket: Bucket, node: Node | None, *, written: bool) -> DeclaredBucket:
        bound = self._rebound(bucket)
        store = bound.store
        site = bucket.site or (node.site if node else None)
        physical = store.physical(bound.name)
        known = self.buckets.get(physical)
        if known is not None:
            if known.name == bound.name and known.config is None and store.config is not None:
                known = replace(known, config=store.config)
            check_bucket(known, bound, physical, site)
            known = replace(known, written=known.written or written)
        else:
            because = (Because(f"bucket {bucket.name}", self._where(site), site),)
            known = DeclaredBucket(
                bound.name, physical, store.declarer, store.config, store.existing, written, because, site
            )
        self.buckets[physical] = known
        return known

    def _function(self, function: Serverless) -> DeclaredFunction:
        if self._is_local(function.host.declarer) and self.rebinds is not None:
            function = self._rebound_function(function)
        site = function.site
        if function.name in self.functions:
            check_function(self.declared[function.name], function)
            return self.functions[function.name]
        because = (Because(f"function {function.name}", self._where(site), site),)
        grants = [
            Grant(
                self._bucket(cast("Bucket", resource), None, written=writes),
                verbs,
                keys,
                (
                    Because(
                        f"function {function.name} {'writes' if writes else 'reads'} {resource.label}", *self._at(site)
                    ),
                ),
            )
            for resource, writes in [
                *((one, False) for one in function.reads),
                *((one, True) for one in function.writes),
            ]
            for verbs, keys in needed(cast("Bucket", resource), Access(reads=not writes, writes=writes))
        ]
        if not grants:
            self.warnings.append(
                f"function `{function.name}` is permitted to touch no bucket: what its code touches is not read; "
                "state it with reads=[...] and writes=[...]"
            )
        declared = DeclaredFunction(
            function.name,
            function.host.physical(function.name),
            function.host.declarer,
            function.config,
            function.handler,
            function.runtime,
            Path(function.source),
            function.requirements,
            dict(function.env),
            tuple(merged(grants)),
            because,
            site,
        )
        self.functions[function.name] = declared
        self.declared[function.name] = function
        self.warnings += lacking_packages(declared)
        return declared

    def _stages(self, records: DeclaredBucket) -> Iterator[Stage]:
        parts = stages_of(self.graph, self.source.options.compute)
        for part in parts:
            grants = [
                grant
                for index in part.nodes
                for grant in self._grants(self.graph.nodes[index], self.graph.names[index])
            ]
            yield Stage(
                part.name,
                part.compute,
                tuple(self.graph.names[index] for index in part.nodes if not self.graph.nodes[index].hidden),
                part.upstream,
                tuple(merged([*grants, *self._bookkeeping(part.name, part.upstream, records)])),
            )

    def _grants(self, node: Node, name: str) -> Iterator[Grant]:
        for touch in self.touches[node.index]:
            target = self._declare(touch.resource, node, written=touch.access.writes)
            if isinstance(target, DeclaredFunction):
                verbs: frozenset[Verb] = frozenset(("invoke",))
                yield Grant(target, verbs, because=(Because(f"{name} invokes {target.name}", *self._at(node.site)),))
                continue
            bucket = cast("Bucket", touch.resource)
            if not touch.access.certain:
                self.warnings.append(
                    f"what `{name}` does to bucket `{bucket.name}` is not known, so it may do anything in it: "
                    "state it with @task(reads=[...], writes=[...])"
                )
                because = Because(f"what {name} does to {bucket.name} is not known", *self._at(node.site))
                yield Grant(target, WHOLE_TREE, Keys("", below=True), (because,))
                continue
            done = " and ".join(["reads"] * touch.access.reads + ["writes"] * touch.access.writes)
            for verbs, keys in needed(self._rebound(bucket), touch.access):
                yield Grant(target, verbs, keys, (Because(f"{name} {done} {bucket.label}", *self._at(node.site)),))

    def _bookkeeping(self, stage: str, upstream: Sequence[str], records: DeclaredBucket) -> Iterator[Grant]:
        """Gives what every stage needs of the bucket for records: its own, what was handed to it, and the lease."""
        top = slug(self.source.name)
        own = Because(f"stage {stage} keeps its records and what it hands on", *self._at(self.source.site))
        yield Grant(records, frozenset(("read", "list", "write")), Keys(f"{top}/{stage}/", below=True), (own,))
        for other in upstream:
            handed = Because(f"stage {stage} takes what stage {other} hands on", *self._at(self.source.site))
            yield Grant(records, frozenset(("read", "list")), Keys(f"{top}/{other}/", below=True), (handed,))
        if not self.source.options.overlap:
            lease = Because("one run at a time", *self._at(self.source.site))
            yield Grant(records, frozenset(("read", "list", "write")), Keys(f"{top}/lease"), (lease,))

    def _records(self) -> DeclaredBucket:
        """Gives the bucket for records.

        Raises:
            ConfigError: the cloud takes no such name, or a bucket of the pipeline has it.
        """
        name = self.source.options.records or f"{slug(self.source.name)}-runs"
        site = self.source.site
        try:
            bucket = self.provider.bucket(name, path="./")
        except ConfigError as error:
            error.site = site
            error.fix = 'name another one: @pipeline(deploy=DeployConfig(records="..."))'
            raise
        physical = bucket.store.physical(name)
        if physical in self.buckets:
            raise ConfigError(
                f"the records of pipeline `{self.source.name}` would lie in bucket `{physical}` among its data",
                site=site,
                fix='name another one: @pipeline(deploy=DeployConfig(records="..."))',
            )
        because = (Because(f"records of pipeline {self.source.name}", *self._at(site)),)
        return DeclaredBucket(name, physical, self.provider, written=True, because=because, site=site)

    def _rebound(self, bucket: Bucket) -> Bucket:
        if self.rebinds is None or not self._is_local(bucket.store.declarer):
            return bucket
        other: Any = self.rebinds
        try:
            config = self._fitting(f"bucket `{bucket.name}`", bucket.config, "bucket_config")
            moved = other.bucket(
                bucket.name, path=bucket.path, format=bucket.format, config=config, existing=bucket.existing
            )
        except GlacierError as error:
            error.site = bucket.site
            raise
        return cast("Bucket", moved)

    def _rebound_function(self, function: Serverless) -> Serverless:
        other: Any = self.rebinds
        try:
            config = self._fitting(f"function `{function.name}`", function.config, "function_config")
            moved = other.serverless(
                function.name,
                handler=function.handler,
                runtime=function.runtime,
                config=config,
                source=function.source,
                requirements=function.requirements,
                env=dict(function.env),
                reads=function.reads,
                writes=function.writes,
            )
        except GlacierError as error:
            error.site = function.site
            raise
        return replace(cast("Serverless", moved), site=function.site)

    def _fitting(self, what: str, config: Any, kind: Literal["bucket_config", "function_config"]) -> Any:
        """Gives a config as one of the cloud that takes the local provider's place, and keeps what is to be told."""
        if isinstance(self.rebinds, LocalProvider):
            return config
        found: Translation[Any] = translated(config, getattr(self.rebinds, kind))
        self.warnings.extend(one for one in told(what, config, found) if one not in self.warnings)
        return found.config

    def _is_local(self, declarer: object) -> bool:
        return isinstance(declarer, LocalProvider)

    def _at(self, site: Site | None) -> tuple[str, Site | None]:
        return self._where(site), site

    def _where(self, site: Site | None) -> str:
        """Gives a line from the project's folder on, so that it is the same on every machine."""
        if site is None:
            return ""
        relative = os.path.relpath(site.file, self.root).replace(os.sep, "/")
        return f"{Path(site.file).name if relative.startswith('..') else relative}:{site.line}"


def _entry(source: Source) -> tuple[Path, str]:
    """Gives the project's folder, and what a process that starts there is told to load: `etl:sales`.

    Raises:
        UnsupportedError: the pipeline is not at the top of a file, so that no other process finds it.
    """
    file = Path(source.file)
    if not file.is_file() or "<" in source.qualified or "." in source.qualified:
        raise UnsupportedError(
            f"pipeline `{source.name}` cannot be deployed: it is not at the top of a file that can be imported",
            site=source.site,
            fix="put it, with its tasks, at the top of a .py file",
        )
    root, parts = file.parent, [file.stem] if file.stem != "__init__" else []
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    return root, f"{'.'.join(parts)}:{source.qualified}"
