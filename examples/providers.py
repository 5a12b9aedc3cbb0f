"""Where the examples keep their data: on this machine, or in the cloud that `GLACIER_ENV` names.

`GLACIER_ENV=aws python examples/simple_etl.py` is all it takes: no pipeline knows where it runs.
"""

import os
from pathlib import Path

from glacier.providers import AWSProvider, AzureProvider, GCPProvider, LocalProvider

Provider = AWSProvider | AzureProvider | GCPProvider | LocalProvider
PREFIX = "acme-"  # of all buckets in a cloud; put your own, since no two in the world have the same name


def get_provider() -> Provider:
    """Region, project and account are what the cloud's own tools take from the environment."""
    match os.getenv("GLACIER_ENV", "local"):
        case "aws":
            return AWSProvider(region=os.getenv("AWS_REGION", "us-east-1"), name_prefix=PREFIX)
        case "gcp":
            return GCPProvider(name_prefix=PREFIX)
        case "azure":
            return AzureProvider(name_prefix=PREFIX)
        case "local":
            return LocalProvider(base_path=Path(__file__).parent / "data")
        case other:
            raise ValueError(f"GLACIER_ENV={other} is none of aws, gcp, azure, local")


provider = get_provider()
