"""Who may do what: a role for each stage and function, with the actions that its code takes on the very objects.

Rights to read, write and delete are on names of objects. Listing is a right on the bucket, so it has a condition on the
prefix that is asked for. S3 asks the same of who looks for an object that is not there, with the object's whole name in
the place of the prefix; who may not list is told that it is forbidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from glacier.blueprint import Because, Declaration, Permission, Ref, Value, text
from glacier.deployment.grants import Reasons, on_buckets, on_functions, together
from glacier.deployment.needs import DeclaredBucket, Grant, Keys, Verb, identifier
from glacier.infrastructure.aws.account import Account
from glacier.infrastructure.aws.buckets import bucket_ref
from glacier.infrastructure.aws.keys import KmsKeys
from glacier.infrastructure.aws.policies import Statement, policies, trust

Holder = Literal["stage", "function", "agent", "scheduler", "workflow", "flow"]

ACTIONS: Mapping[Verb, tuple[str, ...]] = {
    "read": ("s3:GetObject",),
    "list": ("s3:ListBucket",),
    "write": ("s3:PutObject", "s3:AbortMultipartUpload"),
    "delete": ("s3:DeleteObject",),
    "invoke": ("lambda:InvokeFunction",),
}
"""What each verb takes. To replace an object is to put it. (Amazon S3: actions, resources and condition keys)"""

_WORDS: Mapping[Verb, str] = {"read": "Reads", "list": "Lists", "write": "Writes", "delete": "Deletes"}
_SCHEDULES = Ref("aws_scheduler_schedule_group", "this", ("name",))
_DECRYPT = ("kms:Decrypt",)
_ENCRYPT = ("kms:Decrypt", "kms:GenerateDataKey")
_Use = tuple[DeclaredBucket, tuple[Because, ...]]
"""A bucket, and who needs it."""


@dataclass(frozen=True)
class Identity:
    """A role, and what runs under it.

    Attributes:
        part: the stage's or function's name; empty for what a pipeline has one of.
    """

    kind: Holder
    part: str = ""

    @property
    def name(self) -> str:
        """What its declarations are called."""
        return identifier(f"{self.kind}-{self.part}") if self.part else self.kind

    @property
    def title(self) -> str:
        """How people are told of it."""
        return f"{self.kind} {self.part}" if self.part else self.kind

    def ref(self, attribute: str) -> Ref:
        """Gives a reference to its role."""
        return Ref("aws_iam_role", self.name, (attribute,))


@dataclass(frozen=True)
class Right:
    """A statement, and the same as people are told it.

    Attributes:
        scopes: what it is on, each with who needs it.
    """

    statement: Statement
    scopes: tuple[tuple[str, tuple[Because, ...]], ...]


@dataclass(frozen=True)
class Access:
    """Declarations, and the same as people are told it."""

    declarations: tuple[Declaration, ...] = ()
    permissions: tuple[Permission, ...] = ()

    @property
    def policies(self) -> tuple[Ref, ...]:
        """What has to be there before something acts with these rights."""
        return tuple(one.ref() for one in self.declarations if one.kind not in ("aws_iam_role", "aws_iam_policy"))


def access_of(
    account: Account, identity: Identity, rights: Sequence[Right], because: tuple[Because, ...] = ()
) -> Access:
    """Gives a role with its policies.

    Raises:
        UnsupportedError: it may do more than IAM's policies hold.
    """
    kind = {"stage": "", "function": "fn"}.get(identity.kind, identity.kind)
    service, source = _trusted(account, identity.kind)
    role = Declaration(
        "aws_iam_role",
        identity.name,
        "access",
        {
            "name": account.role(identity.part, kind),
            "description": f"{account.deployment.pipeline}: {identity.title}",
            "assume_role_policy": trust(account, service, source),
        },
        because=because,
    )
    statements = [right.statement for right in rights]
    return Access(
        (role, *policies(account, role.ref(), statements)),
        tuple(
            Permission(identity.title, right.statement.actions, scope, reasons)
            for right in rights
            for scope, reasons in right.scopes
        ),
    )


def joined(several: Iterable[Access]) -> Access:
    """Gives several as one."""
    every = list(several)
    return Access(
        tuple(one for access in every for one in access.declarations),
        tuple(one for access in every for one in access.permissions),
    )


def granted(account: Account, grants: Iterable[Grant]) -> list[Right]:
    """Gives what grants take: each thing once, no more than they say."""
    every = list(grants)
    found = [_on_bucket(account, bucket, verb, keys) for bucket, verb, keys in on_buckets(every)]
    if invoked := on_functions(every):
        arns = tuple(Ref("aws_lambda_function", identifier(function.name), ("arn",)) for function, _ in invoked)
        statement = Statement(
            "InvokesFunctions", ACTIONS["invoke"], arns, because=together(*(because for _, because in invoked))
        )
        found.append(
            Right(statement, tuple((f"function {function.physical}", because) for function, because in invoked))
        )
    return found


def on_keys(account: Account, keys: KmsKeys, grants: Iterable[Grant]) -> list[Right]:
    """Gives what grants take of the keys of their buckets, through S3 and for those buckets alone.

    Who writes in parts, or copies, has S3 decrypt what is there so far.
    """
    found: dict[str, Value] = {}
    reads: dict[str, dict[str, _Use]] = {}
    writes: dict[str, dict[str, _Use]] = {}
    for bucket, verb, wanted in on_buckets(grants):
        key = keys.of_bucket(bucket)
        if key is None or verb not in ("read", "write"):
            continue
        name = key if isinstance(key, str) else key.address
        found[name] = key
        because = together(*wanted.values())
        (reads if verb == "read" else writes).setdefault(name, {})[bucket.physical] = (bucket, because)
    rights: list[Right] = []
    for number, name in enumerate(sorted(found), start=1):
        which = str(number) if len(found) > 1 else ""
        written = writes.get(name, {})
        only_read = [use for one, use in reads.get(name, {}).items() if one not in written]
        if only_read:
            rights.append(_on_key(account, f"Decrypts{which}", _DECRYPT, found[name], only_read))
        if written:
            rights.append(_on_key(account, f"Encrypts{which}", _ENCRYPT, found[name], list(written.values())))
    return rights


def _on_key(
    account: Account,
    sid: str,
    actions: tuple[str, ...],
    key: Value,
    used: Sequence[_Use],
) -> Right:
    arns = [bucket_ref(bucket, "arn") for bucket, _ in used]
    services = tuple(sorted({f"s3.{account.region_of(bucket)}.{account.suffix}" for bucket, _ in used}))
    of_objects: tuple[Value, ...] = tuple(value for arn in arns for value in (arn, text(arn, "/*")))
    conditions: dict[str, Mapping[str, Value]] = {
        "StringEquals": {"kms:ViaService": services},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": of_objects},
    }
    because = together(*(causes for _, causes in used))
    return Right(
        Statement(sid, actions, (key,), conditions, because),
        tuple((f"the key of s3://{bucket.physical}", causes) for bucket, causes in used),
    )


def _on_bucket(account: Account, bucket: DeclaredBucket, verb: Verb, keys: Reasons) -> Right:
    arn = bucket_ref(bucket, "arn")
    resources: tuple[Value, ...] = tuple(text(arn, f"/{_pattern(one)}") for one in keys)
    conditions: dict[str, Mapping[str, Value]] = {}
    if verb == "list":
        resources = (arn,)
        if Keys("", below=True) not in keys:
            conditions = {"StringLike": {"s3:prefix": tuple(prefix for one in keys for prefix in _prefixes(one))}}
    because = together(*keys.values())
    return Right(
        Statement(f"{_WORDS[verb]}{account.words[bucket.name]}", ACTIONS[verb], resources, conditions, because),
        tuple((scope(bucket, verb, one), reasons) for one, reasons in keys.items()),
    )


def scope(bucket: DeclaredBucket, verb: Verb, keys: Keys) -> str:
    """Gives what a right on a bucket is on, as people read it."""
    place = f"s3://{bucket.physical}/{keys}"
    return f"{place} (in listings)" if verb == "list" else place


def _prefixes(keys: Keys) -> Iterator[str]:
    """Gives the prefixes that may be asked for: of one object its name, and what would lie below it as in a folder."""
    yield _pattern(keys)
    if not keys.below:
        yield f"{_literal(keys.path)}/"


def _pattern(keys: Keys) -> str:
    return f"{_literal(keys.path)}*" if keys.below else _literal(keys.path)


def _literal(path: str) -> str:
    """Gives text as a pattern of IAM that stands for nothing else: `a*b` as `a${*}b`."""
    return re.sub(r"[*?$]", lambda found: f"${{{found[0]}}}", path)


def _trusted(account: Account, kind: Holder) -> tuple[str, Value]:
    """Gives who acts as a role, and on behalf of what, where its documentation says that it tells."""
    match kind:
        case "stage":
            return "ecs-tasks", account.arn("ecs", "*")
        case "agent":
            return "ecs-tasks", None
        case "function":
            return "lambda", None
        case "scheduler":
            return "scheduler", account.arn("scheduler", "schedule-group/", _SCHEDULES)
        case "workflow":
            return "states", account.arn("states", "stateMachine:*")
        case "flow":
            return "vpc-flow-logs", account.arn("ec2", "vpc-flow-log/*")
