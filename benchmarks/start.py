"""`python -m benchmarks.start`: how long an import, the help and a check take, beside bare Python and Polars."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

EXAMPLES = Path(__file__).parent.parent / "examples"
GLACIER = str(Path(sys.executable).with_name("glacier"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import glacier": [sys.executable, "-c", "import glacier"],
    "import glacier.providers": [sys.executable, "-c", "import glacier.providers"],
    "import polars": [sys.executable, "-c", "import polars"],
    "glacier --help": [GLACIER, "--help"],
    "glacier check examples/sales_analytics.py": [GLACIER, "check", str(EXAMPLES / "sales_analytics.py")],
}


def main() -> None:
    """Times each command as a whole process, in turn, and prints medians as a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--repeat", type=int, default=21, help="rounds; the medians are reported")
    repeat = parser.parse_args().repeat
    # An installed package comes with its bytecode, and a checkout writes it in the first round, unless this forbids it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, EXAMPLES / "make_data.py"], check=True, env=environment)  # footers for the check
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(repeat + 1):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            if turn:  # the first round warms the caches of files and bytecode
                seconds[name].append(time.perf_counter() - began)
    bare = median(seconds["python -c pass"])
    print(f"Medians of {repeat} rounds, each command in turn.\n")
    print("| command | ms | ms over bare Python |\n| --- | --- | --- |")
    for name, ones in seconds.items():
        print(f"| `{name}` | {median(ones) * 1000:.0f} | {(median(ones) - bare) * 1000:.0f} |")
    beyond = median(seconds["glacier check examples/sales_analytics.py"]) - median(seconds["import polars"])
    print(f"\nThe check takes {beyond * 1000:.0f} ms beyond Polars' own import.")


if __name__ == "__main__":
    main()
