"""Microsoft Azure: buckets are containers of a storage account."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import quote

from glacier.config import AzureBlobConfig, AzureFunctionConfig
from glacier.errors import Site
from glacier.providers.azure_functions import FunctionApps
from glacier.providers.functions import CloudFunctions
from glacier.providers.limits import client_options, retry_options, scan_options
from glacier.providers.objectstore import ObjectStore
from glacier.providers.service import ReadBack, Sums
from glacier.providers.settings import Settings, address_in, misnamed, physical
from glacier.resources.bucket import Bucket, check_config, declare
from glacier.resources.serverless import NO_ENV, Code, Serverless, declare_function
from glacier.schemas import SchemaLike

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

    from glacier.resources.formats import Format

_NAME = r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]|\$root|\$web|\$logs"
_RULES = "3 to 63 lower-case letters, digits and single hyphens, with a letter or digit at both ends"
_IN_ENVIRONMENT = (
    "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY",
    "AZURE_CLIENT_ID", "AZURE_STORAGE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_STORAGE_TOKEN",
    "AZURE_MSI_ENDPOINT", "AZURE_IDENTITY_ENDPOINT", "IDENTITY_ENDPOINT",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AzureProvider:
    """Keeps buckets as containers of a storage account. Making one, and declaring buckets, connects to nothing.

    Credentials are looked for in the environment (an account key, a shared access signature, a service principal, a
    federated token), in the sign-in of the `az` command, and as a managed identity of the machine, in this order.
    Glacier keeps, prints and passes on none of them.

    Attributes:
        subscription_id: that the account is made in; reading and writing needs none.
        resource_group: one of yours that all is made in, the account too; a deployed pipeline makes one of its own if
            left out. Reading and writing needs none.
        storage_account: `AZURE_STORAGE_ACCOUNT_NAME` of the environment if left out.
        existing_account: says that the account is there already and Glacier must not make it: another pipeline does, or
            nobody's.
        location: of the account.
        name_prefix: before the names of buckets: the bucket `raw` is the container `acme-raw`.
        tags: of all that Glacier creates.
        environment: after the names of buckets: `raw-prod`; `GLACIER_ENVIRONMENT` of the environment if left out.
        endpoint_url: of a private endpoint, or an emulator; `AZURE_STORAGE_ENDPOINT` of the environment if left out,
            looked up where a store is reached.
        functions_url: of function apps, if not below azurewebsites.net; `{name}` in it stands for the name. One with
            http is an emulator, which is sent no credentials.
        timeout: for how many seconds a silent server is waited for, at each request.

    >>> azure = AzureProvider(storage_account="acmedata", location="westeurope")
    >>> azure.bucket("raw", path="a.parquet").uri
    'abfss://raw@acmedata.dfs.core.windows.net/a.parquet'
    """

    bucket_config: ClassVar[type[AzureBlobConfig]] = AzureBlobConfig
    function_config: ClassVar[type[AzureFunctionConfig]] = AzureFunctionConfig

    subscription_id: str | None = None
    resource_group: str | None = None
    storage_account: str | None = None
    existing_account: bool = False
    location: str = "eastus"
    name_prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    environment: str | None = None
    endpoint_url: str | None = None
    functions_url: str | None = None
    timeout: float = 60

    def __post_init__(self) -> None:
        settings = Settings(self, Site.of_caller(sys._getframe(2)))
        if self.storage_account is None:
            object.__setattr__(self, "storage_account", os.environ.get("AZURE_STORAGE_ACCOUNT_NAME") or None)
        if self.storage_account is None:
            raise settings.refusal(
                "has no storage account, and AZURE_STORAGE_ACCOUNT_NAME is not set",
                'write AzureProvider(storage_account="acmedata", ...)',
            )
        settings.form(
            "storage_account", r"[a-z0-9]{3,24}", "3 to 24 lower-case letters and digits",
            fix='write storage_account="acmedata"',
        )  # fmt: skip
        settings.form("location", r"[a-z]+[a-z0-9]*", "a location's short name", fix='write location="westeurope"')
        settings.form(
            "subscription_id", r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[\w-]+", "a subscription's id",
            fix="write the id that `az account show` prints",
        )  # fmt: skip
        settings.form(
            "resource_group", r"[\w().-]{0,89}[\w()-]", "1 to 90 letters, digits, `-_().`, and no dot at the end",
            fix='write resource_group="data"',
        )  # fmt: skip
        if not isinstance(cast("object", self.existing_account), bool):
            raise settings.refusal("takes existing_account=True or False", "leave existing_account= out")
        settings.environment()
        settings.common()
        object.__setattr__(self, "tags", dict(self.tags))

    def bucket(
        self,
        name: str,
        *,
        path: str,
        format: Format | None = None,  # noqa: A002
        config: AzureBlobConfig | None = None,
        existing: bool = False,
        schema: SchemaLike | None = None,
    ) -> Bucket:
        """Declares a bucket; nothing is made or read.

        Args:
            name: of the container; it has the provider's prefix and environment too, and must keep Azure's rules.
            path: in it: a blob, a directory (ends in "/" or has no extension), or a glob.
            format: of the data; told by the path's extension if left out, Parquet for a directory.
            config: how Azure is to keep it.
            existing: says that Glacier must not create the container, and that the name is taken as it is.
            schema: the columns and dtypes that the data has, as `LocalProvider.bucket` takes it.

        Raises:
            ConfigError: if Azure has no such names, the path leaves the bucket or tells no known format, or the config
                is another cloud's.
        """
        site = Site.of_caller(sys._getframe(1))
        check_config(name, config, (self.bucket_config,), self, site)
        store = ObjectStore(AzureBlob(self), config, existing)
        return declare(store, name, path, format=format, site=site, schema=schema)

    def serverless(
        self,
        name: str,
        *,
        handler: str,
        runtime: str | None = None,
        config: AzureFunctionConfig | None = None,
        source: str | os.PathLike[str] | None = None,
        requirements: Sequence[str] = (),
        env: Mapping[str, str] = NO_ENV,
        reads: Sequence[Bucket] = (),
        writes: Sequence[Bucket] = (),
    ) -> Serverless:
        """Declares a function that Azure Functions runs; nothing is made or asked.

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
        service = FunctionApps(type(self).__name__, self.name_prefix, suffix, self.functions_url, self.timeout)
        return declare_function(CloudFunctions(service, config, self), name, code, site)


