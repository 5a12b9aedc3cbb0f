"""Policies of IAM: statements, documents, and how long they may be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from glacier.blueprint import AssetPath, Because, Block, Declaration, Either, Json, Ref, Text, Value, Variable
from glacier.deployment.grants import together
from glacier.errors import UnsupportedError
from glacier.infrastructure.aws.account import Account

INLINE = 10_240
"""Characters of all policies within one role, without white space. (IAM and STS quotas)"""
MANAGED = 6_144
"""Characters of a policy of its own. (IAM and STS quotas)"""
ATTACHED = 10
"""Policies of their own that one role may have. (IAM and STS quotas)"""

_UNKNOWN = 128
"""Characters that the value of a reference is taken to have; ARNs of what is made here have fewer."""

Conditions = Mapping[str, Mapping[str, Value]]


@dataclass(frozen=True)
class Statement:
    """What may be done, to what, and when.

    Attributes:
        sid: its name in the policy: letters and digits.
        actions: `s3:GetObject`.
        resources: ARNs, with wildcards where a prefix is meant.
        conditions: by operator, keys of the request's context with the values they may have.
        because: what in the user's code needs it.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[Value, ...]
    conditions: Conditions = field(default_factory=dict[str, Mapping[str, Value]])
    because: tuple[Because, ...] = ()

    def document(self) -> Value:
        """Gives it as IAM reads it."""
        found: dict[str, Value] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": _plain(self.actions),
            "Resource": _plain(self.resources),
        }
        return {**found, "Condition": self.conditions} if self.conditions else found


def policy(statements: Iterable[Value]) -> Json:
    """Gives a policy's document."""
    return Json({"Version": "2012-10-17", "Statement": tuple(statements)})


def trust(account: Account, service: str, source: Value = None) -> Json:
    """Gives who may act as a role: a service of AWS.

    Args:
        account: on whose behalf alone.
        service: `lambda`.
        source: the ARN, with wildcards, of what the service does it for; services that do not say get None.
    """
    statement: dict[str, Value] = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    if source is not None:
        statement["Condition"] = {"ArnLike": {"aws:SourceArn": source}}
    return policy([statement])


def policies(account: Account, role: Ref, statements: Sequence[Statement]) -> list[Declaration]:
    """Gives the policies of a role: one within it; where it is too long for that, several of their own.

    Args:
        account: where.
        role: the declared role; the policies are named for it.
        statements: what it may do.

    Raises:
        UnsupportedError: they are longer than IAM takes for one role.
    """
    if not statements:
        return []
    name = role.name
    because = together(*(one.because for one in statements))
    if length(policy(one.document() for one in statements)) <= INLINE:
        inline: dict[str, Value] = {
            "name": "access",
            "role": Ref(role.kind, name, ("id",)),
            "policy": policy(one.document() for one in statements),
        }
        return [Declaration("aws_iam_role_policy", name, "access", inline, because=because)]
    found: list[Declaration] = []
    parts = list(_parts(statements))
    if len(parts) > ATTACHED:
        raise UnsupportedError(
            f"AWS cannot give `{name.replace('_', ' ')}` of pipeline `{account.deployment.pipeline}` its rights: they "
            f"take {len(parts)} policies, and a role has up to {ATTACHED}",
            site=account.deployment.site,
            fix="let its tasks read folders in place of many single objects, or put some on a machine of their own: "
            '@task(compute=Compute(name="..."))',
        )
    for number, part in enumerate(parts, start=1):
        own: dict[str, Value] = {
            "name": account.role(f"{name}-{number}", "policy"),
            "description": f"Part {number} of what {name.replace('_', ' ')} may do.",
            "policy": policy(one.document() for one in part),
        }
        made = Declaration("aws_iam_policy", f"{name}_{number}", "access", own, because=because)
        attached: dict[str, Value] = {"role": Ref(role.kind, name, ("name",)), "policy_arn": made.ref("arn")}
        found += [made, Declaration("aws_iam_role_policy_attachment", made.name, "access", attached)]
    return found


def length(value: Value) -> int:
    """Gives how many characters a document has for IAM at most, which does not count white space."""
    return len(json.dumps(_known(value), separators=(",", ":"), ensure_ascii=False))


def _parts(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    """Gives statements in groups that fit into policies of their own, long ones divided."""
    part: list[Statement] = []
    around = length(policy([]))
    total = around
    for statement in (piece for one in statements for piece in _pieces(one)):
        own = length(statement.document()) + 1  # the comma before it
        if part and total + own > MANAGED:
            yield part
            part, total = [], around
        part.append(statement)
        total += own
    yield part


def _pieces(statement: Statement) -> Iterator[Statement]:
    if length(policy([statement.document()])) <= MANAGED:
        yield statement
        return
    for half, letter in zip(_halves(statement), "AB", strict=True):
        yield from _pieces(replace(half, sid=f"{statement.sid}{letter}"))


def _halves(statement: Statement) -> tuple[Statement, Statement]:
    """Gives two statements that allow what one did: half of the resources each, or half of a condition's values."""
    many = statement.resources
    if len(many) > 1:
        middle = len(many) // 2
        return replace(statement, resources=many[:middle]), replace(statement, resources=many[middle:])
    operator, key, values = max(
        (
            (operator, key, values)
            for operator, keys in statement.conditions.items()
            for key, values in keys.items()
            if isinstance(values, tuple)
        ),
        key=lambda each: len(each[2]),
    )
    middle = len(values) // 2
    first, second = (
        replace(
            statement,
            conditions={**statement.conditions, operator: {**statement.conditions[operator], key: half}},
        )
        for half in (values[:middle], values[middle:])
    )
    return first, second


def _plain(values: tuple[Value, ...]) -> Value:
    return values[0] if len(values) == 1 else values


def _known(value: Value) -> object:
    """Gives a document with stand-ins for what is not known yet."""
    match value:
        case Json(document):
            return _known(document)
        case Text(parts):
            return "".join(part if isinstance(part, str) else "x" * _UNKNOWN for part in parts)
        case tuple():
            return [_known(one) for one in value]
        case Mapping():
            return {key: _known(one) for key, one in value.items()}
        case Ref() | Variable() | AssetPath() | Either() | Block():
            return "x" * _UNKNOWN
        case _:
            return value
