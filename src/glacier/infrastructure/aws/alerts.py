"""Who is told of failures: of a run that failed, and of what could not be started."""

from __future__ import annotations

from collections.abc import Sequence

from glacier.blueprint import Block, Declaration, Json, Value, Waiver
from glacier.infrastructure.aws.account import Account
from glacier.infrastructure.aws.keys import KmsKeys
from glacier.infrastructure.aws.policies import policy

_TOPIC, _RULE = 256, 64
_PERIOD_SECONDS = 300
_UNENCRYPTED = Waiver(
    "CKV_AWS_26",
    'EventBridge publishes to no topic that AWS\'s own key encrypts; a key of your own comes with hardening="strict"',
)


def alert_declarations(
    account: Account, keys: KmsKeys, target: Declaration, here: Declaration, queues: Sequence[Declaration]
) -> list[Declaration]:
    """Gives a topic to the e-mail address, and what is sent there; nothing without one.

    Args:
        account: where.
        keys: of the pipeline.
        target: what is started when the pipeline runs: the state machine, or the only task's definition.
        here: the cluster of tasks.
        queues: of what could not be done, all in the pipeline's region.
    """
    address = account.deployment.options.alert
    if address is None:
        return []
    key = keys.of()
    topic = Declaration(
        "aws_sns_topic",
        "failures",
        "alerts",
        {
            "name": account.called("failures", longest=_TOPIC, what="a topic"),
            "display_name": f"Failures of {account.deployment.pipeline}"[:100],
            "kms_master_key_id": key,
        },
        waivers=() if key else (_UNENCRYPTED,),
    )
    subscribed: dict[str, Value] = {"topic_arn": topic.ref("arn"), "protocol": "email", "endpoint": address}
    rule = _rule(account, target, here)
    alarms = [_alarm(account, queue, topic) for queue in queues]
    allowed = policy(_statements(topic, alarms))
    permitted: dict[str, Value] = {"arn": topic.ref("arn"), "policy": allowed}
    sent: dict[str, Value] = {
        "rule": rule.ref("name"),
        "target_id": "failures",
        "arn": topic.ref("arn"),
        "input_transformer": _message(account, target),
    }
    return [
        topic,
        Declaration("aws_sns_topic_policy", "failures", "alerts", permitted),
        Declaration("aws_sns_topic_subscription", "failures", "alerts", subscribed),
        rule,
        Declaration("aws_cloudwatch_event_target", "failures", "alerts", sent),
        *alarms,
    ]


def _rule(account: Account, target: Declaration, here: Declaration) -> Declaration:
    """Gives what is looked out for: an execution of the state machine, or a task of the cluster, that ended badly."""
    pattern: dict[str, Value] = {
        "source": ("aws.ecs",),
        "detail-type": ("ECS Task State Change",),
        "detail": {
            "clusterArn": (here.ref("arn"),),
            "lastStatus": ("STOPPED",),
            "$or": (
                {"containers": {"exitCode": ({"anything-but": 0},)}},
                {"stopCode": ("TaskFailedToStart",)},
            ),
        },
    }
    if target.kind == "aws_sfn_state_machine":
        pattern = {
            "source": ("aws.states",),
            "detail-type": ("Step Functions Execution Status Change",),
            "detail": {
                "stateMachineArn": (target.ref("arn"),),
                "status": ("FAILED", "TIMED_OUT", "ABORTED"),
            },
        }
    return Declaration(
        "aws_cloudwatch_event_rule",
        "failures",
        "alerts",
        {
            "name": account.called("failures", longest=_RULE, what="a rule"),
            "description": f"Runs of {account.deployment.pipeline} that failed.",
            "event_pattern": Json(pattern),
        },
    )


def _message(account: Account, target: Declaration) -> Block:
    pipeline = account.deployment.pipeline
    if target.kind == "aws_sfn_state_machine":
        paths: dict[str, Value] = {"run": "$.detail.name", "status": "$.detail.status"}
        said = f"A run of {pipeline} ended as <status>: execution <run> in Step Functions, {account.region}."
    else:
        paths = {"reason": "$.detail.stoppedReason", "task": "$.detail.taskArn"}
        said = f"A run of {pipeline} failed: <reason>. It was task <task>."
    return Block({"input_paths": paths, "input_template": f'"{said}"'})


def _alarm(account: Account, queue: Declaration, topic: Declaration) -> Declaration:
    pipeline = account.deployment.pipeline
    what = "A run could not be started" if queue.concern == "schedule" else "An invocation failed"
    return Declaration(
        "aws_cloudwatch_metric_alarm",
        queue.name,
        "alerts",
        {
            "alarm_name": queue.arguments["name"],
            "alarm_description": f"{what}: pipeline {pipeline}. The queue of this name holds what was asked.",
            "namespace": "AWS/SQS",
            "metric_name": "ApproximateNumberOfMessagesVisible",
            "dimensions": {"QueueName": queue.ref("name")},
            "statistic": "Maximum",
            "period": _PERIOD_SECONDS,
            "evaluation_periods": 1,
            "comparison_operator": "GreaterThanThreshold",
            "threshold": 0,
            "treat_missing_data": "notBreaching",
            "alarm_actions": (topic.ref("arn"),),
        },
    )


def _statements(topic: Declaration, alarms: Sequence[Declaration]) -> list[Value]:
    """Gives who may publish: EventBridge and the alarms, over TLS, and nobody else.

    EventBridge does not say for which rule it publishes, so no condition would ever hold. (Amazon EventBridge User
    Guide: using resource-based policies)
    """
    publishes: dict[str, Value] = {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic.ref("arn")}
    found: list[Value] = [{"Sid": "Rule", "Principal": {"Service": "events.amazonaws.com"}, **publishes}]
    if alarms:
        sources = tuple(one.ref("arn") for one in alarms)
        found.append(
            {
                "Sid": "Alarms",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                **publishes,
                "Condition": {"ArnEquals": {"aws:SourceArn": sources}},
            }
        )
    refused: dict[str, Value] = {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": topic.ref("arn"),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return [*found, refused]
