"""Where the examples keep their data: on this machine, or in the cloud that `GLACIER_ENV` names.

`GLACIER_ENV=aws python examples/simple_etl.py` is all it takes: no pipeline knows where it runs.
"""

import os
from pathlib import Path
from typing import Any

import polars as pl

from glacier.config import AzureFunctionConfig, CloudFunctionConfig, LambdaConfig
from glacier.providers import AWSProvider, AzureProvider, GCPProvider, LocalProvider

Provider = AWSProvider | AzureProvider | GCPProvider | LocalProvider
PREFIX = "acme-"  # of all buckets in a cloud; put your own, since no two in the world have the same name


def get_provider() -> Provider:
    """Region, project and account are what the cloud's own tools take from the environment."""
    functions = os.getenv("FUNCTIONS_URL")  # where functions are, if not at the cloud's own address
    match os.getenv("GLACIER_ENV", "local"):
        case "aws":
            region = os.getenv("AWS_REGION", "us-east-1")
            return AWSProvider(region=region, name_prefix=PREFIX, functions_url=functions)
        case "gcp":
            return GCPProvider(name_prefix=PREFIX, functions_url=functions)
        case "azure":
            return AzureProvider(name_prefix=PREFIX, functions_url=functions)
        case "local":
            return LocalProvider(base_path=Path(__file__).parent / "data")
        case other:
            raise ValueError(f"GLACIER_ENV={other} is none of aws, gcp, azure, local")


def function_options() -> dict[str, Any]:
    """How large a function is, which each cloud says in its own words, and what is installed there.

    Here it is held to what Lambda would give, and has the packages of this Python: nothing is to be installed.
    """
    requirements = [f"polars=={pl.__version__}"]
    match provider:
        case AWSProvider():
            return {"config": LambdaConfig(memory=3008, timeout=900), "requirements": requirements}
        case GCPProvider():
            return {"config": CloudFunctionConfig(memory=4096, timeout=900), "requirements": requirements}
        case AzureProvider():
            return {"config": AzureFunctionConfig(memory=4096, timeout=900), "requirements": requirements}
        case LocalProvider():
            return {"config": LambdaConfig(memory=3008, timeout=900)}


provider = get_provider()
