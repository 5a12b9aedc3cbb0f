"""Where jobs and functions run: on Azure's own network; in subnets of the user's; in a closed one where that is wanted.

A closed network has an address in it for each storage account, and no other way leads to these; functions take requests
of its jobs only. It costs money, so it comes with strict hardening only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from glacier.blueprint import Block, Declaration, Ref, Text, Value, text
from glacier.errors import UnsupportedError
from glacier.infrastructure.azure.place import Place

_RANGE = "10.8.0.0/24"
_RANGES = {"jobs": "10.8.0.0/26", "functions": "10.8.0.64/26", "endpoints": "10.8.0.128/27"}
_DELEGATED = "Microsoft.App/environments"
"""To whom the subnets of jobs and of functions belong, each to one of them alone. (Azure Functions: networking)"""
FUNCTIONS = "Microsoft.Web"
"""The service endpoint by which an app knows the subnet of a request. (App Service: access restrictions)"""
_SUBNET = re.compile(
    r"(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/virtualNetworks/[^/]+)/subnets/[^/]+"
)
_GUARDED = "azurerm_subnet_network_security_group_association"
_ZONE = "privatelink.blob.core.windows.net"
_NAME = 64


@dataclass(frozen=True)
class Network:
    """Where things run, by the ids of subnets; None stands for Azure's own network.

    Attributes:
        declarations: of what is made.
        whole: the id of the virtual network.
        ready: what must be there before anything is put into it. Azure refuses that while a subnet changes.
    """

    declarations: tuple[Declaration, ...] = ()
    jobs: Value = None
    functions: Value = None
    endpoints: Value = None
    whole: Value = None
    ready: tuple[Ref, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether accounts and functions are reached from it only."""
        return self.endpoints is not None

    @property
    def of_environment(self) -> dict[str, Value]:
        """What an environment of jobs is told."""
        if self.jobs is None:
            return {}
        return {"infrastructure_subnet_id": self.jobs, "internal_load_balancer_enabled": True}

    @property
    def of_account(self) -> dict[str, Value]:
        """What a storage account is told."""
        if not self.is_closed:
            return {"public_network_access_enabled": True}
        rules = Block({"default_action": "Deny", "bypass": ("AzureServices",)})
        return {"public_network_access_enabled": False, "network_rules": rules}


def network_of(place: Place, closed: Sequence[Ref]) -> Network:
    """Gives where a pipeline runs.

    Args:
        place: where.
        closed: the accounts that are reached from there only, in a closed network.

    Raises:
        UnsupportedError: other subnets are given than Azure needs.
    """
    wanted = {"jobs": True, "functions": bool(place.deployment.functions), "endpoints": place.strict and bool(closed)}
    needed = [part for part, is_wanted in wanted.items() if is_wanted]
    given = place.deployment.options.subnets
    if given:
        whole = _check(place, given, needed)
        ids: dict[str, Value] = dict(zip(needed, given, strict=True))
        return Network((), ids["jobs"], ids.get("functions"), ids.get("endpoints"), whole)
    return _made(place, needed) if place.strict else Network()


def endpoint_declarations(place: Place, network: Network, accounts: Sequence[Ref]) -> list[Declaration]:
    """Gives an address in the network for each account, and the names by which it is found; nothing without a network.

    Args:
        place: where.
        network: of the pipeline.
        accounts: by their ids.
    """
    if not network.is_closed:
        return []
    zone = Declaration(
        "azurerm_private_dns_zone",
        "blobs",
        "network",
        {"name": _ZONE, "resource_group_name": place.group, "tags": place.tags},
    )
    link: dict[str, Value] = {
        "name": place.called(longest=_NAME, what="a link to a DNS zone"),
        "private_dns_zone_id": zone.ref("id"),
        "virtual_network_id": network.whole,
        "resolution_policy": "NxDomainRedirect",  # so that other accounts are found the way they are elsewhere
        "tags": place.tags,
    }
    found = [zone, Declaration("azurerm_private_dns_zone_virtual_network_link", "blobs", "network", link)]
    for account in accounts:
        name = place.called(f"blobs-{account.name}", longest=_NAME, what="a private endpoint")
        found.append(
            Declaration(
                "azurerm_private_endpoint",
                account.name,
                "network",
                {
                    "name": name,
                    **place.common(),
                    "subnet_id": network.endpoints,
                    "tags": place.tags,
                    "private_service_connection": Block(
                        {
                            "name": name,
                            "private_connection_resource_id": account,
                            "subresource_names": ("blob",),
                            "is_manual_connection": False,
                        }
                    ),
                    "private_dns_zone_group": Block({"name": "blobs", "private_dns_zone_ids": (zone.ref("id"),)}),
                },
                after=network.ready,
            )
        )
    return found


def _made(place: Place, needed: Sequence[str]) -> Network:
    name = place.called(longest=_NAME, what="a virtual network")
    whole = Declaration(
        "azurerm_virtual_network",
        "this",
        "network",
        {"name": name, **place.common(), "address_space": (_RANGE,), "tags": place.tags},
    )
    guard = Declaration(
        "azurerm_network_security_group",
        "this",
        "network",
        {"name": name, **place.common(), "tags": place.tags},
    )
    declarations = [whole, guard]
    ids: dict[str, Ref] = {}
    for part in needed:
        delegated = Block(
            {
                "name": "glacier",
                "service_delegation": Block(
                    {"name": _DELEGATED, "actions": ("Microsoft.Network/virtualNetworks/subnets/join/action",)}
                ),
            }
        )
        subnet: dict[str, Value] = {
            "name": part,
            "resource_group_name": place.group,
            "virtual_network_name": whole.ref("name"),
            "address_prefixes": (_RANGES[part],),
            "delegation": None if part == "endpoints" else delegated,
            "service_endpoint": Block({"service": FUNCTIONS}) if part == "jobs" and "functions" in needed else None,
        }
        declared = Declaration("azurerm_subnet", part, "network", subnet)
        ids[part] = declared.ref("id")
        guarded: dict[str, Value] = {"subnet_id": ids[part], "network_security_group_id": guard.ref("id")}
        declarations += [declared, Declaration(_GUARDED, part, "network", guarded)]
    ready = tuple(one.ref() for one in declarations if one.kind == _GUARDED)
    return Network(tuple(declarations), ids["jobs"], ids.get("functions"), ids.get("endpoints"), whole.ref("id"), ready)


def _check(place: Place, given: Sequence[str], needed: Sequence[str]) -> Text | str:
    """Gives the network that the subnets are in.

    Raises:
        UnsupportedError: they are not as many as needed, or one is none.
    """
    deployment = place.deployment
    what = {
        "jobs": "one for jobs",
        "functions": "one for functions",
        "endpoints": "one for the addresses of storage accounts",
    }
    wanted = ", ".join(what[part] for part in needed)
    if len(given) != len(needed):
        raise UnsupportedError(
            f"Azure runs pipeline `{deployment.pipeline}` in {len(needed)} subnets, since each belongs to one service: "
            f"{wanted}; {len(given)} are given",
            site=deployment.site,
            fix=f"write subnets=[...] with {wanted}, in this order",
        )
    for subnet in given:
        found = _SUBNET.fullmatch(subnet)
        if found is None:
            raise UnsupportedError(
                f"Azure has no subnet `{subnet}`: pipeline `{deployment.pipeline}` is given ids of subnets",
                site=deployment.site,
                fix='write subnets=["/subscriptions/.../virtualNetworks/NETWORK/subnets/NAME"]',
            )
    whole = _SUBNET.fullmatch(given[-1])
    assert whole is not None
    return text(whole[1])
