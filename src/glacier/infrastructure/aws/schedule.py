"""When a pipeline runs by itself: EventBridge Scheduler, under a role that may do nothing but start it."""

from __future__ import annotations

from glacier.blueprint import Because, Block, Declaration, Ref, Value, Waiver
from glacier.errors import UnsupportedError
from glacier.infrastructure.aws.access import Access, Identity, Right, access_of
from glacier.infrastructure.aws.account import Account
from glacier.infrastructure.aws.keys import KmsKeys
from glacier.infrastructure.aws.network import Network
from glacier.infrastructure.aws.policies import Statement
from glacier.infrastructure.aws.queues import dead_letters, sending
from glacier.infrastructure.aws.running import starts
from glacier.schedules import Schedule, spelled

SCHEDULER = Identity("scheduler")
QUEUE = "schedule"
"""What the queue of runs that could not be started is declared as."""

_NAME = 64
_RETRIES, _RETRIED_SECONDS = 3, 3600


def schedule_declarations(
    account: Account, keys: KmsKeys, target: Declaration, here: Declaration, network: Network, access: Access
) -> list[Declaration]:
    """Gives the schedule of a pipeline that has one, and the queue of runs that could not be started.

    Args:
        account: where.
        keys: of the pipeline.
        target: what is started: the state machine, or the only task's definition.
        here: the cluster of tasks.
        network: of tasks.
        access: what its role may do.

    Raises:
        UnsupportedError: AWS has no such schedule.
    """
    schedule = account.deployment.schedule
    if schedule is None:
        return []
    name = account.called(longest=_NAME, what="a schedule")
    group = Declaration("aws_scheduler_schedule_group", "this", "schedule", {"name": name})
    queue, *rest = dead_letters(account, keys, QUEUE, "not-started", "schedule")
    started: dict[str, Value] = {"arn": target.ref("arn"), "input": "{}"}
    if target.kind == "aws_ecs_task_definition":
        placed = Block(
            {
                "subnets": network.subnets,
                "security_groups": (network.group,),
                "assign_public_ip": network.public,
            }
        )
        task = Block(
            {
                "task_definition_arn": target.ref("arn"),
                "launch_type": "FARGATE",
                "task_count": 1,
                "network_configuration": placed,
            }
        )
        started = {"arn": here.ref("arn"), "ecs_parameters": task}
    what = Block(
        {
            **started,
            "role_arn": SCHEDULER.ref("arn"),
            "retry_policy": Block(
                {"maximum_retry_attempts": _RETRIES, "maximum_event_age_in_seconds": _RETRIED_SECONDS}
            ),
            "dead_letter_config": Block({"arn": queue.ref("arn")}),
        }
    )
    declaration = Declaration(
        "aws_scheduler_schedule",
        "this",
        "schedule",
        {
            "name": name,
            "group_name": group.ref("name"),
            "description": f"Starts {account.deployment.pipeline}.",
            "schedule_expression": expression(account, schedule),
            "schedule_expression_timezone": schedule.timezone,
            "kms_key_arn": keys.of(),
            "flexible_time_window": Block({"mode": "OFF"}),
            "target": what,
        },
        after=access.policies,
        waivers=() if keys.of() else (Waiver("CKV_AWS_297", 'a key of your own comes with hardening="strict"'),),
        because=because(account),
    )
    return [group, queue, *rest, declaration]


def schedule_access(account: Account, keys: KmsKeys, target: Declaration, here: Declaration) -> Access:
    """Gives the role that starts the pipeline by schedule; nothing without a schedule."""
    if account.deployment.schedule is None:
        return Access()
    causes = because(account)
    if target.kind == "aws_sfn_state_machine":
        run = Statement("StartsRuns", ("states:StartExecution",), (target.ref("arn"),), because=causes)
        rights = [Right(run, ((f"state machine {target.arguments['name']}", causes),))]
    else:
        rights = starts({account.deployment.stages[0].name: target}, here, causes)
    rights += sending(account, keys, Ref("aws_sqs_queue", QUEUE, ("arn",)), causes)
    key = keys.of()
    if key is not None:
        reads = Statement("DecryptsSchedule", ("kms:Decrypt",), (key,), because=causes)
        rights.append(Right(reads, (("the key of the schedule", causes),)))
    return access_of(account, SCHEDULER, rights, causes)


def expression(account: Account, schedule: Schedule) -> str:
    """Gives a cron expression as EventBridge Scheduler has it: with a year, and weekdays from 1, a Sunday.

    Raises:
        UnsupportedError: it names days of the month and of the week, of which EventBridge takes either.
    """
    if schedule.day is not None and schedule.weekday is not None:
        raise UnsupportedError(
            f"AWS cannot run pipeline `{account.deployment.pipeline}` at `{schedule.text}`: EventBridge Scheduler "
            "takes days of the month or days of the week, not both",
            site=schedule.site,
            fix='write "*" for one of the two, or make two pipelines that call this one',
        )
    weekdays = None if schedule.weekday is None else tuple(day + 1 for day in schedule.weekday)
    days = "?" if weekdays is not None else spelled(schedule.day)
    fields = (spelled(schedule.minute), spelled(schedule.hour), days, spelled(schedule.month))
    return f"cron({' '.join(fields)} {'?' if weekdays is None else spelled(weekdays)} *)"


def because(account: Account) -> tuple[Because, ...]:
    """Gives why there is a schedule."""
    schedule = account.deployment.schedule
    assert schedule is not None
    site = schedule.site
    where = f"{site.file.rsplit('/', 1)[-1]}:{site.line}" if site else ""
    return (Because(f'schedule="{schedule.text}", timezone="{schedule.timezone}"', where, site),)
