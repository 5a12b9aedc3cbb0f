"""Amazon Web Services: buckets are S3's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

from glacier.config import LambdaConfig, S3Config
from glacier.errors import Site
from glacier.providers.aws_credentials import ProfileCredentials, profile_in_use
from glacier.providers.aws_functions import Lambda
from glacier.providers.functions import CloudFunctions
from glacier.providers.limits import client_options, retry_options, scan_options
from glacier.providers.objectstore import ObjectStore
from glacier.providers.settings import Settings, address_in, misnamed, physical
from glacier.resources.bucket import Bucket, check_config, declare
from glacier.resources.serverless import NO_ENV, Code, Serverless, declare_function
from glacier.schemas import SchemaLike

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client
    from obstore.store import S3Store

    from glacier.resources.formats import Format

_NAME = r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_RESERVED = r"^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$"
_RULES = "3 to 63 lower-case letters, digits, hyphens and dots, with a letter or digit at both ends"


@dataclass(frozen=True, kw_only=True)
class AWSProvider:
    """Keeps buckets in S3. Making one, and declaring buckets, connects to nothing.

    Credentials are looked for in the environment (`AWS_ACCESS_KEY_ID`, a web identity, a container's role), in the
    profile of the shared files, and in the metadata service of the machine, in this order; a `profile` given here comes
    first. Glacier keeps, prints and passes on none of them.

    Attributes:
        region: of the buckets; `AWS_REGION` or `AWS_DEFAULT_REGION` of the environment if left out.
        name_prefix: before the names of buckets: the bucket `raw` is called `acme-raw` in S3.
        tags: of all that Glacier creates.
        environment: after the names of buckets: `raw-prod`; `GLACIER_ENVIRONMENT` of the environment if left out.
        endpoint_url: of a store that speaks S3's protocol, or an emulator; `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`
            of the environment if left out, looked up where a store is reached.
        functions_url: of Lambda, if not AWS's own: of an emulator, or a private endpoint; `AWS_ENDPOINT_URL_LAMBDA` or
            `AWS_ENDPOINT_URL` of the environment if left out.
        profile: of `~/.aws/config` and `~/.aws/credentials`.
        timeout: for how many seconds a silent server is waited for, at each request.

    >>> AWSProvider(region="eu-central-1", name_prefix="acme-").bucket("raw", path="2024/may.parquet").uri
    's3://acme-raw/2024/may.parquet'
    """

    bucket_config: ClassVar[type[S3Config]] = S3Config
    function_config: ClassVar[type[LambdaConfig]] = LambdaConfig

    region: str | None = None
    name_prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    environment: str | None = None
    endpoint_url: str | None = None
    functions_url: str | None = None
    profile: str | None = None
    timeout: float = 60

    def __post_init__(self) -> None:
        settings = Settings(self, Site.of_caller(sys._getframe(2)))
        if self.region is None:
            region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
            object.__setattr__(self, "region", region)
        if self.region is None:
            raise settings.refusal(
                "has no region, and AWS_REGION is not set", 'write AWSProvider(region="us-east-1"), or set AWS_REGION'
            )
        form = (
            r"[a-z0-9-]+" if S3(self).endpoint else r"[a-z]{2,}(-[a-z]+)+-\d+"
        )  # other stores have regions of their own
        settings.form("region", form, "a region's name", fix='write region="us-east-1" (no zone, no spaces)')
        settings.environment()
        settings.common()
        settings.form("profile", r"\S.*", "a profile's name", fix='write profile="default", or leave it out')
        object.__setattr__(self, "tags", dict(self.tags))

    def bucket(
        self,
        name: str,
        *,
        path: str,
        format: Format | None = None,  # noqa: A002
        config: S3Config | None = None,
        existing: bool = False,
        schema: SchemaLike | None = None,
    ) -> Bucket:
        """Declares a bucket; nothing is made or read.

        Args:
            name: in S3 it has the provider's prefix and environment too, and must keep S3's rules.
            path: in it: an object, a directory (ends in "/" or has no extension), or a glob.
            format: of the data; told by the path's extension if left out, Parquet for a directory.
            config: how S3 is to keep it.
            existing: says that Glacier must not create the bucket, and that the name is taken as it is.
            schema: the columns and dtypes that the data has, as `LocalProvider.bucket` takes it.

        Raises:
            ConfigError: if S3 has no such names, the path leaves the bucket or tells no known format, or the config is
                another cloud's.
        """
        site = Site.of_caller(sys._getframe(1))
        check_config(name, config, (self.bucket_config,), self, site)
        store = ObjectStore(S3(self), config, existing)
        return declare(store, name, path, format=format, site=site, schema=schema)

    def serverless(
        self,
        name: str,
        *,
        handler: str,
        runtime: str | None = None,
        config: LambdaConfig | None = None,
        source: str | os.PathLike[str] | None = None,
        requirements: Sequence[str] = (),
        env: Mapping[str, str] = NO_ENV,
        reads: Sequence[Bucket] = (),
        writes: Sequence[Bucket] = (),
    ) -> Serverless:
        """Declares a function that Lambda runs; nothing is made or asked.

        Args:
            name: in the cloud it has the provider's prefix and environment too, and must keep its rules.
            handler: its module and function.
            runtime: what it runs on, `python3.12` say.
            config: how the cloud is to run it.
            source: the folder that holds the module; by default that of the file in which this call stands.
            requirements: packages that are to be installed with it.
            env: its environment variables.
            reads: buckets that its code reads, at their paths; nothing else is permitted to it when it is deployed.
            writes: buckets that its code writes.

        Raises:
            ConfigError: if the name, the handler or another value is none, or the config is another cloud's.
        """
        site = Site.of_caller(sys._getframe(1))
        check_config(name, config, (self.function_config,), self, site, "function")
        code = Code(
            handler=handler,
            runtime=runtime,
            source=source,
            requirements=requirements,
            env=env,
            reads=reads,
            writes=writes,
        )
        suffix = f"-{self.environment}" if self.environment else ""
        service = Lambda(
            type(self).__name__, self.region or "", self.name_prefix, suffix, self.functions_url, self.profile,
            self.timeout,
        )  # fmt: skip
        return declare_function(CloudFunctions(service, config, self), name, code, site)


@dataclass(frozen=True)
class S3:
    """S3 as an `AWSProvider` reaches it.

    >>> S3(AWSProvider(region="us-east-1", environment="dev")).physical("raw")
    'raw-dev'
    """

    aws: AWSProvider
    copies_later: ClassVar[bool] = False
    lists_in_order: ClassVar[bool] = True
    variables: ClassVar[tuple[str, ...]] = ("AWS_",)
    title: ClassVar[str] = "S3"
    credentials: ClassVar[str] = "in AWS_ACCESS_KEY_ID, a web identity or container role, ~/.aws, the metadata service"

    @property
    def provider(self) -> str:
        """The provider's name."""
        return type(self.aws).__name__

    @property
    def declarer(self) -> object:
        """The provider itself."""
        return self.aws

    @property
    def timeout(self) -> float:
        """The provider's time limit."""
        return self.aws.timeout

    def physical(self, name: str) -> str:
        """Gives the name with prefix and environment."""
        return physical(self.aws.name_prefix, name, self.aws.environment)

    def refusal(self, name: str, declared: str) -> tuple[str, str] | None:
        """Refuses names against S3's rules for general purpose buckets."""
        return misnamed(name, declared, _NAME, _RULES, "S3", forbidden=_RESERVED)

    def uri(self, container: str, key: str) -> str:
        """Gives `s3://bucket/key`."""
        return f"s3://{container}/{key}"

    def reach(self) -> Mapping[str, Any]:
        """Gives region, endpoint, time limits, and where a profile is used what reads its keys when they are needed."""
        options = {"aws_region": self.aws.region, **scan_options(self.timeout, plain=self._is_plain)}
        if self.endpoint:
            options["aws_endpoint_url"] = self.endpoint
        return {"storage_options": options, "credential_provider": self._keys()}

    def client(self, container: str, config: S3Config | None, *, retries: int) -> Client:
        """Makes a client that checks what it sends with SHA-256, and encrypts as the config says."""
        from obstore.store import S3Store

        options: dict[str, Any] = {"region": self.aws.region, "checksum_algorithm": "SHA256"}
        if self.endpoint:
            options["endpoint"] = self.endpoint
        if config is not None and config.encryption is not None:
            options["server_side_encryption"] = config.encryption
            options |= {"sse_kms_key_id": config.kms_key} if config.kms_key else {}
        keys = self._keys()
        if keys is not None:
            keys.for_client()  # so that what is wrong with them is told in its own words
        return S3Store(
            container,
            config=options,  # type: ignore[arg-type]  # a TypedDict made key by key
            client_options=client_options(self.timeout, plain=self._is_plain),
            retry_config=retry_options(self.timeout, retries),
            credential_provider=keys.for_client if keys else None,
        )

    def probe(self, client: Client, container: str, key: str) -> str:
        """Gives an address that is signed, which takes no request; it holds for a minute."""
        import obstore

        del container  # the client knows it
        return obstore.sign(cast("S3Store", client), "HEAD", key or "-", timedelta(minutes=1))

    @property
    def sums(self) -> None:
        """Gives none: S3 compares checksums when it takes an object."""

    def attributes(self, config: S3Config | None) -> dict[str, str]:
        """Gives the storage class where it is not S3's default."""
        if config is None or config.storage_class == "STANDARD":
            return {}
        return {"Storage-Class": config.storage_class}

    @property
    def endpoint(self) -> str | None:
        """Gives the provider's, or what AWS's own tools take from the environment."""
        return self.aws.endpoint_url or address_in("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")

    @property
    def _is_plain(self) -> bool:
        return (self.endpoint or "").startswith("http://")

    def _keys(self) -> ProfileCredentials | None:
        profile = profile_in_use(self.aws.profile)
        return ProfileCredentials(profile) if profile else None
