"""Serverless functions: an app on Flex Consumption for each, under an identity of its own, that lets in who invokes it.

An app is deployed by a template: azurerm's own resource for these apps also sets `AzureWebJobsStorage`, to nothing, and
an app so told does not start on a managed identity (hashicorp/terraform-provider-azurerm#29693). Nor does it put the
archive where these apps look for it (#29630), so that is a step after the apply, as is the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from glacier.blueprint import Block, Declaration, Json, Permission, Ref, Value, Waiver, text
from glacier.config.azure import AzureFunctionConfig
from glacier.deployment.grants import on_functions
from glacier.deployment.needs import DeclaredFunction, Stage, identifier
from glacier.deployment.packaging import python_of
from glacier.errors import UnsupportedError, listed
from glacier.infrastructure.azure.access import Access, Identity, assigned, identity_declaration
from glacier.infrastructure.azure.accounts import KIND as ACCOUNT
from glacier.infrastructure.azure.accounts import NO_QUEUES, arguments, open_waivers
from glacier.infrastructure.azure.buckets import KIND as CONTAINER
from glacier.infrastructure.azure.buckets import LOGS
from glacier.infrastructure.azure.keys import Encrypted
from glacier.infrastructure.azure.logs import WORKSPACE
from glacier.infrastructure.azure.network import Network
from glacier.infrastructure.azure.place import TENANT, Place
from glacier.infrastructure.azure.templates import deployed

AUDIENCES = "AZURE_FUNCTIONS_AUDIENCES"
"""The variable that tells a stage for whom it asks for tokens, by the functions' names."""

_INSIGHTS = "azurerm_application_insights"
_APPLICATION = "azuread_application"
_OWNER, _PUBLISHER = "Storage Blob Data Owner", "Monitoring Metrics Publisher"
_PYTHONS = ("3.10", "3.11", "3.12", "3.13")
"""That Flex Consumption has. (Azure Functions: supported languages)"""
_OWN_SETTINGS = (
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "APPLICATIONINSIGHTS_CONNECTION_STRING", "AZURE_CLIENT_ID",
)  # fmt: skip
_PLAN_WAIVERS = (
    Waiver("CKV_AZURE_212", "Flex Consumption starts instances as requests come, and none where none do"),
    Waiver("CKV_AZURE_225", "not every region has zones for Flex Consumption, and invocations are tried again"),
)
_MEMORY = 2048
_PACKAGES = "packages"
_ACCOUNT_NAME, _PLAN_NAME = 24, 60
_KEPT_DAYS = 7
_API = "2024-04-01"


def function_declarations(
    place: Place, function: DeclaredFunction, network: Network, encrypted: Encrypted
) -> list[Declaration]:
    """Gives a function's app, and what it needs besides: its plan, its own storage account, its name in Entra ID.

    Raises:
        UnsupportedError: the function is elsewhere than the pipeline, or asks for what these apps do not have.
    """
    _check(place, function)
    name = identifier(function.name)
    identity = Identity("function", function.name)
    plan = Declaration(
        "azurerm_service_plan",
        name,
        "functions",
        {
            "name": place.short(f"fn-{function.name}", longest=_PLAN_NAME, what="a plan of functions"),
            **place.common(),
            "os_type": "Linux",
            "sku_name": "FC1",
            "tags": place.tags,
        },
        because=function.because,
        waivers=_PLAN_WAIVERS,
    )
    account = _account(place, function, network, encrypted)
    packages = Declaration(
        CONTAINER,
        f"{account.name}_{_PACKAGES}",
        "functions",
        {"name": _PACKAGES, "storage_account_id": account.ref("id"), "container_access_type": "private"},
        waivers=(LOGS,),
    )
    application = Declaration(
        _APPLICATION,
        name,
        "functions",
        {
            "display_name": place.called(f"fn-{function.name}", longest=120, what="an application"),
            "sign_in_audience": "AzureADMyOrg",
            "api": Block({"requested_access_token_version": 2}),
        },
        ignored=("identifier_uris",),
        because=function.because,
    )
    uri: dict[str, Value] = {"application_id": application.ref("id"), "identifier_uri": _audience(function)}
    principal: dict[str, Value] = {"client_id": application.ref("client_id")}
    owns = assigned(identity, "keeps_its_state", account.ref("id"), _OWNER, function.because)
    return [
        plan,
        account,
        packages,
        application,
        Declaration("azuread_application_identifier_uri", name, "functions", {**uri}),
        Declaration("azuread_service_principal", name, "functions", principal),
        _app(place, function, network, [plan, account, packages, application, owns]),
    ]


def shared_declarations(place: Place) -> list[Declaration]:
    """Gives what all functions have in common: where their telemetry goes; nothing without functions."""
    if not place.deployment.functions:
        return []
    insights = Declaration(
        _INSIGHTS,
        "this",
        "functions",
        {
            "name": place.called(longest=260, what="an Application Insights resource"),
            **place.common(),
            "application_type": "web",
            "workspace_id": WORKSPACE,
            "local_authentication_enabled": False,
            "tags": place.tags,
        },
    )
    return [insights]


