"""What a bucket or a function is to be in its cloud: frozen data, checked when written. Loads no SDK."""

from glacier.config.aws import LambdaConfig, S3Config, S3LifecycleRule
from glacier.config.azure import AzureBlobConfig, AzureFunctionConfig, AzureLifecycleRule
from glacier.config.deploy import Compute, DeployConfig
from glacier.config.gcp import CloudFunctionConfig, GCSConfig, GCSLifecycleRule

__all__ = [
    "AzureBlobConfig",
    "AzureFunctionConfig",
    "AzureLifecycleRule",
    "CloudFunctionConfig",
    "Compute",
    "DeployConfig",
    "GCSConfig",
    "GCSLifecycleRule",
    "LambdaConfig",
    "S3Config",
    "S3LifecycleRule",
]
