"""The code of a serverless function: it reads what it is told to, and writes what a pipeline then loads."""

from typing import Any

import polars as pl


def handler(event: dict[str, str], context: Any) -> dict[str, int]:
    """Sums the amounts of each product, of `staging/prepared.parquet` into `results/output.parquet`, say."""
    prepared = event["input_path"]
    output = prepared.replace("staging", "results").replace("prepared", "output")
    totals = pl.read_parquet(prepared).group_by("product").agg(pl.col("amount").sum()).sort("product")
    totals.write_parquet(output, mkdir=True)
    print(f"{totals.height} products")  # a function's log
    return {"rows": totals.height}