def function_access(place: Place, function: DeclaredFunction) -> Access:
    """Gives the identity of a function, and what it needs to run at all: its own account, a place for telemetry."""
    identity = Identity("function", function.name)
    account = Ref(ACCOUNT, _account_name(function), ("id",))
    because = function.because
    insights = Ref(_INSIGHTS, "this", ("id",))
    return Access(
        (
            identity_declaration(place, identity, because),
            assigned(identity, "keeps_its_state", account, _OWNER, because),
            assigned(identity, "sends_telemetry", insights, _PUBLISHER, because),
        ),
        (
            Permission(identity.title, (_OWNER,), "the function's own storage account", because),
            Permission(identity.title, (_PUBLISHER,), "the pipeline's Application Insights", because),
        ),
    )


def invocations(stage: Stage) -> Access:
    """Gives what a stage may invoke, as people are told it: an app lets in the identities that it names."""
    holder = Identity("stage", stage.name).title
    return Access(
        (),
        tuple(
            Permission(holder, ("invoke",), f"function {function.physical}", because)
            for function, because in on_functions(stage.grants)
        ),
    )


def stage_variables(stage: Stage) -> dict[str, Value]:
    """Gives what the process of a stage is told of the functions that it invokes."""
    invoked = [function for function, _ in on_functions(stage.grants)]
    return {AUDIENCES: Json({function.name: _audience(function) for function in invoked})} if invoked else {}


def account_ref(function: DeclaredFunction) -> Ref:
    """Gives the id of a function's own storage account."""
    return Ref(ACCOUNT, _account_name(function), ("id",))


def _account(place: Place, function: DeclaredFunction, network: Network, encrypted: Encrypted) -> Declaration:
    """Gives the account that holds a function's archive, and what the app itself keeps; no data of the pipeline."""
    waivers = [NO_QUEUES, Waiver("CKV_AZURE_206", "it holds what can be deployed again")]
    if not place.strict:
        waivers += [*open_waivers(), Waiver("CKV2_AZURE_1", 'a key of your own comes with hardening="strict"')]
    return Declaration(
        ACCOUNT,
        _account_name(function),
        "functions",
        {
            "name": place.unique(f"fn{function.name}", _ACCOUNT_NAME),
            **place.common(),
            **arguments("LRS", "Hot", place.tags, network.of_account, _KEPT_DAYS),
            **encrypted.arguments,
        },
        after=encrypted.after,
        because=function.because,
        waivers=tuple(sorted(waivers, key=lambda waiver: waiver.rule)),
    )


def _account_name(function: DeclaredFunction) -> str:
    return f"function_{identifier(function.name)}"


def _audience(function: DeclaredFunction) -> Value:
    return text("api://", Ref(_APPLICATION, identifier(function.name), ("client_id",)))


def _app(place: Place, function: DeclaredFunction, network: Network, after: Sequence[Declaration]) -> Declaration:
    plan, account, packages, application, owns = after
    identity = Identity("function", function.name)
    callers = [
        Identity("stage", stage.name)
        for stage in place.deployment.stages
        if any(grant.target == function for grant in stage.grants)
    ]
    assert callers, "an app that names no callers lets in every identity of the tenant"
    config: AzureFunctionConfig = function.config or AzureFunctionConfig()
    parameters: dict[str, Value] = {
        "identity": identity.ref("id"),
        "clientId": identity.ref("client_id"),
        "plan": plan.ref("id"),
        "account": account.ref("name"),
        "packages": text(account.ref("primary_blob_endpoint"), packages.ref("name")),
        "insights": Ref(_INSIGHTS, "this", ("connection_string",)),
        "application": application.ref("client_id"),
        "issuer": text("https://login.microsoftonline.com/", TENANT, "/v2.0"),
        **{f"caller{number}": caller.ref("principal_id") for number, caller in enumerate(callers, 1)},
        **({"subnet": network.functions} if network.functions is not None else {}),
        **({"jobs": network.jobs} if network.is_closed else {}),
    }
    resources = [
        _site(place, function, config, network),
        _signing_in(function, [f"caller{number}" for number in range(1, len(callers) + 1)]),
        *(_no_password(function, way) for way in ("ftp", "scm")),
    ]
    app = deployed(place, f"function_{identifier(function.name)}", "functions", resources, parameters)
    return replace(app, after=(owns.ref(), *network.ready), because=function.because)


