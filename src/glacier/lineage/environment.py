"""Whether the environment asks for lineage; nothing more is imported where it does not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glacier.lineage.lineage import Lineage


def lineage(settings: Mapping[str, str] | None = None, *, whole: bool = True) -> Lineage | None:
    """Gives what tells a receiver of OpenLineage of a run; None where the environment names none.

    Args:
        settings: the environment, where it is not that of the process.
        whole: whether all of the pipeline runs here, so that its beginning and end are those of this run.

    >>> lineage({"HOME": "/root"}) is None
    True
    """
    settings = os.environ if settings is None else settings
    if not any(name.startswith("OPENLINEAGE_") for name in settings):
        return None
    from glacier.lineage.lineage import Lineage
    from glacier.lineage.sending import Sender, sends

    send = sends(settings)
    return Lineage(Sender(send), settings, whole=whole) if send is not None else None
