"""Who is told of failures: of a run that failed, and of one that could not be started."""

from __future__ import annotations

from collections.abc import Sequence

from glacier.blueprint import Block, Declaration
from glacier.infrastructure.azure.logs import WORKSPACE
from glacier.infrastructure.azure.place import Place

_EVERY, _WINDOW = "PT5M", "PT15M"
"""How often logs are looked at, and how far back: they come a few minutes late. (Azure Monitor: ingestion time)"""
_SHORT_NAME = 12
_FAILED = (
    'Reason in ("BackoffLimitExceeded", "DeadlineExceeded", "JobExecutionFailed")'
    ' or (Log startswith "Saw completed job" and Log has "condition: Failed")'
)
"""How system logs tell that an execution ended without success: its attempts all failed, or the time was up."""


def alert_declarations(place: Place, jobs: Sequence[Declaration]) -> list[Declaration]:
    """Gives whom failures are told, and by what they are told; nothing without an address.

    Args:
        place: where.
        jobs: what is started when the pipeline runs, and what starts it.
    """
    address = place.deployment.options.alert
    if address is None:
        return []
    pipeline = place.deployment.pipeline
    group = Declaration(
        "azurerm_monitor_action_group",
        "failures",
        "alerts",
        {
            "name": place.called("failures", longest=260, what="an action group"),
            "resource_group_name": place.group,
            "short_name": place.deployment.slug[:_SHORT_NAME].rstrip("-"),
            "tags": place.tags,
            "email_receiver": Block({"name": "failures", "email_address": address, "use_common_alert_schema": True}),
        },
    )
    names = ", ".join(f'"{job.arguments["name"]}"' for job in jobs)
    query = f"ContainerAppSystemLogs | where JobName in ({names}) | where {_FAILED}"
    criteria = Block(
        {
            "query": query,
            "time_aggregation_method": "Count",
            "operator": "GreaterThan",
            "threshold": 0,
            "failing_periods": Block(
                {"minimum_failing_periods_to_trigger_alert": 1, "number_of_evaluation_periods": 1}
            ),
        }
    )
    rule = Declaration(
        "azurerm_monitor_scheduled_query_rules_alert_v2",
        "failed",
        "alerts",
        {
            "name": place.called("failed", longest=260, what="an alert"),
            **place.common(),
            "display_name": f"A run of {pipeline} failed",
            "description": f"A run of {pipeline} failed, or could not be started.",
            "scopes": (WORKSPACE,),
            "severity": 1,
            "evaluation_frequency": _EVERY,
            "window_duration": _WINDOW,
            "mute_actions_after_alert_duration": _WINDOW,
            "auto_mitigation_enabled": False,
            "skip_query_validation": True,
            "tags": place.tags,
            "criteria": criteria,
            "action": Block({"action_groups": (group.ref("id"),)}),
        },
    )
    return [group, rule]
