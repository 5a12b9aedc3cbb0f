"""Where logs go: a Log Analytics workspace of the pipeline's, to which nobody writes with a key."""

from __future__ import annotations

from glacier.blueprint import Block, Concern, Declaration, Ref, Text, Value
from glacier.infrastructure.azure.place import Place

WORKSPACE = Ref("azurerm_log_analytics_workspace", "this", ("id",))

_FEWEST, _MOST, _STRICT = 30, 730, 365
"""Days that a workspace keeps what it gets. (Azure Monitor Logs: data retention)"""
_NAME = 63


def rounded(place: Place) -> bool:
    """Tells whether Azure keeps logs for more or fewer days than asked for."""
    return days(place) != place.deployment.options.log_retention_days


def days(place: Place) -> int:
    """Gives for how many days logs are kept: as many as asked for, if Azure has it so."""
    wanted = place.deployment.options.log_retention_days
    return min(max(wanted, _STRICT if place.strict else _FEWEST), _MOST)


def workspace(place: Place) -> Declaration:
    """Gives the workspace."""
    name = place.called(longest=_NAME, what="a Log Analytics workspace")
    return Declaration(
        WORKSPACE.kind,
        WORKSPACE.name,
        "jobs",
        {
            "name": name,
            **place.common(),
            "sku": "PerGB2018",
            "retention_in_days": days(place),
            "local_authentication_enabled": False,
            "tags": place.tags,
        },
    )


def sent(name: str, source: Ref | Text | str, categories: tuple[str, ...], concern: Concern = "jobs") -> Declaration:
    """Gives what sends logs of a thing to the workspace.

    Args:
        name: of the declaration.
        source: the thing, by its id.
        categories: of its logs.
        concern: what it is for.
    """
    arguments: dict[str, Value] = {
        "name": "glacier",
        "target_resource_id": source,
        "log_analytics_workspace_id": WORKSPACE,
        "enabled_log": tuple(Block({"category": category}) for category in categories),
    }
    return Declaration("azurerm_monitor_diagnostic_setting", name, concern, arguments)
