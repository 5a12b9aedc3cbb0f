"""What Azure Resource Manager makes of a template: things that azurerm has no working resource for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from glacier.blueprint import Concern, Declaration, Json, Value
from glacier.infrastructure.azure.place import Place

_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_NAME = 64


def deployed(
    place: Place,
    name: str,
    concern: Concern,
    resources: Sequence[Mapping[str, Value]],
    parameters: Mapping[str, Value],
    *,
    keeps_data: bool = False,
) -> Declaration:
    """Gives a template's deployment; what it made goes with it.

    Args:
        place: where.
        name: of the declaration, and a part of the deployment's.
        concern: what it is for.
        resources: as templates have them; they name parameters as `[parameters('x')]`.
        parameters: their values: text.
        keeps_data: whether it must never be destroyed by an apply.
    """
    template: dict[str, Value] = {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {parameter: {"type": "string"} for parameter in parameters},
        "resources": tuple(resources),
    }
    given: dict[str, Value] = {parameter: {"value": value} for parameter, value in parameters.items()}
    return Declaration(
        "azurerm_resource_group_template_deployment",
        name,
        concern,
        {
            "name": place.short(name, longest=_NAME, what="a deployment of a template"),
            "resource_group_name": place.group,
            "deployment_mode": "Incremental",
            "template_content": Json(template),
            "parameters_content": Json(given),
            "tags": place.tags,
        },
        keeps_data=keeps_data,
    )
