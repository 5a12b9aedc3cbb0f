"""Google Cloud: buckets are Cloud Storage's."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from glacier.config import CloudFunctionConfig, GCSConfig
from glacier.errors import Site
from glacier.providers.functions import CloudFunctions
from glacier.providers.gcp_checksums import KeptSums
from glacier.providers.gcp_credentials import GoogleCredentials, credentials_in_use
from glacier.providers.gcp_functions import RunFunctions
from glacier.providers.limits import client_options, retry_options, scan_options
from glacier.providers.objectstore import ObjectStore
from glacier.providers.service import Sums
from glacier.providers.settings import Settings, address_in, misnamed, physical
from glacier.resources.bucket import Bucket, check_config, declare
from glacier.resources.serverless import NO_ENV, Code, Serverless, declare_function
from glacier.schemas import SchemaLike

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

    from glacier.resources.formats import Format

_NAME = r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9]([a-z0-9_-]{1,61}|[a-z0-9._-]{1,220})[a-z0-9]"
_RESERVED = r"^goog|google|g00gle"
_RULES = "3 to 63 lower-case letters, digits, hyphens and underscores, with a letter or digit at both ends, no `google`"


@dataclass(frozen=True, kw_only=True)
class GCPProvider:
    """Keeps buckets in Cloud Storage. Making one, and declaring buckets, connects to nothing.

    Credentials are looked for in the environment (`GOOGLE_APPLICATION_CREDENTIALS`, `GOOGLE_SERVICE_ACCOUNT`), among
    gcloud's application default credentials, and in the metadata service of the machine, in this order. Glacier keeps,
    prints and passes on none of them.

    Attributes:
        project_id: that buckets are made in; `GOOGLE_CLOUD_PROJECT` of the environment if left out. Reading and writing
            needs none.
        region: of the buckets.
        name_prefix: before the names of buckets: the bucket `raw` is called `acme-raw` in Cloud Storage.
        tags: labels of all that Glacier creates.
        environment: after the names of buckets: `raw-prod`; `GLACIER_ENVIRONMENT` of the environment if left out.
        endpoint_url: of a private endpoint; one with http is an emulator, which is sent no credentials.
            `STORAGE_EMULATOR_HOST` of the environment if left out, looked up where a store is reached.
        functions_url: of functions, if not below the project's cloudfunctions.net; `{name}` in it stands for the name.
            One with http is an emulator, which is sent no credentials.
        timeout: for how many seconds a silent server is waited for, at each request.

    >>> GCPProvider(project_id="my-project", region="us-central1").bucket("raw-data", path="orders.parquet").uri
    'gs://raw-data/orders.parquet'
    """

    bucket_config: ClassVar[type[GCSConfig]] = GCSConfig
    function_config: ClassVar[type[CloudFunctionConfig]] = CloudFunctionConfig

    project_id: str | None = None
    region: str = "us-central1"
    name_prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    environment: str | None = None
    endpoint_url: str | None = None
    functions_url: str | None = None
    timeout: float = 60

    def __post_init__(self) -> None:
        settings = Settings(self, Site.of_caller(sys._getframe(2)))
        if self.project_id is None:
            object.__setattr__(self, "project_id", os.environ.get("GOOGLE_CLOUD_PROJECT") or None)
        settings.form(
            "project_id", r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]",
            "a project's id: 6 to 30 lower-case letters, digits and hyphens", fix='write project_id="my-project"',
        )  # fmt: skip
        settings.form(
            "region", r"[a-z]+-[a-z]+\d+|us|eu|asia|US|EU|ASIA", "a region, or us, eu or asia",
            fix='write region="us-central1" (no zone)',
        )  # fmt: skip
        settings.environment()
        settings.common()
        object.__setattr__(self, "tags", dict(self.tags))

    def bucket(
        self,
        name: str,
        *,
        path: str,
        format: Format | None = None,  # noqa: A002
        config: GCSConfig | None = None,
        existing: bool = False,
        schema: SchemaLike | None = None,
    ) -> Bucket:
        """Declares a bucket; nothing is made or read.

        Args:
            name: in Cloud Storage it has the provider's prefix and environment too, and must keep its rules.
            path: in it: an object, a directory (ends in "/" or has no extension), or a glob.
            format: of the data; told by the path's extension if left out, Parquet for a directory.
            config: how Cloud Storage is to keep it.
            existing: says that Glacier must not create the bucket, and that the name is taken as it is.
            schema: the columns and dtypes that the data has, as `LocalProvider.bucket` takes it.

        Raises:
            ConfigError: if Cloud Storage has no such names, the path leaves the bucket or tells no known format, or the
                config is another cloud's.
        """
        site = Site.of_caller(sys._getframe(1))
        check_config(name, config, (self.bucket_config,), self, site)
        store = ObjectStore(CloudStorage(self), config, existing)
        return declare(store, name, path, format=format, site=site, schema=schema)

    def serverless(
        self,
        name: str,
        *,
        handler: str,
        runtime: str | None = None,
        config: CloudFunctionConfig | None = None,
        source: str | os.PathLike[str] | None = None,
        requirements: Sequence[str] = (),
        env: Mapping[str, str] = NO_ENV,
        reads: Sequence[Bucket] = (),
        writes: Sequence[Bucket] = (),
    ) -> Serverless:
        """Declares a function that Cloud Run functions runs; nothing is made or asked.

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
        service = RunFunctions(
            type(self).__name__, self.project_id, self.region, self.name_prefix, suffix, self.functions_url,
            self.timeout,
        )  # fmt: skip
        return declare_function(CloudFunctions(service, config, self), name, code, site)


