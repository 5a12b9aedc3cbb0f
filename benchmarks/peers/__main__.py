"""`python -m benchmarks.peers`: makes the environments, runs the benchmarks in rounds, prints Markdown tables."""

import argparse
import os
import platform
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers import environments, rounds, tables

OVERHEAD = ("chain", "fan_out")
SALES = ("linear", "outputs")
OVERHEAD_LIMIT, PLAN_LIMIT, SALES_LIMIT, SYNTH_LIMIT = 60, 120, 300, 300  # seconds for one process, warm-up included
WARM_UP_ROWS = 1_200


def main() -> None:
    """Runs what the command line asks for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    args = _arguments()
    peers = [peer for peer in args.peers if _ready(peer)]
    described = {peer: rounds.describe(peer) for peer in peers}
    for peer in [peer for peer in peers if "error" in described[peer]]:
        print(f"{peer} is left out: {described.pop(peer)['error']}", file=sys.stderr)
    if not _ready("bare"):
        sys.exit("the sales are written in the bare environment, which could not be made")
    folders = _folders(args.rows if args.only in {None, "sales"} else [])
    measured = rounds.measure(_jobs(args, described), folders, args.repeat)
    text = tables.markdown(measured, described, _machine(args.repeat))
    print(text)
    if args.out:
        args.out.write_text(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=environments.PEERS, default=list(environments.PEERS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 1_000, 10_000], help="tasks of chain and fan-out")
    parser.add_argument("--plan-sizes", nargs="+", type=int, default=[1_000, 10_000, 100_000], help="nodes to plan")
    parser.add_argument("--rows", nargs="+", type=int, default=[1_000_000, 10_000_000], help="sales")
    parser.add_argument("--buckets", nargs="+", type=int, default=[10, 100, 1_000], help="to be infrastructure")
    parser.add_argument("--repeat", type=int, default=5, help="rounds; the medians are reported")
    parser.add_argument("--only", choices=["overhead", "planning", "sales", "synth"])
    parser.add_argument("--quick", action="store_true", help="the smallest size of each, one round")
    parser.add_argument("--out", type=Path, help="the file the tables are written to")
    args = parser.parse_args()
    if args.quick:
        args.sizes, args.plan_sizes, args.rows, args.buckets, args.repeat = [100], [1_000], [100_000], [10], 1
    return args


def _ready(peer: str) -> bool:
    reason = environments.make(peer)
    if reason:
        print(f"{peer} is left out: {reason}", file=sys.stderr)
    return not reason


def _jobs(args: argparse.Namespace, described: dict[str, dict[str, Any]]) -> list[rounds.Job]:
    """The jobs ordered by what is measured, the peers side by side within it."""
    groups = [("overhead", kind, args.sizes, OVERHEAD_LIMIT) for kind in OVERHEAD]
    groups.append(("planning", "plan", args.plan_sizes, PLAN_LIMIT))
    groups += [("sales", kind, args.rows, SALES_LIMIT) for kind in SALES]
    groups.append(("synth", "synth", args.buckets, SYNTH_LIMIT))
    return [
        rounds.Job(peer, case, size, limit)
        for only, kind, sizes, limit in groups
        if args.only in {None, only}
        for size in sizes
        for peer, each in described.items()
        for case in each["cases"]
        if case.partition(":")[0] == kind
    ]


def _folders(rows: list[int]) -> rounds.Folders:
    """The sales, made in the bare environment, as this command itself need not have Polars."""
    folders = {count: environments.WORK / "data" / f"sales-{count}" for count in [*rows, WARM_UP_ROWS]}
    for count, folder in folders.items():
        code = "import sys; from pathlib import Path; from benchmarks.data import make_sales; "
        code += "make_sales(Path(sys.argv[1]), int(sys.argv[2]))"
        command = [str(environments.python("bare")), "-c", code, str(folder), str(count)]
        subprocess.run(command, cwd=environments.ROOT, check=True)
    return rounds.Folders(folders, folders[WARM_UP_ROWS])


def _machine(repeat: int) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    return (
        f"{now}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}. "
        f"Each case in a fresh process, after a small warm-up; medians of {repeat}, peers interleaved."
    )


if __name__ == "__main__":
    main()
