"""What starting a task takes, whoever starts it: to run the family, and to hand the roles over to ECS."""

from __future__ import annotations

from collections.abc import Mapping

from glacier.blueprint import Because, Declaration, Value, text
from glacier.infrastructure.aws.access import Identity, Right
from glacier.infrastructure.aws.jobs import AGENT
from glacier.infrastructure.aws.policies import Statement


def starts(tasks: Mapping[str, Declaration], here: Declaration, because: tuple[Because, ...]) -> list[Right]:
    """Gives the rights to run tasks in the cluster.

    Args:
        tasks: their definitions, by the names of their stages.
        here: the cluster.
        because: who needs it.
    """
    families: tuple[Value, ...] = tuple(text(one.ref("arn_without_revision"), ":*") for one in tasks.values())
    in_cluster: dict[str, dict[str, Value]] = {"ArnEquals": {"ecs:cluster": here.ref("arn")}}
    roles: tuple[Value, ...] = (
        AGENT.ref("arn"),
        *(Identity("stage", name).ref("arn") for name in tasks),
    )
    to_tasks: dict[str, dict[str, Value]] = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    return [
        Right(
            Statement("RunsTasks", ("ecs:RunTask",), families, in_cluster, because),
            tuple((f"task {one.arguments['family']}", because) for one in tasks.values()),
        ),
        Right(
            Statement("PassesRoles", ("iam:PassRole",), roles, to_tasks, because),
            (("the roles of the stages, to tasks alone", because),),
        ),
    ]
