"""Where tasks run: in subnets of the user's, or in a small network that nobody reaches from outside.

A task has to reach the registry, the logs and S3. In the network that is made it does so from a public address of its
own, which costs only while it runs; an address translator would cost as much by the hour as all else by the month.
Nothing comes in: the group of each task lets no connection begin from outside, and HTTPS alone from inside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from glacier.blueprint import Block, Declaration, Ref, Value, Waiver, text
from glacier.errors import ConfigError
from glacier.infrastructure.aws.access import Identity, Right
from glacier.infrastructure.aws.account import Account
from glacier.infrastructure.aws.keys import KmsKeys
from glacier.infrastructure.aws.logs import log_group
from glacier.infrastructure.aws.policies import Statement

FLOW = Identity("flow")
"""What notes connections, where hardening is strict."""

_RANGE, _HALVES = "10.88.0.0/24", ("10.88.0.0/25", "10.88.0.128/25")
_ANYWHERE = "0.0.0.0/0"
_NAME = 255


@dataclass(frozen=True)
class Network:
    """Where tasks run.

    Attributes:
        declarations: what is made for it.
        subnets: their ids.
        group: the id of the security group of tasks.
        public: whether a task has an address of its own on the internet.
    """

    declarations: tuple[Declaration, ...]
    subnets: tuple[Value, ...]
    group: Ref
    public: bool

    @property
    def address(self) -> str:
        """Whether a task has an address of its own on the internet, as ECS says it."""
        return "ENABLED" if self.public else "DISABLED"

    @property
    def configuration(self) -> dict[str, Value]:
        """How Step Functions takes it."""
        return {
            "AwsvpcConfiguration": {
                "Subnets": self.subnets,
                "SecurityGroups": (self.group,),
                "AssignPublicIp": self.address,
            }
        }

    @property
    def run_task(self) -> dict[str, Value]:
        """How AWS's command line takes it."""
        return {
            "awsvpcConfiguration": {
                "subnets": self.subnets,
                "securityGroups": (self.group,),
                "assignPublicIp": self.address,
            }
        }


def network_of(account: Account, keys: KmsKeys) -> Network:
    """Gives the network of a pipeline's tasks."""
    subnets = account.deployment.options.subnets
    if subnets:
        _check(account)
        given = Declaration("aws_subnet", "given", "network", {"id": subnets[0]}, looked_up=True)
        group = _group(account, given.ref("vpc_id"))
        return Network((given, *group), tuple(subnets), group[0].ref("id"), public=False)
    vpc = Declaration(
        "aws_vpc",
        "this",
        "network",
        {
            "cidr_block": _RANGE,
            "enable_dns_support": True,
            "enable_dns_hostnames": True,
            "tags": _named(account),
        },
        waivers=() if account.strict else (Waiver("CKV2_AWS_11", 'flow logs come with hardening="strict"'),),
    )
    zones = Declaration(
        "aws_availability_zones",
        "available",
        "network",
        {"state": "available", "filter": Block({"name": "opt-in-status", "values": ("opt-in-not-required",)})},
        looked_up=True,
        waivers=(
            Waiver("CKV_AWS_394", "a subnet stays in the zone that it was made in, whatever zones there come to be"),
        ),
    )
    gateway = Declaration("aws_internet_gateway", "this", "network", {"vpc_id": vpc.ref("id"), "tags": _named(account)})
    table = Declaration("aws_route_table", "this", "network", {"vpc_id": vpc.ref("id"), "tags": _named(account)})
    route: dict[str, Value] = {
        "route_table_id": table.ref("id"),
        "destination_cidr_block": _ANYWHERE,
        "gateway_id": gateway.ref("id"),
    }
    made: list[Declaration] = []
    parts: list[Declaration] = []
    for number, letter in enumerate("ab"):
        subnet = Declaration(
            "aws_subnet",
            letter,
            "network",
            {
                "vpc_id": vpc.ref("id"),
                "cidr_block": _HALVES[number],
                "availability_zone": zones.ref("names", number),
                "map_public_ip_on_launch": False,
                "tags": _named(account, letter),
            },
            ignored=("availability_zone",),
        )
        joined: dict[str, Value] = {"subnet_id": subnet.ref("id"), "route_table_id": table.ref("id")}
        parts.append(subnet)
        made += [subnet, Declaration("aws_route_table_association", letter, "network", joined)]
    storage: dict[str, Value] = {
        "vpc_id": vpc.ref("id"),
        "vpc_endpoint_type": "Gateway",
        "service_name": f"com.amazonaws.{account.region}.s3",
        "route_table_ids": (table.ref("id"),),
        "tags": _named(account, "s3"),
    }
    group = _group(account, vpc.ref("id"))
    declarations = (
        vpc,
        Declaration("aws_default_security_group", "closed", "network", {"vpc_id": vpc.ref("id")}),
        *(_flow_logs(account, keys, vpc) if account.strict else ()),
        zones,
        *made,
        gateway,
        table,
        Declaration("aws_route", "internet", "network", route),
        Declaration("aws_vpc_endpoint", "s3", "network", storage),
        *group,
    )
    return Network(declarations, tuple(one.ref("id") for one in parts), group[0].ref("id"), public=True)


def _group(account: Account, vpc: Ref) -> list[Declaration]:
    group = Declaration(
        "aws_security_group",
        "tasks",
        "network",
        {
            "name": account.called("tasks", longest=_NAME, what="a security group"),
            "description": "Tasks: nothing in, HTTPS out.",
            "vpc_id": vpc,
            "tags": _named(account, "tasks"),
        },
        waivers=(Waiver("CKV2_AWS_5", "tasks are given it when they start"),),
    )
    rule: dict[str, Value] = {
        "security_group_id": group.ref("id"),
        "description": "To AWS and other services over HTTPS.",
        "ip_protocol": "tcp",
        "from_port": 443,
        "to_port": 443,
        "cidr_ipv4": _ANYWHERE,
    }
    return [group, Declaration("aws_vpc_security_group_egress_rule", "https", "network", rule)]


def _check(account: Account) -> None:
    deployment = account.deployment
    for subnet in deployment.options.subnets:
        if not re.fullmatch(r"subnet-[0-9a-f]{8,17}", subnet):
            raise ConfigError(
                f"pipeline `{deployment.pipeline}` is to run in subnet `{subnet}`, which is no id of one in AWS",
                site=deployment.site,
                fix='write DeployConfig(subnets=["subnet-0123456789abcdef0"])',
            )


def _flow_logs(account: Account, keys: KmsKeys, vpc: Declaration) -> list[Declaration]:
    called = f"/glacier/{account.called('flow', longest=_NAME, what='a log group')}"
    group = log_group(account, keys, "flow", called, "network")
    arguments: dict[str, Value] = {
        "vpc_id": vpc.ref("id"),
        "traffic_type": "ALL",
        "log_destination": group.ref("arn"),
        "iam_role_arn": FLOW.ref("arn"),
        "tags": _named(account),
    }
    return [group, Declaration("aws_flow_log", "this", "network", arguments)]


def flow_rights(network: Network) -> list[Right]:
    """Gives what the service does that notes connections; nothing where none are noted."""
    group = next((one for one in network.declarations if one.kind == "aws_cloudwatch_log_group"), None)
    if group is None:
        return []
    actions = ("logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:PutLogEvents")
    statement = Statement("WritesLogs", actions, (text(group.ref("arn"), ":*"),))
    return [Right(statement, (("the log of connections", ()),))]


def _named(account: Account, part: str = "") -> dict[str, Value]:
    return {"Name": account.called(part, longest=_NAME, what="a tag")}
