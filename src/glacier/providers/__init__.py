"""Where pipelines read, write and run: one provider per place. Importing this loads no Polars and no cloud SDK."""

from glacier.providers.aws import AWSProvider
from glacier.providers.azure import AzureProvider
from glacier.providers.gcp import GCPProvider
from glacier.providers.local import LocalProvider

__all__ = ["AWSProvider", "AzureProvider", "GCPProvider", "LocalProvider"]
