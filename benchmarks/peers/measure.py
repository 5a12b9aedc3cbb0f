"""What runs inside a peer's own process: one case, timed, printed as one JSON line.

A runner is a module with a `RUNNER` and `if __name__ == "__main__": main(RUNNER)`. Each case of it is a function of a
`Work` that does what is not timed (writing functions, say) and returns the build; the build returns the run; the run
returns the result. So build and run are timed apart, and what a tool does in which of them is visible in its runner.
"""

import argparse
import gc
import json
import resource
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from benchmarks.peers.measurement import Measurement
from benchmarks.peers.query import checksum, checksum_of_outputs

Run: TypeAlias = Callable[[], object]
Build: TypeAlias = Callable[[], Run]


@dataclass(frozen=True)
class Work:
    """What a case is given.

    Attributes:
        size: tasks of an overhead or planning case, rows of a sales case, buckets of a synth case.
        data: the folder of `make_sales`, for the sales cases.
        out: an empty folder of this process, for what is written.
    """

    size: int
    data: Path
    out: Path


@dataclass(frozen=True)
class Runner:
    """One peer: its cases by name, and what it should be said to run on.

    Attributes:
        packages: the distributions whose versions are reported.
        executor: the executor and configuration in words, for the tables.
        cases: by name, `chain`, `fan_out`, `plan`, or `linear:<variant>`, `outputs:<variant>`, `synth:<variant>`.
        missing: the cases this tool has no notion of, with the reason.
        settle: seconds to wait after the warm-up, for a server that works on after a run has returned.
    """

    packages: tuple[str, ...]
    executor: str
    cases: Mapping[str, Callable[[Work], Build]]
    missing: Mapping[str, str] = field(default_factory=dict)
    settle: float = 0.0


def main(runner: Runner) -> None:
    """Runs the case the command line names, or describes the runner with `--describe`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", nargs="?", default="")
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--warm-up-data", type=Path, default=Path())
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--cold", action="store_true", help="no warm-up: the whole process is timed from outside")
    parser.add_argument("--describe", action="store_true")
    args = parser.parse_args()
    if args.describe:
        print(json.dumps(_description(runner)))
        return
    work = Work(args.size, args.data, args.out)
    warm_up = Work(10, args.warm_up_data, args.out.with_name(args.out.name + "-warm"))
    try:
        if not args.cold:
            _warm(runner.cases[args.case], warm_up, runner.settle)
        measured = _measure(runner.cases[args.case], work)
    except Exception as error:  # noqa: BLE001 - a peer that cannot do a case is a result, told with its reason
        measured = Measurement(error=f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}")
    print(json.dumps(asdict(measured)))


def _warm(case: Callable[[Work], Build], work: Work, settle: float) -> None:
    _empty(work.out)
    case(work)()()
    time.sleep(settle)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _measure(case: Callable[[Work], Build], work: Work) -> Measurement:
    _empty(work.out)
    build = case(work)
    gc.collect()
    started = time.perf_counter()
    run = build()
    built = time.perf_counter()
    result = run()
    ended = time.perf_counter()
    children = max(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, *map(_peak, _children("self")), 0.0)
    return Measurement(built - started, ended - built, _peak(), children, checksum=_checksum(result))


def _checksum(result: object) -> str:
    """A frame's or an output folder's checksum; any other result as it prints."""
    match result:
        case Path():
            return checksum_of_outputs(result)
        case pl.DataFrame():
            return checksum(result)
        case _:
            return str(result)


def _children(process: str) -> list[str]:
    """The ids of the processes below one that still run; none where there is no /proc."""
    files = (Path("/proc") / process / "task").glob("*/children")
    own = [child for file in files for child in file.read_text().split()]
    return own + [below for child in own for below in _children(child)]


def _peak(process: str = "self") -> float:
    """Peak RSS of a process in MiB: VmHWM, as ru_maxrss on Linux starts from the parent's."""
    status = Path("/proc") / process / "status"
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _description(runner: Runner) -> dict[str, Any]:
    return {
        "versions": {package: version(package) for package in runner.packages},
        "executor": runner.executor,
        "cases": list(runner.cases),
        "missing": dict(runner.missing),
    }
