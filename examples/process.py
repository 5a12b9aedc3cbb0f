"""The code of a serverless function: it reads what it is told to, and writes what a pipeline then loads."""

from typing import Any

import polars as pl


def handler(event: dict[str, str], context: Any) -> dict[str, int]:
    """Sums the amounts of each product."""
    totals = pl.read_parquet(event["input_path"]).group_by("product").agg(pl.col("amount").sum()).sort("product")
    totals.write_parquet(event["output_path"], mkdir=True)
    print(f"{totals.height} products")  # a function's log
    return {"rows": totals.height}
