"""Where a pipeline lies in Azure: the subscription, the resource group, the location, and what things are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2s

from glacier.blueprint import Declaration, Ref, Value, Variable, refs_in
from glacier.deployment.needs import DeclaredBucket, DeclaredFunction, Deployment, identifier, shortened, slug
from glacier.errors import ConfigError, UnsupportedError
from glacier.providers.azure import AzureProvider

TENANT = Ref("azurerm_client_config", "this", ("tenant_id",), looked_up=True)
"""The id of the tenant that whoever applies this has signed in to."""

_GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_DIGEST = 6
_GROUP = "azurerm_resource_group"
_GROUP_NAME = 90
_TAGS, _TAG_NAME, _TAG_VALUE = 50, 512, 256
"""How many tags a thing takes, and their characters. (Azure Resource Manager: tag limits)"""
_TAG_CHARACTERS = "<>%&\\?/"


@dataclass(frozen=True)
class Place:
    """Where a pipeline runs, and how things of it are called there.

    Attributes:
        subscription: its id; a variable if the code does not say which.
        location: of all but the accounts of other providers.
    """

    deployment: Deployment
    subscription: str | Variable
    location: str

    @property
    def strict(self) -> bool:
        """Whether what costs money is wanted too."""
        return self.deployment.options.hardening == "strict"

    @property
    def provider(self) -> AzureProvider:
        """What the stages run on."""
        provider: AzureProvider = self.deployment.provider
        return provider

    @property
    def group(self) -> Ref:
        """The name of the resource group."""
        return self.group_of(self.provider)

    def group_of(self, provider: AzureProvider, attribute: str = "name") -> Ref:
        """Gives the name of the group that a provider's account is in, or another attribute of the group."""
        named = provider.resource_group
        if named is None or named == self.provider.resource_group:
            return Ref(_GROUP, "this", (attribute,), looked_up=self.provider.resource_group is not None)
        return Ref(_GROUP, self.label(named), (attribute,), looked_up=True)

    def label(self, name: str) -> str:
        """Gives what a declaration is called for a name that all the world shares: the same in each environment."""
        environment = re.sub("[^a-z0-9]", "", self.deployment.environment or "")
        bare = name.removesuffix(environment).rstrip("-_.") if environment else name
        return identifier(bare or name)

    @cached_property
    def tags(self) -> dict[str, str]:
        """What each thing is tagged with."""
        return self.tags_of(self.provider)

    def tags_of(self, provider: AzureProvider) -> dict[str, str]:
        """Gives a provider's tags, and those that tell whose a thing is."""
        return {**provider.tags, **self.deployment.tags}

    def common(self) -> dict[str, Value]:
        """Gives the arguments that say where a thing is."""
        return {"resource_group_name": self.group, "location": self.location}

    def called(self, part: str = "", *, longest: int, what: str) -> str:
        """Gives a name that the user's own names make, which is never shortened.

        Raises:
            ConfigError: it is longer than Azure allows, or its prefix has characters that are not allowed.
        """
        name = self.deployment.called(part, longest=longest, what=what)
        if not re.fullmatch(r"[a-z]([a-z0-9]|-(?!-))*[a-z0-9]", name):
            raise ConfigError(
                f"pipeline `{self.deployment.pipeline}` needs {what} `{name}`, and Azure takes lower-case letters, "
                "digits and single hyphens, with a letter first",
                site=self.deployment.site,
                fix='write name_prefix="acme-" and environment="prod" with these characters only',
            )
        return name

    def short(self, part: str, *, longest: int, what: str) -> str:
        """Gives a name for which Azure leaves little room: its end is a digest of the whole where it is longer."""
        return shortened(self.called(part, longest=200, what=what), longest)

    def unique(self, part: str, longest: int) -> str:
        """Gives a name of lower-case letters and digits, a letter first, that nobody else in Azure has.

        It begins with the storage account's, which nobody else has either.
        """
        whole = f"{self.provider.storage_account}-{self.called(part, longest=200, what='a name')}"
        plain = re.sub("[^a-z0-9]", "", f"{self.provider.storage_account}{part}")
        digest = blake2s(whole.encode(), digest_size=_DIGEST // 2).hexdigest()
        named = plain if plain[0].isalpha() else f"a{plain}"
        return f"{named[: longest - _DIGEST]}{digest}"


def place_of(deployment: Deployment) -> Place:
    """Gives where a pipeline is deployed to.

    Raises:
        UnsupportedError: a bucket or a function is of another cloud or subscription.
        ConfigError: Azure takes no such tags.
    """
    provider: AzureProvider = deployment.provider
    _check_providers(deployment)
    place = Place(deployment, _subscription_of(deployment) or _subscription(), provider.location)
    _check_tags(deployment, place.tags)
    return place


def groups(place: Place) -> list[Declaration]:
    """Gives the resource group of the pipeline: made if the code names none; and those of others' accounts."""
    deployment = place.deployment
    named = place.provider.resource_group
    if named is None:
        name = place.called(longest=_GROUP_NAME, what="a resource group")
        arguments: dict[str, Value] = {"name": name, "location": place.location, "tags": place.tags}
        found = {"this": Declaration(_GROUP, "this", "services", arguments)}
    else:
        found = {"this": Declaration(_GROUP, "this", "services", {"name": named}, looked_up=True)}
    for bucket in (*deployment.buckets, deployment.records):
        ref = place.group_of(bucket.provider)
        if ref.name not in found:
            group: dict[str, Value] = {"name": bucket.provider.resource_group}
            found[ref.name] = Declaration(_GROUP, ref.name, "services", group, looked_up=True, because=bucket.because)
    return list(found.values())


def tenant(declarations: Iterable[Declaration]) -> list[Declaration]:
    """Gives who applies this, where a declaration asks for the tenant."""
    if not any(ref.address == TENANT.address for one in declarations for ref in refs_in(one.arguments)):
        return []
    return [Declaration(TENANT.kind, TENANT.name, "access", {}, looked_up=True)]


def _subscription() -> Variable:
    return Variable(
        "subscription_id", "string", "Id of the Azure subscription.", pattern=_GUID,
        complaint="A subscription's id is what `az account show --query id` prints.",
    )  # fmt: skip


def _things(deployment: Deployment) -> list[DeclaredBucket | DeclaredFunction]:
    return [*deployment.buckets, deployment.records, *deployment.functions]


def _subscription_of(deployment: Deployment) -> str | None:
    """Gives the subscription that the code names, if it does.

    Raises:
        UnsupportedError: it names two.
    """
    found: str | None = None
    for thing in _things(deployment):
        own: str | None = thing.provider.subscription_id
        if own is not None and found is not None and own != found:
            what = "function" if isinstance(thing, DeclaredFunction) else "bucket"
            raise UnsupportedError(
                f"pipeline `{deployment.pipeline}` is deployed to one Azure subscription, and {what} `{thing.name}` is "
                "in another",
                site=thing.site,
                fix=f"declare the {what} with the subscription_id of the pipeline's other resources",
            )
        found = found or own
    return found


def _check_providers(deployment: Deployment) -> None:
    for thing in _things(deployment):
        what = "function" if isinstance(thing, DeclaredFunction) else "bucket"
        if not isinstance(thing.provider, AzureProvider):
            raise UnsupportedError(
                f"pipeline `{deployment.pipeline}` runs in Azure, and {what} `{thing.name}` is on "
                f"{type(thing.provider).__name__}",
                site=thing.site,
                fix=f"declare the {what} with an AzureProvider(...)",
            )


def _check_tags(deployment: Deployment, tags: Mapping[str, str]) -> None:
    for name, value in tags.items():
        if set(name) & set(_TAG_CHARACTERS) or len(name) > _TAG_NAME or len(value) > _TAG_VALUE:
            raise ConfigError(
                f"Azure takes no tag `{slug(name)}` as it is: a name has up to {_TAG_NAME} characters without "
                f"{_TAG_CHARACTERS}, a value up to {_TAG_VALUE}",
                site=deployment.site,
                fix="rename the tag of the AzureProvider(...)",
            )
    if len(tags) > _TAGS:
        raise ConfigError(
            f"pipeline `{deployment.pipeline}` has {len(tags)} tags, and Azure takes {_TAGS}",
            site=deployment.site,
            fix="take some out of the AzureProvider(...)",
        )
