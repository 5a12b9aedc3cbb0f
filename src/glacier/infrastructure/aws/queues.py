"""Queues for what could not be done: invocations that failed, runs that could not be started."""

from __future__ import annotations

from glacier.blueprint import Because, Concern, Declaration, Ref, Value
from glacier.infrastructure.aws.access import Right
from glacier.infrastructure.aws.account import Account
from glacier.infrastructure.aws.keys import KmsKeys
from glacier.infrastructure.aws.policies import Statement, policy

_KEPT_SECONDS = 14 * 86_400
_REUSE_SECONDS = 300
_NAME = 80


def dead_letters(
    account: Account,
    keys: KmsKeys,
    name: str,
    part: str,
    concern: Concern,
    region: str | None = None,
    because: tuple[Because, ...] = (),
) -> list[Declaration]:
    """Gives a queue that keeps what failed for two weeks, encrypted, for senders over TLS only.

    Args:
        account: where.
        keys: of the pipeline.
        name: of the declarations.
        part: of the queue's name in AWS.
        concern: what it is for.
        region: where, if not in the pipeline's own region.
        because: what in the code it is there for.
    """
    where = region or account.region
    key = keys.of(where)
    place = account.elsewhere(where)
    encrypted: dict[str, Value] = {"sqs_managed_sse_enabled": True}
    if key:
        encrypted = {"kms_master_key_id": key, "kms_data_key_reuse_period_seconds": _REUSE_SECONDS}
    queue = Declaration(
        "aws_sqs_queue",
        name,
        concern,
        {
            "name": account.called(part, longest=_NAME, what="a queue"),
            **place,
            "message_retention_seconds": _KEPT_SECONDS,
            **encrypted,
        },
        because=because,
    )
    refused: dict[str, Value] = {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": queue.ref("arn"),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    arguments: dict[str, Value] = {"queue_url": queue.ref("id"), **place, "policy": policy([refused])}
    return [queue, Declaration("aws_sqs_queue_policy", name, concern, arguments)]


def sending(
    account: Account, keys: KmsKeys, queue: Ref, because: tuple[Because, ...], region: str | None = None
) -> list[Right]:
    """Gives what it takes to put something into such a queue.

    Args:
        account: where.
        keys: of the pipeline.
        queue: a reference to its ARN.
        because: who needs it.
        region: of the queue.
    """
    sends = Statement("SendsDeadLetters", ("sqs:SendMessage",), (queue,), because=because)
    found = [Right(sends, (("the queue of what failed", because),))]
    where = region or account.region
    key = keys.of(where)
    if key is not None:
        through: dict[str, dict[str, Value]] = {"StringEquals": {"kms:ViaService": f"sqs.{where}.{account.suffix}"}}
        uses = Statement("EncryptsDeadLetters", ("kms:Decrypt", "kms:GenerateDataKey"), (key,), through, because)
        found.append(Right(uses, (("the key of that queue", because),)))
    return found
