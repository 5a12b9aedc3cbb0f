"""Where jobs run: on Google's own network; in a subnet of the user's; in a small one, where they invoke functions.

Functions take requests from inside only. A job's requests are, if they go through a network of the project: so where
there are functions and no subnets, a network is made that carries nothing but the requests to them. All else goes the
way it goes without a network: to Cloud Storage over Google's own, to others over the internet, at no cost.
"""

from __future__ import annotations

import re

from glacier.blueprint import Block, Declaration, Value
from glacier.errors import UnsupportedError
from glacier.infrastructure.gcp.project import Project, api

_RANGE = "10.8.0.0/24"
_GOOGLE = ("199.36.153.8", "199.36.153.9", "199.36.153.10", "199.36.153.11")
"""private.googleapis.com, which Cloud Run counts among the private ranges. (Cloud Run: networking best practices)"""
_DOMAIN = "cloudfunctions.net."
_NETWORK_NAME = 63


def network_declarations(project: Project) -> list[Declaration]:
    """Gives the network that requests to functions go through; nothing where none is needed."""
    deployment = project.deployment
    if deployment.options.subnets or not deployment.functions:
        return []
    name = project.called(longest=_NETWORK_NAME, what="a network")
    network = Declaration(
        "google_compute_network",
        "this",
        "network",
        {"name": name, "auto_create_subnetworks": False},
        after=(api("compute"),),
        because=tuple(cause for function in deployment.functions for cause in function.because),
    )
    subnet: dict[str, Value] = {
        "name": name,
        "region": project.region,
        "network": network.ref("id"),
        "ip_cidr_range": _RANGE,
        "private_ip_google_access": True,
        "log_config": Block(
            {"aggregation_interval": "INTERVAL_10_MIN", "flow_sampling": 0.5, "metadata": "INCLUDE_ALL_METADATA"}
        ),
    }
    closed: dict[str, Value] = {
        "name": project.called("closed", longest=_NETWORK_NAME, what="a firewall rule"),
        "network": network.ref("name"),
        "direction": "INGRESS",
        "priority": 65_534,
        "source_ranges": ("0.0.0.0/0",),
        "deny": Block({"protocol": "all"}),
    }
    zone = Declaration(
        "google_dns_managed_zone",
        "functions",
        "network",
        {
            "name": project.called("functions", longest=_NETWORK_NAME, what="a DNS zone"),
            "dns_name": _DOMAIN,
            "visibility": "private",
            "labels": project.labels,
            "private_visibility_config": Block({"networks": Block({"network_url": network.ref("id")})}),
        },
        after=(api("dns"),),
    )
    record: dict[str, Value] = {
        "managed_zone": zone.ref("name"),
        "name": f"*.{_DOMAIN}",
        "type": "A",
        "ttl": 300,
        "rrdatas": _GOOGLE,
    }
    return [
        network,
        Declaration("google_compute_subnetwork", "this", "network", subnet),
        Declaration("google_compute_firewall", "closed", "network", closed),
        zone,
        Declaration("google_dns_record_set", "functions", "network", record),
    ]


def vpc_access(project: Project, declarations: list[Declaration]) -> Block | None:
    """Gives how a job reaches a network; None if it needs none.

    Args:
        project: where.
        declarations: of the network, as `network_declarations` gave them.

    Raises:
        UnsupportedError: several subnets are given, or one in another region.
    """
    subnets = project.deployment.options.subnets
    if subnets:
        _check(project, subnets[0], len(subnets))
        return Block({"egress": "ALL_TRAFFIC", "network_interfaces": Block({"subnetwork": subnets[0]})})
    made = next((one for one in declarations if one.kind == "google_compute_subnetwork"), None)
    if made is None:
        return None
    return Block({"egress": "PRIVATE_RANGES_ONLY", "network_interfaces": Block({"subnetwork": made.ref("id")})})


def _check(project: Project, subnet: str, count: int) -> None:
    deployment = project.deployment
    if count > 1:
        raise UnsupportedError(
            f"Google Cloud runs the jobs of pipeline `{deployment.pipeline}` in one subnet, and {count} are given",
            site=deployment.site,
            fix="give one subnet of the region; it spans all zones there",
        )
    found = re.search(r"regions/([^/]+)/", subnet)
    if found and found[1] != project.region:
        raise UnsupportedError(
            f'Google Cloud cannot run pipeline `{deployment.pipeline}` of region "{project.region}" in a subnet of '
            f'"{found[1]}"',
            site=deployment.site,
            fix=f'give a subnet of "{project.region}", or write GCPProvider(region="{found[1]}")',
        )
