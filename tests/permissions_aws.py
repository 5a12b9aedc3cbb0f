"""What AWS's policies allow: statements of roles, evaluated as IAM does, as far as its language is generated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from glacier.blueprint import Block, Blueprint, Declaration, Json, Ref, Text, Value
from glacier.deployment.needs import Deployment, Grant
from permissions import Cloud, Need, Statement

ACCOUNT = "123456789012"
EVERYWHERE = "the account"
"""Where AWS permits something in a whole account only: to sign in to the registry, to write traces."""

_LIST = "s3:ListBucket"
_TRACES = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
_SAMPLES = ("xray:GetSamplingRules", "xray:GetSamplingTargets")
_STREAMS = ("logs:CreateLogStream", "logs:PutLogEvents")
_FETCHES = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_HEARS = ("events:DescribeRule", "events:PutRule", "events:PutTargets")
_WATCHES = ("ecs:DescribeTasks", "ecs:StopTask")
_RULE = "StepFunctionsGetEventsForECSTaskRule"
_DELIVERS = tuple(
    f"logs:{action}"
    for action in (
        "CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries",
        "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups",
    )
)  # fmt: skip
"""Step Functions: logging with CloudWatch Logs."""

_ARNS: Mapping[str, str] = {
    "aws_cloudwatch_log_group": "arn:aws:logs:{region}:{account}:log-group:{name}",
    "aws_ecr_repository": "arn:aws:ecr:{region}:{account}:repository/{name}",
    "aws_ecs_cluster": "arn:aws:ecs:{region}:{account}:cluster/{name}",
    "aws_iam_role": "arn:aws:iam::{account}:role/{name}",
    "aws_lambda_function": "arn:aws:lambda:{region}:{account}:function:{function_name}",
    "aws_s3_bucket": "arn:aws:s3:::{bucket}",
    "aws_sfn_state_machine": "arn:aws:states:{region}:{account}:stateMachine:{name}",
    "aws_sqs_queue": "arn:aws:sqs:{region}:{account}:{name}",
}
"""How the ARN of what is declared is made. (Service Authorization Reference: resource types)"""
_ASKED: Mapping[str, str] = {
    "ecr": "arn:aws:ecr:{region}:{account}:repository/{place}",
    "events": "arn:aws:events:{region}:{account}:rule/{place}",
    "iam": "arn:aws:iam::{account}:role/{place}",
    "lambda": "arn:aws:lambda:{region}:{account}:function:{place}",
    "logs": "arn:aws:logs:{region}:{account}:log-group:{place}:log-stream:main/pipeline/1",
    "s3": "arn:aws:s3:::{place}/{key}",
    "sqs": "arn:aws:sqs:{region}:{account}:{place}",
    "states": "arn:aws:states:{region}:{account}:stateMachine:{place}",
    _LIST: "arn:aws:s3:::{place}",
    "ecs:RunTask": "arn:aws:ecs:{region}:{account}:task-definition/{place}:7",
    "ecs": "arn:aws:ecs:{region}:{account}:task/{place}/0123456789abcdef",
}
"""What a request names, by its action or else its service."""


def _statements(deployment: Deployment, blueprint: Blueprint) -> list[Statement]:
    """Reads the statements of the roles that something of the pipeline runs under."""
    declared = {one.address: one for one in blueprint.declarations}
    region: str = deployment.provider.region
    holders = dict(_holders(deployment, blueprint))
    attached = {
        cast("Ref", one.arguments["policy_arn"]).name: _role(one)
        for one in blueprint.declarations
        if one.kind == "aws_iam_role_policy_attachment"
    }
    found: list[Statement] = []
    for one in blueprint.declarations:
        if one.kind not in ("aws_iam_role_policy", "aws_iam_policy"):
            continue
        role = _role(one) if one.kind == "aws_iam_role_policy" else attached[one.name]
        policy = one.arguments["policy"]
        assert isinstance(policy, Json)
        document = _plain(policy.document, declared, region)
        assert isinstance(document, dict)
        assert document["Version"] == "2012-10-17"
        for statement in cast("list[dict[str, object]]", document["Statement"]):
            name = f"{one.address}.{statement['Sid']}"
            allows = _allows(statement, region, deployment)
            found += [Statement(name, holder, allows) for holder in holders[role]]
    return found


def _holders(deployment: Deployment, blueprint: Blueprint) -> Iterator[tuple[str, list[str]]]:
    """Gives each role with all that runs under it."""
    found: dict[str, list[str]] = {one.name: [] for one in blueprint.declarations if one.kind == "aws_iam_role"}
    for one in blueprint.declarations:
        arguments = one.arguments
        match one.kind:
            case "aws_ecs_task_definition":
                (container,) = cast(
                    "tuple[dict[str, Value]]", cast("Json", arguments["container_definitions"]).document
                )
                command = cast("tuple[str, ...]", container["command"])
                found[_named(arguments["task_role_arn"])].append(f"stage {command[command.index('--stage') + 1]}")
                agent = found[_named(arguments["execution_role_arn"])]
                agent += ["agent"] if not agent else []
            case "aws_lambda_function":
                (name,) = [each.name for each in deployment.functions if each.physical == arguments["function_name"]]
                found[_named(arguments["role"])].append(f"function {name}")
            case "aws_sfn_state_machine":
                found[_named(arguments["role_arn"])].append("workflow")
            case "aws_scheduler_schedule":
                target = arguments["target"]
                assert isinstance(target, Block)
                found[_named(target.arguments["role_arn"])].append("scheduler")
            case _:
                continue
    yield from found.items()


def _allows(statement: Mapping[str, object], region: str, deployment: Deployment) -> Callable[[str, str, str], bool]:
    """Gives whether a statement allows a request; refuses one that says something that is not evaluated here."""
    assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}, f"not understood: {statement}"
    assert statement["Effect"] == "Allow"
    actions, resources = _several(statement["Action"]), _several(statement["Resource"])
    assert not [one for one in actions if "*" in one or "?" in one], f"wildcards in actions: {actions}"
    conditions = cast("Mapping[str, Mapping[str, object]]", statement.get("Condition", {}))
    assert conditions.keys() <= {"StringLike", "StringEquals", "ArnEquals"}, f"not understood: {conditions}"
    cluster = f"{deployment.provider.name_prefix}{deployment.slug}{_suffix(deployment)}"

    def allows(action: str, place: str, key: str) -> bool:
        if action not in actions:
            return False
        names = {"region": region, "account": ACCOUNT, "place": place, "key": key}
        form = _ASKED.get(action, _ASKED.get(action.partition(":")[0], "*"))
        asked = "*" if place == EVERYWHERE else form.format_map(names)
        within = cluster if action == "ecs:RunTask" else place
        context = {
            "s3:prefix": key,
            "ecs:cluster": f"arn:aws:ecs:{region}:{ACCOUNT}:cluster/{within}",
            "iam:PassedToService": "ecs-tasks.amazonaws.com",
        }
        return any(matches(pattern, asked) for pattern in resources) and all(
            _meets(operator, _several(wanted), context[name])
            for operator, keys in conditions.items()
            for name, wanted in keys.items()
        )

    return allows


def _meets(operator: str, wanted: list[str], value: str) -> bool:
    if operator == "StringEquals":
        return value in wanted
    return any(matches(pattern, value) for pattern in wanted)  # ArnEquals is ArnLike, for IAM


def matches(pattern: str, value: str) -> bool:
    """Tells whether a pattern of IAM fits a value: `*` and `?` stand for any, `${*}` for themselves."""
    parts = re.split(r"(\$\{[*?$]\}|\*|\?)", pattern)
    wild = {"*": ".*", "?": "."}
    written = "".join(wild.get(part) or re.escape(part[2] if part.startswith("${") else part) for part in parts)
    return re.fullmatch(written, value, re.DOTALL) is not None


def _besides(deployment: Deployment) -> Iterator[Need]:
    """Gives what grants do not say: what ECS, Lambda, Step Functions and the scheduler do on behalf of a pipeline.

    S3 tells of an object that is missing only those who may list its whole name.
    """
    for identity, grants in _granted(deployment):
        for grant in grants:
            if "list" in grant.verbs and not grant.keys.below:
                yield Need(identity, _LIST, grant.target.physical, grant.keys)
    name = f"{deployment.provider.name_prefix}{deployment.slug}"
    end = _suffix(deployment)
    yield Need("agent", "ecr:GetAuthorizationToken", EVERYWHERE)
    yield from (Need("agent", action, f"{name}{end}") for action in _FETCHES)
    yield from (Need("agent", action, f"/glacier/{name}{end}") for action in _STREAMS)
    for function in deployment.functions:
        holder = f"function {function.name}"
        yield from (Need(holder, action, f"/aws/lambda/{function.physical}") for action in _STREAMS)
        yield Need(holder, "sqs:SendMessage", f"{name}-{function.name}-failed{end}")
        yield from (Need(holder, action, EVERYWHERE) for action in _TRACES)
    orchestrated = len(deployment.stages) > 1 or deployment.options.retries > 0
    if orchestrated:
        yield from _starts(deployment, "workflow")
        yield from (Need("workflow", action, f"{name}{end}") for action in _WATCHES)
        yield from (Need("workflow", action, _RULE) for action in _HEARS)
        yield from (Need("workflow", action, EVERYWHERE) for action in (*_TRACES, *_SAMPLES, *_DELIVERS))
    if deployment.schedule is not None:
        yield Need("scheduler", "sqs:SendMessage", f"{name}-not-started{end}")
        if orchestrated:
            yield Need("scheduler", "states:StartExecution", f"{name}{end}")
        else:
            yield from _starts(deployment, "scheduler")


def _starts(deployment: Deployment, who: str) -> Iterator[Need]:
    name, end = f"{deployment.provider.name_prefix}{deployment.slug}", _suffix(deployment)
    yield Need(who, "iam:PassRole", f"{name}--agent{end}")
    for stage in deployment.stages:
        yield Need(who, "ecs:RunTask", f"{name}-{stage.name}{end}")
        yield Need(who, "iam:PassRole", f"{name}-{stage.name}{end}")


def _granted(deployment: Deployment) -> Iterator[tuple[str, tuple[Grant, ...]]]:
    yield from ((f"stage {one.name}", one.grants) for one in deployment.stages)
    yield from ((f"function {one.name}", one.grants) for one in deployment.functions)


def _suffix(deployment: Deployment) -> str:
    return f"-{deployment.environment}" if deployment.environment else ""


def _role(one: Declaration) -> str:
    return _named(one.arguments["role"])


def _named(ref: Value) -> str:
    assert isinstance(ref, Ref)
    assert ref.kind == "aws_iam_role"
    return ref.name


def _several(value: object) -> list[str]:
    return [value] if isinstance(value, str) else cast("list[str]", value)


def _plain(value: Value, declared: Mapping[str, Declaration], region: str) -> object:
    """Gives a document with what its references will be."""
    match value:
        case Ref():
            return _known(value, declared, region)
        case Text(parts):
            return "".join(part if isinstance(part, str) else str(_plain(part, declared, region)) for part in parts)
        case tuple():
            return [_plain(one, declared, region) for one in value]
        case Mapping():
            return {key: _plain(one, declared, region) for key, one in value.items()}
        case str():
            return value
        case _:
            raise AssertionError(f"not understood: {value}")


def _known(ref: Ref, declared: Mapping[str, Declaration], region: str) -> str:
    if ref.kind == "aws_caller_identity":
        return ACCOUNT
    arguments = {name: str(value) for name, value in declared[ref.address].arguments.items()}
    match ref.path:
        case ("arn",):
            return _ARNS[ref.kind].format_map({"region": region, "account": ACCOUNT, **arguments})
        case ("arn_without_revision",):
            return f"arn:aws:ecs:{region}:{ACCOUNT}:task-definition/{arguments['family']}"
        case ("name",):
            return arguments["name"]
        case _:
            raise AssertionError(f"not understood: {ref}")


AMAZON = Cloud(
    actions={
        "read": ("s3:GetObject",),
        "list": (_LIST,),
        "write": ("s3:PutObject", "s3:AbortMultipartUpload"),
        "delete": ("s3:DeleteObject",),
        "invoke": ("lambda:InvokeFunction",),
    },
    listings=frozenset((_LIST,)),
    wide=frozenset(("ecr:GetAuthorizationToken", *_TRACES, *_SAMPLES, *_DELIVERS)),
    statements=_statements,
    besides=_besides,
)
"""Service Authorization Reference: actions, resources and condition keys for Amazon S3 and the others."""
