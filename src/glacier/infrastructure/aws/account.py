"""What all that a pipeline declares in AWS has in common: the account, the region, names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2s

from glacier.blueprint import Declaration, Ref, Text, Value, text
from glacier.deployment.needs import DeclaredBucket, DeclaredFunction, Deployment, shortened, slug
from glacier.errors import ConfigError, UnsupportedError
from glacier.providers.aws import AWSProvider

ID = Ref("aws_caller_identity", "this", ("account_id",), looked_up=True)
"""The account's number."""

_ROLE = 64
"""Characters of a role's name. (IAM and STS quotas)"""


@dataclass(frozen=True)
class Account:
    """Where a pipeline runs, and how things of it are called there.

    Attributes:
        region: of jobs and the schedule.
    """

    deployment: Deployment
    region: str

    @cached_property
    def words(self) -> Mapping[str, str]:
        """What statements call each bucket; with a digest where two would be called the same."""
        names = {one.name for one in (*self.deployment.buckets, self.deployment.records)}
        often = Counter(map(camel, names))
        return {name: camel(name) + (_digest(name) if often[camel(name)] > 1 else "") for name in names}

    @property
    def strict(self) -> bool:
        """Whether what costs money is wanted too."""
        return self.deployment.options.hardening == "strict"

    @property
    def partition(self) -> str:
        """What ARNs of the region begin with: AWS's own part, China's or that of the United States' government."""
        return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(self.region.rsplit("-", 2)[0], "aws")

    @property
    def suffix(self) -> str:
        """What names of hosts end in."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    def region_of(self, thing: DeclaredBucket | DeclaredFunction) -> str:
        """Gives the region of a bucket or a function: its provider's."""
        region: str = thing.provider.region
        return region

    def elsewhere(self, region: str) -> dict[str, Value]:
        """Gives the argument of what is not in the pipeline's own region; none for what is."""
        return {} if region == self.region else {"region": region}

    def arn(self, service: str, place: str, *parts: str | Ref, region: str | None = None) -> Text | str:
        """Gives the name that AWS has for a thing of this account: `arn:aws:ecs:eu-north-1:123456789012:task/...`."""
        return text(f"arn:{self.partition}:{service}:{region or self.region}:", ID, f":{place}", *parts)

    def called(self, part: str = "", *, longest: int, what: str) -> str:
        """Gives a name that the user's own names make, which is never shortened.

        Raises:
            ConfigError: it is longer than AWS allows, or its prefix has characters that are not allowed.
        """
        name = self.deployment.called(part, longest=longest, what=what)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ConfigError(
                f"pipeline `{self.deployment.pipeline}` needs {what} `{name}`, and AWS takes letters, digits, hyphens "
                "and underscores",
                site=self.deployment.site,
                fix='write name_prefix="acme-" and environment="prod" with these characters only',
            )
        return name

    def role(self, part: str, kind: str = "") -> str:
        """Gives a role's name: `sales-load-prod`, `sales--scheduler`; with a digest where it is too long.

        Args:
            part: a stage's or function's name, or empty.
            kind: what it is for if not a stage; after two hyphens, which no stage's name has.
        """
        deployment = self.deployment
        tail = [slug(part)] if part else []
        head = "-".join([f"{deployment.provider.name_prefix}{deployment.slug}", *([] if kind else tail)])
        name = f"{head}--{'-'.join([kind, *tail])}" if kind else head
        return shortened(name + (f"-{deployment.environment}" if deployment.environment else ""), _ROLE)


def account_of(deployment: Deployment) -> Account:
    """Gives the account that a pipeline is deployed to.

    Raises:
        UnsupportedError: a bucket or a function is of another cloud.
    """
    things: list[DeclaredBucket | DeclaredFunction] = [*deployment.buckets, deployment.records, *deployment.functions]
    for thing in things:
        if not isinstance(thing.provider, AWSProvider):
            what = "function" if isinstance(thing, DeclaredFunction) else "bucket"
            raise UnsupportedError(
                f"pipeline `{deployment.pipeline}` runs in AWS, and {what} `{thing.name}` is on "
                f"{type(thing.provider).__name__}",
                site=thing.site,
                fix=f"declare the {what} with an AWSProvider(...)",
            )
    return Account(deployment, deployment.provider.region)


def identity() -> Declaration:
    """Gives the look-up of the account's number, which ARNs and conditions hold."""
    return Declaration(ID.kind, ID.name, "services", {}, looked_up=True)


def camel(name: str) -> str:
    """Gives a name as identifiers of statements are.

    >>> camel("raw-data.2024")
    'RawData2024'
    """
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def _digest(name: str) -> str:
    return blake2s(name.encode(), digest_size=3).hexdigest()