@dataclass(frozen=True)
class CloudStorage:
    """Cloud Storage as a `GCPProvider` reaches it.

    >>> CloudStorage(GCPProvider(name_prefix="acme-")).uri("acme-raw", "a.csv")
    'gs://acme-raw/a.csv'
    """

    gcp: GCPProvider
    copies_later: ClassVar[bool] = False
    lists_in_order: ClassVar[bool] = True
    variables: ClassVar[tuple[str, ...]] = ("GOOGLE_", "STORAGE_EMULATOR_HOST")
    title: ClassVar[str] = "Cloud Storage"
    credentials: ClassVar[str] = (
        "in GOOGLE_APPLICATION_CREDENTIALS, `gcloud auth application-default login`, the metadata service"
    )

    @property
    def provider(self) -> str:
        """The provider's name."""
        return type(self.gcp).__name__

    @property
    def declarer(self) -> object:
        """The provider itself."""
        return self.gcp

    @property
    def timeout(self) -> float:
        """The provider's time limit."""
        return self.gcp.timeout

    def physical(self, name: str) -> str:
        """Gives the name with prefix and environment."""
        return physical(self.gcp.name_prefix, name, self.gcp.environment)

    def refusal(self, name: str, declared: str) -> tuple[str, str] | None:
        """Refuses names against Cloud Storage's rules."""
        return misnamed(name, declared, _NAME, _RULES, "Cloud Storage", forbidden=_RESERVED)

    def uri(self, container: str, key: str) -> str:
        """Gives `gs://bucket/key`."""
        return f"gs://{container}/{key}"

    def reach(self) -> Mapping[str, Any]:
        """Gives endpoint and time limits."""
        options = scan_options(self.timeout, plain=self._is_plain)
        if self._is_plain:
            options["google_service_account_key"] = self._anonymous()
        elif self._endpoint:
            options["google_base_url"] = self._endpoint
        return {"storage_options": options, "credential_provider": self._keys()}

    def client(self, container: str, config: GCSConfig | None, *, retries: int) -> Client:
        """Makes a client; the bucket's own settings hold for what it writes."""
        from obstore.store import GCSStore

        del config
        options: dict[str, Any] = {}
        if self._is_plain:
            options["service_account_key"] = self._anonymous()
        elif self._endpoint:
            options["base_url"] = self._endpoint
        keys = self._keys()
        if keys is not None:
            keys.for_client()  # so that what is wrong with them is told in its own words
        return GCSStore(
            container,
            config=options,  # type: ignore[arg-type]  # a TypedDict made key by key
            client_options=client_options(self.timeout, plain=self._is_plain),
            retry_config=retry_options(self.timeout, retries),
            credential_provider=keys.for_client if keys else None,
        )

    def probe(self, client: Client, container: str, key: str) -> str:
        """Gives an address without a signature, since most credentials would have to ask for one."""
        del client
        return self._address(container, key)

    @property
    def sums(self) -> Sums:
        """Compares CRC-32C, which Cloud Storage keeps of each object."""
        return KeptSums(self._address, self.timeout, plain=self._is_plain)

    def attributes(self, config: GCSConfig | None) -> dict[str, str]:
        """Gives nothing: the bucket's default class is that of its objects."""
        del config
        return {}

    def _address(self, container: str, key: str) -> str:
        return f"{self._endpoint or 'https://storage.googleapis.com'}/{container}/{quote(key)}"

    @property
    def _endpoint(self) -> str | None:
        """Gives the provider's, or what Google's own libraries take from the environment, there also without http."""
        return self.gcp.endpoint_url or address_in("STORAGE_EMULATOR_HOST")

    @property
    def _is_plain(self) -> bool:
        return (self._endpoint or "").startswith("http://")

    def _keys(self) -> GoogleCredentials | None:
        return None if self._is_plain else credentials_in_use(self.timeout)

    def _anonymous(self) -> str:
        """Gives the account of nobody, with which an emulator is asked: it names the endpoint and holds no key."""
        nobody = {"client_email": "", "private_key": "", "private_key_id": ""}
        return json.dumps({"gcs_base_url": self._endpoint, "disable_oauth": True, **nobody})
