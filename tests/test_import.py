"""`import glacier` is light: no Polars, no cloud SDK, no terminal library; and help comes at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("polars", "numpy", "pyarrow", "rich", "typer", "graphlay", "pydantic", "boto3", "obstore", "asyncio")


@pytest.mark.parametrize(
    "statement",
    ["import glacier", "import glacier.providers", "import glacier.config", "import glacier.resources.bucket"],
)
def test_import_loads_nothing_heavy(statement: str) -> None:
    program = f"import sys; {statement}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_loads_no_polars() -> None:
    program = (
        "import sys; sys.argv = ['glacier', '--help']\n"
        "from glacier.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*[name for name in ('polars', 'graphlay', 'rich') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Usage: glacier" in done.stdout
    assert done.stderr.split() == []


def test_every_public_name_is_there() -> None:
    import glacier

    assert sorted(glacier.__all__) == [
        "Bucket", "CachePolicy", "ExecutionMode", "Pipeline", "Secret", "Serverless", "Task", "composite_resource",
        "context", "observe", "pipeline", "task",
    ]  # fmt: skip
    assert all(hasattr(glacier, name) for name in glacier.__all__)
