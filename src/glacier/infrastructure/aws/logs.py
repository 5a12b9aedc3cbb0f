"""Groups of logs: how long they are kept, and with whose key."""

from __future__ import annotations

from glacier.blueprint import Because, Concern, Declaration, Value, Waiver
from glacier.infrastructure.aws.account import Account
from glacier.infrastructure.aws.keys import KmsKeys

_STRICT_DAYS = 365
_WAIVERS = (
    Waiver("CKV_AWS_158", 'a key of your own comes with hardening="strict"'),
    Waiver("CKV_AWS_338", 'log_retention_days says how long; hardening="strict" keeps them for a year at least'),
)


def days(account: Account) -> int:
    """Gives for how many days logs are kept."""
    wanted = account.deployment.options.log_retention_days
    return max(wanted, _STRICT_DAYS) if account.strict else wanted


def log_group(
    account: Account,
    keys: KmsKeys,
    name: str,
    called: str,
    concern: Concern = "jobs",
    region: str | None = None,
    because: tuple[Because, ...] = (),
) -> Declaration:
    """Gives a group of logs.

    Args:
        account: where.
        keys: of the pipeline.
        name: of the declaration.
        called: by CloudWatch.
        concern: what it is for.
        region: where, if not in the pipeline's own region.
        because: what in the code it is there for.
    """
    where = region or account.region
    arguments: dict[str, Value] = {
        "name": called,
        **account.elsewhere(where),
        "retention_in_days": days(account),
        "kms_key_id": keys.of(where),
    }
    year = days(account) >= _STRICT_DAYS
    waivers = () if account.strict else _WAIVERS[:1] if year else _WAIVERS
    return Declaration("aws_cloudwatch_log_group", name, concern, arguments, because=because, waivers=waivers)