def _site(place: Place, function: DeclaredFunction, config: AzureFunctionConfig, network: Network) -> dict[str, Value]:
    settings: dict[str, Value] = {
        **{name: f"[{value}" if value.startswith("[") else value for name, value in function.env.items()},
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": (
            "[format('ClientId={0};Authorization=AAD', parameters('clientId'))]"
        ),
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "[parameters('insights')]",
        "AZURE_CLIENT_ID": "[parameters('clientId')]",
        "AzureWebJobsStorage__accountName": "[parameters('account')]",
        "AzureWebJobsStorage__clientId": "[parameters('clientId')]",
        "AzureWebJobsStorage__credential": "managedidentity",
    }
    site: dict[str, Value] = {
        "minTlsVersion": "1.2",
        "scmMinTlsVersion": "1.2",
        "ftpsState": "Disabled",
        "http20Enabled": True,
        "remoteDebuggingEnabled": False,
        "appSettings": tuple({"name": name, "value": settings[name]} for name in sorted(settings)),
    }
    if network.is_closed:
        only: dict[str, Value] = {
            "vnetSubnetResourceId": "[parameters('jobs')]",
            "action": "Allow",
            "priority": 100,
            "name": "jobs",
        }
        site |= {
            "ipSecurityRestrictionsDefaultAction": "Deny",
            "ipSecurityRestrictions": (only,),
            "scmIpSecurityRestrictionsUseMain": False,
        }
    storage: dict[str, Value] = {
        "type": "blobContainer",
        "value": "[parameters('packages')]",
        "authentication": {
            "type": "UserAssignedIdentity",
            "userAssignedIdentityResourceId": "[parameters('identity')]",
        },
    }
    properties: dict[str, Value] = {
        "serverFarmId": "[parameters('plan')]",
        "httpsOnly": True,
        "publicNetworkAccess": "Enabled",
        "functionAppConfig": {
            "deployment": {"storage": storage},
            "scaleAndConcurrency": {
                "instanceMemoryMB": config.memory or _MEMORY,
                "maximumInstanceCount": config.max_instances,
            },
            "runtime": {"name": "python", "version": python_of(function)},
        },
        "siteConfig": site,
    }
    if network.functions is not None:
        properties["virtualNetworkSubnetId"] = "[parameters('subnet')]"
    return {
        "type": "Microsoft.Web/sites",
        "apiVersion": _API,
        "name": function.physical,
        "location": place.location,
        "kind": "functionapp,linux",
        "tags": dict(place.tags),
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {"[parameters('identity')]": {}}},
        "properties": properties,
    }


def _signing_in(function: DeclaredFunction, callers: Sequence[str]) -> dict[str, Value]:
    """Gives whom the app lets in: a token of Entra ID for it, of an identity that invokes it. All others get a 401."""
    directory: dict[str, Value] = {
        "enabled": True,
        "registration": {"clientId": "[parameters('application')]", "openIdIssuer": "[parameters('issuer')]"},
        "validation": {
            "allowedAudiences": (
                "[parameters('application')]",
                "[format('api://{0}', parameters('application'))]",
            ),
            "defaultAuthorizationPolicy": {
                "allowedPrincipals": {"identities": tuple(f"[parameters('{caller}')]" for caller in callers)}
            },
        },
    }
    return {
        **_part(function, "Microsoft.Web/sites/config", "authsettingsV2"),
        "properties": {
            "platform": {"enabled": True},
            "globalValidation": {"requireAuthentication": True, "unauthenticatedClientAction": "Return401"},
            "httpSettings": {"requireHttps": True},
            "identityProviders": {"azureActiveDirectory": directory},
        },
    }


def _no_password(function: DeclaredFunction, way: str) -> dict[str, Value]:
    return {
        **_part(function, "Microsoft.Web/sites/basicPublishingCredentialsPolicies", way),
        "properties": {"allow": False},
    }


def _part(function: DeclaredFunction, kind: str, name: str) -> dict[str, Value]:
    app = f"[resourceId('Microsoft.Web/sites', '{function.physical}')]"
    return {"type": kind, "apiVersion": _API, "name": f"{function.physical}/{name}", "dependsOn": (app,)}


def _check(place: Place, function: DeclaredFunction) -> None:
    provider = place.provider
    if function.provider.location != provider.location:
        raise UnsupportedError(
            f"Azure cannot deploy function `{function.name}` with pipeline `{place.deployment.pipeline}`: it is in "
            f'"{function.provider.location}", and the pipeline in "{provider.location}"',
            site=function.site,
            fix="declare it with the provider of the pipeline's buckets",
        )
    config: AzureFunctionConfig = function.config or AzureFunctionConfig()
    if config.plan != "flex":
        raise UnsupportedError(
            f'Azure cannot deploy function `{function.name}` with plan="{config.plan}": such an app keeps its code in '
            "a file share, which is opened with an account key, and Glacier makes none",
            site=function.site,
            fix='write AzureFunctionConfig(plan="flex", ...)',
        )
    for name in function.env:
        if name in _OWN_SETTINGS or name.upper().startswith("AZUREWEBJOBSSTORAGE"):
            raise UnsupportedError(
                f"function `{function.name}` sets {name}, which its app in Azure is told by Glacier",
                site=function.site,
                fix=f"take {name} out of env=",
            )
    version = python_of(function)
    if version not in _PYTHONS:
        raise UnsupportedError(
            f"Azure cannot run function `{function.name}` on Python {version}: Flex Consumption has {listed(_PYTHONS)}",
            site=function.site,
            fix=f'write runtime="python{_PYTHONS[-2]}"',
        )