@dataclass(frozen=True)
class AzureBlob:
    """Blob Storage as an `AzureProvider` reaches it.

    >>> AzureBlob(AzureProvider(storage_account="acmedata")).refusal("no--name", "no--name")[1]
    'choose another name, or another name_prefix='
    """

    azure: AzureProvider
    copies_later: ClassVar[bool] = True
    lists_in_order: ClassVar[bool] = False
    variables: ClassVar[tuple[str, ...]] = ("AZURE_", "IDENTITY_", "MSI_")
    title: ClassVar[str] = "Azure Blob"
    credentials: ClassVar[str] = (
        "in AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, AZURE_CLIENT_ID, `az login`, a managed identity"
    )

    @property
    def provider(self) -> str:
        """The provider's name."""
        return type(self.azure).__name__

    @property
    def declarer(self) -> object:
        """The provider itself."""
        return self.azure

    @property
    def timeout(self) -> float:
        """The provider's time limit."""
        return self.azure.timeout

    def physical(self, name: str) -> str:
        """Gives the name with prefix and environment."""
        return physical(self.azure.name_prefix, name, self.azure.environment)

    def refusal(self, name: str, declared: str) -> tuple[str, str] | None:
        """Refuses names against Azure's rules for containers."""
        return misnamed(name, declared, _NAME, _RULES, "Azure Blob")

    def uri(self, container: str, key: str) -> str:
        """Gives `abfss://container@account.dfs.core.windows.net/blob`, which names the account too."""
        return f"abfss://{container}@{self.azure.storage_account}.dfs.core.windows.net/{key}"

    def reach(self) -> Mapping[str, Any]:
        """Gives account, endpoint and time limits."""
        options = {
            "azure_storage_account_name": self.azure.storage_account,
            **scan_options(self.timeout, plain=self._is_plain),
        }
        if self._endpoint:
            options["azure_endpoint"] = self._endpoint
        if _signed_in():
            options["azure_use_azure_cli"] = "true"
        return {"storage_options": options, "credential_provider": None}

    def client(self, container: str, config: AzureBlobConfig | None, *, retries: int) -> Client:
        """Makes a client; the account's own settings hold for what it writes."""
        from obstore.store import AzureStore

        del config
        options: dict[str, Any] = {"account_name": self.azure.storage_account}
        if self._endpoint:
            options["endpoint"] = self._endpoint
        if _signed_in():
            options["use_azure_cli"] = True
        return AzureStore(
            container,
            config=options,  # type: ignore[arg-type]  # a TypedDict made key by key
            client_options=client_options(self.timeout, plain=self._is_plain),
            retry_config=retry_options(self.timeout, retries),
        )

    def probe(self, client: Client, container: str, key: str) -> str:
        """Gives an address without a signature, since most credentials would have to ask for one."""
        del client
        service = self._endpoint or f"https://{self.azure.storage_account}.blob.core.windows.net"
        return f"{service}/{container}/{quote(key)}"

    @property
    def sums(self) -> Sums:
        """Reads back: of a blob that was sent in blocks, Azure keeps no checksum."""
        return ReadBack()

    def attributes(self, config: AzureBlobConfig | None) -> dict[str, str]:
        """Gives nothing: the account's default tier is that of its blobs."""
        del config
        return {}

    @property
    def _endpoint(self) -> str | None:
        """Gives the provider's, or what Polars too takes from the environment."""
        return self.azure.endpoint_url or address_in("AZURE_STORAGE_ENDPOINT")

    @property
    def _is_plain(self) -> bool:
        return (self._endpoint or "").startswith("http://")


def _signed_in() -> bool:
    """Tells whether the `az` command has to give the token: the environment has none, and somebody has signed in."""
    if any(os.environ.get(name) for name in _IN_ENVIRONMENT):
        return False
    return Path(os.environ.get("AZURE_CONFIG_DIR", Path.home() / ".azure"), "azureProfile.json").exists()
