"""How a pipeline runs in a cloud, whichever it is."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from glacier.config.checks import Checks
from glacier.errors import Site

Hardening = Literal["standard", "strict"]
LogRetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731]

_RETENTION = "the days that CloudWatch Logs takes; the other clouds take any"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class Compute:
    """The machine that tasks run on in a cloud: it has at least this much. A cloud takes its smallest size that fits.

    Attributes:
        cpu: in cores, from 0.25 on.
        memory: in MiB, from 512 on.
        name: of the stage that runs on it; that of its first task if left out.

    >>> Compute(cpu=4, memory=16_384).memory
    16384
    """

    cpu: float = 1
    memory: int = 2048
    name: str | None = None

    def __post_init__(self) -> None:
        checks = Checks(self, Site.of_caller(sys._getframe(2)))
        cpu = cast("object", self.cpu)
        if isinstance(cpu, bool) or not isinstance(cpu, int | float) or not 0.25 <= cpu <= 1000:
            raise checks.refusal("cpu", "takes cores, at least 0.25", limit="", fix="write cpu=1")
        checks.whole("memory", 512, None, unit="MiB", limit="the least that a container job has in every cloud")
        checks.text("name")
        if self.name is not None and not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", self.name):
            raise checks.refusal(
                "name", "takes up to 40 lower-case letters, digits and hyphens", limit="", fix='write name="train"'
            )


@dataclass(frozen=True, kw_only=True)
class DeployConfig:
    """How a pipeline runs in its cloud. Has no meaning for a run on this machine.

    Attributes:
        compute: the machine of tasks that name none of their own.
        timeout: of a run, in seconds, 60 to 86,400.
        retries: how often a stage that failed is started again, 0 to 10.
        overlap: whether a run may start while the one before it goes on; if False, it ends at once, well.
        alert: an e-mail address that is told of failures.
        subnets: ids of subnets of yours to run in; where the cloud needs some and none are given, they are made.
        log_retention_days: how long logs are kept.
        hardening: `"strict"` adds what costs money: keys of your own, access logs, logs of a year at least.
        requirements: packages that the image needs besides those that the project's modules import.
        records: the bucket for the records of runs and for what stages hand on; `<pipeline>-runs` if left out.

    >>> DeployConfig(compute=Compute(cpu=2, memory=8192), alert="data@acme.com").timeout
    3600
    """

    compute: Compute = Compute()
    timeout: int = 3600
    retries: int = 0
    overlap: bool = False
    alert: str | None = None
    subnets: Sequence[str] = ()
    log_retention_days: LogRetentionDays = 30
    hardening: Hardening = "standard"
    requirements: Sequence[str] = ()
    records: str | None = None

    def __post_init__(self) -> None:
        checks = Checks(self, Site.of_caller(sys._getframe(2)))
        if not isinstance(cast("object", self.compute), Compute):
            raise checks.refusal("compute", "takes a Compute", limit="", fix="write compute=Compute(cpu=2)")
        checks.whole("timeout", 60, 86_400, unit="seconds", limit="Cloud Run jobs: task timeout without preview")
        checks.whole("retries", 0, 10, unit="retries", limit="Cloud Run jobs: maximum retries")
        checks.flag("overlap")
        checks.text("alert")
        if self.alert is not None and not _EMAIL.fullmatch(self.alert):
            raise checks.refusal("alert", "takes an e-mail address", limit="", fix='write alert="data@acme.com"')
        checks.choice("log_retention_days", get_args(LogRetentionDays), limit=_RETENTION)
        checks.choice("hardening", get_args(Hardening), limit="")
        for name in ("subnets", "requirements"):
            given = cast("object", getattr(self, name))
            items = cast("Sequence[object]", given)
            if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(i, str) for i in items):
                raise checks.refusal(name, "takes a list of text", limit="", fix=f'write {name}=["..."]')
            object.__setattr__(self, name, tuple(items))
        checks.text("records")
        if self.records is not None and not _BUCKET.fullmatch(self.records):
            raise checks.refusal("records", "takes a bucket's name", limit="", fix='write records="sales-runs"')
