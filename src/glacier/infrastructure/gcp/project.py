"""What all that a pipeline declares in Google Cloud has in common: the project, the region, names, labels, services."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from glacier.blueprint import Declaration, Ref, Variable
from glacier.deployment.needs import DeclaredBucket, DeclaredFunction, Deployment, identifier, shortened, slug
from glacier.errors import ConfigError, UnsupportedError
from glacier.providers.gcp import GCPProvider

JOB_NAME = 49
"""Characters of a Cloud Run job's name that leave room for those of its executions; as many as a service's has."""

_ACCOUNT, _ROLE, _LABEL = 30, 64, 63
_PROJECT = r"^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$"
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")


@dataclass(frozen=True)
class Project:
    """Where a pipeline runs, and how things of it are called there.

    Attributes:
        id: the project's; a variable if the code does not say which.
        region: of jobs, functions and the schedule.
    """

    deployment: Deployment
    id: str | Variable
    region: str

    @cached_property
    def labels(self) -> dict[str, str]:
        """What each thing is labelled with."""
        return labels(self.deployment.tags)

    @property
    def strict(self) -> bool:
        """Whether what costs money is wanted too."""
        return self.deployment.options.hardening == "strict"

    def project_of(self, thing: DeclaredBucket | DeclaredFunction) -> str | Variable:
        """Gives the project of a bucket or a function: its provider's, if that names one."""
        own: str | None = thing.provider.project_id
        return own or self.id

    def called(self, part: str = "", *, longest: int = JOB_NAME, what: str) -> str:
        """Gives a name that the user's own names make, which is never shortened.

        Raises:
            ConfigError: it is longer than the cloud allows, or its prefix has characters that are not allowed.
        """
        name = self.deployment.called(part, longest=longest, what=what)
        if not re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name):
            raise ConfigError(
                f"pipeline `{self.deployment.pipeline}` needs {what} `{name}`, and Google Cloud takes lower-case "
                "letters, digits and hyphens, with a letter first",
                site=self.deployment.site,
                fix='write name_prefix="acme-" and environment="prod" with these characters only',
            )
        return name

    def account(self, part: str, kind: str = "") -> str:
        """Gives a service account's id: `sales-load-prod`, `sales--scheduler`; with a digest where it is too long.

        Args:
            part: a stage's or function's name, or empty.
            kind: what it is for if not a stage; after two hyphens, which no stage's name has.
        """
        tail = [slug(part)] if part else []
        head = "-".join([self._prefixed, *([] if kind else tail)])
        name = f"{head}--{'-'.join([kind, *tail])}" if kind else head
        return shortened(name + self._suffix, _ACCOUNT, least=6)

    def role(self, part: str) -> str:
        """Gives a custom role's id: `sales_prod_reader`."""
        return shortened(identifier(f"{self._prefixed}{self._suffix}-{part}"), _ROLE, joint="_")

    def unique(self, part: str) -> tuple[str | Variable, ...]:
        """Gives the parts of a bucket's name, the project's among them: all the world shares one space of names."""
        name = shortened(f"{self._prefixed}-{part}{self._suffix}", 63 - 31)
        project = self.id if isinstance(self.id, Variable) else re.sub(r"[^a-z0-9-]+", "-", self.id)
        return (project, f"-{name}")

    @property
    def _prefixed(self) -> str:
        return slug(f"{self.deployment.provider.name_prefix}{self.deployment.slug}")

    @property
    def _suffix(self) -> str:
        return f"-{slug(self.deployment.environment)}" if self.deployment.environment else ""


def project_of(deployment: Deployment) -> Project:
    """Gives the project that a pipeline is deployed to.

    Raises:
        UnsupportedError: its stages, a bucket or a function are of another cloud, or of no single region.
    """
    _check_providers(deployment)
    provider: GCPProvider = deployment.provider
    if not _REGION.fullmatch(provider.region):
        raise UnsupportedError(
            f'Google Cloud cannot run pipeline `{deployment.pipeline}` in region "{provider.region}": buckets may be '
            "in several regions, jobs are in one",
            site=deployment.site,
            fix='write GCPProvider(region="us-central1", ...)',
        )
    return Project(deployment, provider.project_id or _project(), provider.region)


def api(name: str) -> Ref:
    """Gives what a declaration is `after` if it needs a service to be on: `api("run")`."""
    return Ref("google_project_service", name, ())


def numbered(project: Project) -> Declaration:
    """Gives the project as it is looked up for its number, by which Google names accounts and buckets of its own."""
    return Declaration("google_project", "this", "access", {"project_id": project.id}, looked_up=True)


def apis(project: Project, declarations: list[Declaration]) -> list[Declaration]:
    """Gives the services that declarations are after, each to be turned on."""
    needed = {ref.name for one in declarations for ref in one.after if ref.kind == "google_project_service"}
    return [
        Declaration(
            "google_project_service",
            name,
            "services",
            {"service": f"{name}.googleapis.com", "disable_on_destroy": False},
        )
        for name in sorted(needed)
    ]


def labels(tags: Mapping[str, str]) -> dict[str, str]:
    """Gives tags as labels: in lower case, what no label may hold as hyphens.

    >>> labels({"Team": "Data & Ops"})
    {'team': 'data-ops'}

    Raises:
        ConfigError: two tags would be one label with two values.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, value in tags.items():
        key = _label(name)
        key = (key if key[:1].isalpha() else f"l-{key}")[:_LABEL]
        other = found.setdefault(key, (name, _label(value)))
        if other != (name, _label(value)) and other[1] != _label(value):
            raise ConfigError(
                f"tags `{other[0]}` and `{name}` are one label in Google Cloud: `{key}`", fix="rename one of the two"
            )
    return {key: value for key, (_, value) in found.items()}


def relabelled(tags: Mapping[str, str]) -> list[str]:
    """Gives each tag that is not itself as a label, as `Team=Ops`."""
    same = labels(tags)
    return [f"{name}={value}" for name, value in tags.items() if same.get(name) != value]


def _project() -> Variable:
    return Variable(
        "project", "string", "Id of the Google Cloud project.", pattern=_PROJECT,
        complaint="A project's id has 6 to 30 lower-case letters, digits and hyphens.",
    )  # fmt: skip


def _check_providers(deployment: Deployment) -> None:
    things: list[DeclaredBucket | DeclaredFunction] = [*deployment.buckets, deployment.records, *deployment.functions]
    for thing in things:
        if not isinstance(thing.provider, GCPProvider):
            what = "function" if isinstance(thing, DeclaredFunction) else "bucket"
            raise UnsupportedError(
                f"pipeline `{deployment.pipeline}` runs in Google Cloud, and {what} `{thing.name}` is on "
                f"{type(thing.provider).__name__}",
                site=thing.site,
                fix=f"declare the {what} with a GCPProvider(...)",
            )


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-")[:_LABEL]
