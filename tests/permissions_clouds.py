"""The clouds whose statements can be judged; each cloud adds a line."""

from permissions import Cloud
from permissions_aws import AMAZON
from permissions_gcp import GOOGLE

CLOUDS: dict[str, Cloud] = {"aws": AMAZON, "gcp": GOOGLE}
EXACT = frozenset(("gcp", "aws"))
"""The clouds in which nothing beyond need can be allowed."""
