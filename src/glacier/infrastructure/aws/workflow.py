"""In which order stages run, where there are several, and how often one that failed is started again.

A state machine of Step Functions starts the task of each stage, waits for it, and stops it where it takes too long. A
task is told the id of the run, which is the name of the execution. ECS by itself never starts a task that failed again,
so a pipeline of one stage has a state machine too where retries are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from glacier.blueprint import Because, Block, Declaration, Json, Value, text
from glacier.deployment.arrangement import Parallel, Step, arranged, first_of
from glacier.deployment.commands import RUN_ID
from glacier.infrastructure.aws.access import Access, Identity, Right, access_of
from glacier.infrastructure.aws.account import Account
from glacier.infrastructure.aws.functions import traces
from glacier.infrastructure.aws.jobs import CONTAINER
from glacier.infrastructure.aws.keys import KmsKeys
from glacier.infrastructure.aws.logs import log_group
from glacier.infrastructure.aws.network import Network
from glacier.infrastructure.aws.policies import Statement
from glacier.infrastructure.aws.running import starts

WORKFLOW = Identity("workflow")

_NAME = 80
_STARTING_SECONDS = 900
"""For which a task may wait for a machine and its image, beyond the time that the run itself may take."""
_BUSY: dict[str, Value] = {
    "ErrorEquals": ("ECS.AmazonECSException", "ECS.ServerException", "ECS.ThrottlingException"),
    "IntervalSeconds": 15,
    "MaxAttempts": 5,
    "BackoffRate": 2,
    "JitterStrategy": "FULL",
}
_FIRST_DELAY, _LONGEST_DELAY = 30, 600


def is_needed(account: Account) -> bool:
    """Whether a pipeline has something that starts its stages, and starts them again."""
    deployment = account.deployment
    return len(deployment.stages) > 1 or deployment.options.retries > 0


def workflow_declarations(
    account: Account,
    keys: KmsKeys,
    tasks: Mapping[str, Declaration],
    here: Declaration,
    network: Network,
    access: Access,
) -> list[Declaration]:
    """Gives the state machine, after the group of its logs; nothing where a single task does.

    Args:
        account: where.
        keys: of the pipeline.
        tasks: their definitions, by the names of their stages.
        here: the cluster of tasks.
        network: of tasks.
        access: what its role may do.
    """
    if not is_needed(account):
        return []
    name = account.called(longest=_NAME, what="a state machine")
    logs = log_group(account, keys, "workflow", f"/aws/vendedlogs/states/{name}", "schedule")
    states = _States(account, tasks, here, network)
    declaration = Declaration(
        "aws_sfn_state_machine",
        "this",
        "schedule",
        {
            "name": name,
            "type": "STANDARD",
            "role_arn": WORKFLOW.ref("arn"),
            "definition": Json(
                {
                    "Comment": f"Runs the stages of {account.deployment.pipeline} in order.",
                    **states.machine(arranged(account.deployment.stages)),
                }
            ),
            "logging_configuration": Block(
                {
                    "log_destination": text(logs.ref("arn"), ":*"),
                    "include_execution_data": True,
                    "level": "ALL",
                }
            ),
            "tracing_configuration": Block({"enabled": True}),
        },
        after=access.policies,
    )
    return [logs, declaration]


def workflow_access(account: Account, tasks: Mapping[str, Declaration], here: Declaration) -> Access:
    """Gives the role of the state machine; nothing where there is none."""
    if not is_needed(account):
        return Access()
    because = (Because("the state machine runs the stages"),)
    cluster: dict[str, dict[str, Value]] = {"ArnEquals": {"ecs:cluster": here.ref("arn")}}
    running = account.arn("ecs", "task/", here.ref("name"), "/*")
    rule = account.arn("events", "rule/StepFunctionsGetEventsForECSTaskRule")
    rights = [
        *starts(tasks, here, because),
        Right(
            Statement("WatchesTasks", ("ecs:DescribeTasks", "ecs:StopTask"), (running,), cluster, because),
            (("the tasks of the cluster", because),),
        ),
        Right(
            Statement(
                "HearsOfTasks", ("events:DescribeRule", "events:PutRule", "events:PutTargets"), (rule,), because=because
            ),
            (("the rule by which Step Functions hears of tasks", because),),
        ),
        Right(
            Statement("DeliversLogs", _DELIVERY, ("*",), because=because),
            (("the account's deliveries of logs, which have no names", because),),
        ),
        traces(*_SAMPLES),
    ]
    return access_of(account, WORKFLOW, rights, because)


_SAMPLES = ("xray:GetSamplingRules", "xray:GetSamplingTargets")
"""By which Step Functions learns what of it to trace; Lambda does not ask. (Step Functions: IAM policies for X-Ray)"""
_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
"""What Step Functions needs to write its log. (Step Functions: logging with CloudWatch Logs, IAM policies)"""


class _States:
    """Writes steps as states of the Amazon States Language."""

    def __init__(self, account: Account, tasks: Mapping[str, Declaration], here: Declaration, network: Network) -> None:
        self.options = account.deployment.options
        self.partition = account.partition
        self.tasks = tasks
        self.here = here
        self.network = network

    def machine(self, steps: Sequence[Step], depth: int = 0) -> dict[str, Value]:
        """Gives steps that follow each other."""
        names = [_name(step, depth) for step in steps]
        following: list[dict[str, Value]] = [{"Next": name} for name in names[1:]]
        ends: list[dict[str, Value]] = [*following, {"End": True}]
        states: dict[str, Value] = {
            name: {**self._state(step, depth), **end} for name, step, end in zip(names, steps, ends, strict=True)
        }
        return {"StartAt": names[0], "States": states}

    def _state(self, step: Step, depth: int) -> dict[str, Value]:
        if isinstance(step, Parallel):
            branches = tuple(self.machine(branch, depth + 1) for branch in step.branches)
            return {"Type": "Parallel", "ResultSelector": {}, "Branches": branches}
        run_id: dict[str, Value] = {"Name": RUN_ID, "Value.$": "$$.Execution.Name"}
        return {
            "Type": "Task",
            "Resource": f"arn:{self.partition}:states:::ecs:runTask.sync",
            "Parameters": {
                "Cluster": self.here.ref("arn"),
                "TaskDefinition": self.tasks[step].ref("arn"),
                "LaunchType": "FARGATE",
                "NetworkConfiguration": self.network.configuration,
                "Overrides": {"ContainerOverrides": ({"Name": CONTAINER, "Environment": (run_id,)},)},
            },
            "ResultSelector": {},
            "TimeoutSeconds": self.options.timeout + _STARTING_SECONDS,
            "Retry": tuple(self._retries()),
        }

    def _retries(self) -> Iterator[Value]:
        yield _BUSY
        if self.options.retries:
            yield {
                "ErrorEquals": ("States.TaskFailed",),
                "IntervalSeconds": _FIRST_DELAY,
                "MaxAttempts": self.options.retries,
                "BackoffRate": 2,
                "MaxDelaySeconds": _LONGEST_DELAY,
            }


def _name(step: Step, depth: int) -> str:
    """Gives the name of a state, which no other one has at any depth."""
    if isinstance(step, str):
        return step
    return f"beside {first_of(step)}" + (f", {depth} deep" if depth else "")
