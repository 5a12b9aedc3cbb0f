"""What each cloud must hold for a pipeline: its needs made a blueprint. A package per cloud; none imports another."""

from __future__ import annotations

from typing import assert_never

from glacier.blueprint import Blueprint
from glacier.deployment.needs import Deployment
from glacier.providers.aws import AWSProvider
from glacier.providers.azure import AzureProvider
from glacier.providers.gcp import GCPProvider
from glacier.providers.local import LocalProvider
from glacier.providers.portable import Provider


def blueprint_of(deployment: Deployment) -> Blueprint:
    """Gives what the deployment's cloud must hold.

    Raises:
        ConfigError: something has a name that the cloud does not take.
        UnsupportedError: the cloud cannot express what the pipeline asks for.
    """
    provider: Provider = deployment.provider
    match provider:
        case LocalProvider():
            from glacier.infrastructure import local

            return local.blueprint(deployment)
        case GCPProvider():
            from glacier.infrastructure import gcp

            return gcp.blueprint(deployment)
        case AWSProvider():
            from glacier.infrastructure import aws

            return aws.blueprint(deployment)
        case AzureProvider():
            from glacier.infrastructure import azure

            return azure.blueprint(deployment)
        case _:
            assert_never(provider)
