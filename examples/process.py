"""The code of a serverless function: it reads what it is told to, and writes beside it what a pipeline then loads."""

from pathlib import Path
from typing import Any

import polars as pl


def handler(event: dict[str, str], context: Any) -> dict[str, int]:
    """Sums the amounts of each product."""
    prepared = Path(event["input_path"])
    output = prepared.parent.parent / "results" / "output.parquet"
    output.parent.mkdir(exist_ok=True)
    totals = pl.read_parquet(prepared).group_by("product").agg(pl.col("amount").sum()).sort("product")
    totals.write_parquet(output)
    print(f"{totals.height} products")  # a function's log
    return {"rows": totals.height}
