"""What generated statements allow beyond what a pipeline needs: a table of the five scenarios and the clouds.

`python -m benchmarks.permissions`. The tests' evaluators judge the statements; for each right that is needed they ask
for those beside it: other verbs, buckets with like names, keys and prefixes next to the key, other identities.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from permissions import Needs, allowed
from permissions_clouds import CLOUDS
from projects import SCENARIOS, drafts_of

TITLES = {"aws": "AWS", "gcp": "Google Cloud", "azure": "Azure"}


def table() -> str:
    """Gives for each scenario and cloud how many pairs of action and key are allowed and not needed, as Markdown."""
    found: dict[str, dict[str, int]] = {}
    for cloud in TITLES:
        with tempfile.TemporaryDirectory() as folder:
            drafts = drafts_of(Path(folder), cloud, SCENARIOS)
        for name, one in drafts.items():
            statements = CLOUDS[cloud].statements(one.deployment, one.blueprint)
            beside = Needs(CLOUDS[cloud], one.deployment).neighbours()
            found.setdefault(name, {})[cloud] = sum(allowed(statements, asked) for asked in beside)
    rows = [
        ["allowed beyond need", *TITLES.values()],
        ["---"] * (len(TITLES) + 1),
        *([f"`{name}`", *(str(counts[cloud]) for cloud in TITLES)] for name, counts in found.items()),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    print(table())
