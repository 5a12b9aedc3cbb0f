"""What stages run on: a task of ECS on Fargate for each, all from one image in a repository of the pipeline's."""

from __future__ import annotations

from glacier.blueprint import Block, Declaration, Json, Ref, Text, Value, Waiver, text
from glacier.config.deploy import Compute
from glacier.deployment.commands import records_uri, stage_command, stage_environment
from glacier.deployment.needs import Deployment, Stage, identifier
from glacier.errors import UnsupportedError
from glacier.infrastructure.aws.access import Identity, Right
from glacier.infrastructure.aws.account import Account
from glacier.infrastructure.aws.keys import KmsKeys
from glacier.infrastructure.aws.logs import log_group
from glacier.infrastructure.aws.policies import Statement

AGENT = Identity("agent")
"""What starts tasks: it fetches the image and writes the log."""
CONTAINER = "pipeline"
"""The name of the one container that a task has."""
USER = "10001:10001"
"""Of the image; never root."""

_FAMILY = 255
_REPOSITORY = 256
_GIB = 1024
_SIZES: tuple[tuple[float, int, int, int], ...] = (
    (0.25, 512, 2 * _GIB, 512),
    (0.5, 1 * _GIB, 4 * _GIB, _GIB),
    (1, 2 * _GIB, 8 * _GIB, _GIB),
    (2, 4 * _GIB, 16 * _GIB, _GIB),
    (4, 8 * _GIB, 30 * _GIB, _GIB),
    (8, 16 * _GIB, 60 * _GIB, 4 * _GIB),
    (16, 32 * _GIB, 120 * _GIB, 8 * _GIB),
)
"""CPUs, the least and the most MiB that each takes, and in what steps. (Amazon ECS: Fargate task definitions)"""
_KEPT_IMAGES = 10
_IMAGES = Ref("aws_ecr_repository", "images", ("repository_url",))


def images(account: Account, keys: KmsKeys) -> list[Declaration]:
    """Gives the repository of the pipeline's images, which keeps the newest; a tag never comes to mean another one."""
    key = keys.of()
    repository = Declaration(
        "aws_ecr_repository",
        "images",
        "jobs",
        {
            "name": account.called(longest=_REPOSITORY, what="a repository of images").lower(),
            "image_tag_mutability": "IMMUTABLE",
            "force_delete": True,
            "image_scanning_configuration": Block({"scan_on_push": True}),
            "encryption_configuration": Block({"encryption_type": "KMS", "kms_key": key}) if key else None,
        },
        waivers=() if key else (Waiver("CKV_AWS_136", 'a key of your own comes with hardening="strict"'),),
    )
    newest: dict[str, Value] = {
        "rulePriority": 1,
        "description": f"Keeps the {_KEPT_IMAGES} newest images.",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": _KEPT_IMAGES},
        "action": {"type": "expire"},
    }
    lifecycle: dict[str, Value] = {"repository": repository.ref("name"), "policy": Json({"rules": (newest,)})}
    return [repository, Declaration("aws_ecr_lifecycle_policy", "images", "jobs", lifecycle)]


def image(tag: str) -> Text | str:
    """Gives where the pipeline's image is pushed to."""
    return text(_IMAGES, f":{tag}")


def cluster(account: Account) -> Declaration:
    """Gives the cluster that tasks run in, which costs nothing by itself."""
    return Declaration(
        "aws_ecs_cluster",
        "this",
        "jobs",
        {
            "name": account.called(longest=_FAMILY, what="a cluster"),
            "setting": Block({"name": "containerInsights", "value": "enabled"}),
        },
    )


def log_of_jobs(account: Account, keys: KmsKeys) -> Declaration:
    """Gives the group of the logs of all stages."""
    called = account.called(longest=_FAMILY, what="a log group")
    return log_group(account, keys, "jobs", f"/glacier/{called}")


def task_definition(account: Account, stage: Stage, logs: Declaration, tag: str) -> Declaration:
    """Gives the task of a stage.

    Args:
        account: where.
        stage: what it runs.
        logs: the group that its log goes to.
        tag: of the image.

    Raises:
        UnsupportedError: no size of Fargate holds the stage's compute.
    """
    deployment = account.deployment
    cpu, memory = size(deployment, stage)
    environment = {**stage_environment(deployment, stage), "AWS_REGION": account.region}
    container: dict[str, Value] = {
        "name": CONTAINER,
        "image": image(tag),
        "command": stage_command(deployment, stage, records_uri(deployment)),
        "environment": tuple({"name": name, "value": value} for name, value in sorted(environment.items())),
        "essential": True,
        "user": USER,
        "readonlyRootFilesystem": True,
        "mountPoints": ({"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False},),  # noqa: S108
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ("ALL",)}},
        "stopTimeout": 120,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": logs.ref("name"),
                "awslogs-region": account.region,
                "awslogs-stream-prefix": stage.name,
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
        },
    }
    return Declaration(
        "aws_ecs_task_definition",
        identifier(stage.name),
        "jobs",
        {
            "family": account.called(stage.name, longest=_FAMILY, what="a family of tasks"),
            "requires_compatibilities": ("FARGATE",),
            "network_mode": "awsvpc",
            "cpu": str(int(cpu * 1024)),
            "memory": str(memory),
            "execution_role_arn": AGENT.ref("arn"),
            "task_role_arn": Identity("stage", stage.name).ref("arn"),
            "container_definitions": Json((container,)),
            "runtime_platform": Block({"operating_system_family": "LINUX", "cpu_architecture": "X86_64"}),
            "volume": Block({"name": "tmp"}),
        },
    )


def agent_rights(logs: Declaration) -> list[Right]:
    """Gives what ECS does for tasks before they run: fetches the image, and opens the log."""
    repository = Ref("aws_ecr_repository", "images", ("arn",))
    fetch = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    write = ("logs:CreateLogStream", "logs:PutLogEvents")
    return [
        Right(Statement("LogsIn", ("ecr:GetAuthorizationToken",), ("*",)), (("the account's registry", ()),)),
        Right(Statement("FetchesImages", fetch, (repository,)), (("the repository of images", ()),)),
        Right(Statement("WritesLogs", write, (text(logs.ref("arn"), ":*"),)), (("the log of the stages", ()),)),
    ]


def size(deployment: Deployment, stage: Stage) -> tuple[float, int]:
    """Gives the fewest CPUs that Fargate has for a machine, and its MiB.

    Raises:
        UnsupportedError: there is no such size.
    """
    wanted: Compute = stage.compute
    for cpu, least, most, step in _SIZES:
        if cpu >= wanted.cpu and most >= wanted.memory:
            memory = max(wanted.memory, least)
            return cpu, least + -(-(memory - least) // step) * step
    cpu, _, memory, _ = _SIZES[-1]
    raise UnsupportedError(
        f"AWS cannot run stage `{stage.name}` of pipeline `{deployment.pipeline}`: it asks for {wanted.cpu:g} CPUs and "
        f"{wanted.memory:,} MiB, and a task on Fargate has up to {cpu:g} and {memory:,}",
        site=deployment.site,
        fix=f"write Compute(cpu={min(wanted.cpu, cpu):g}, memory={min(wanted.memory, memory)}), "
        "or split the work into tasks of less",
    )
