"""The clouds whose statements can be judged; each cloud adds a line."""

from permissions import Cloud
from permissions_aws import AMAZON
from permissions_azure import AZURE
from permissions_gcp import GOOGLE

CLOUDS: dict[str, Cloud] = {"aws": AMAZON, "azure": AZURE, "gcp": GOOGLE}
EXACT = frozenset(("aws", "azure", "gcp"))
"""The clouds in which nothing beyond need can be allowed."""
