"""A seeded year of sales with the faults that real ones have."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from glacier.providers import LocalProvider

if TYPE_CHECKING:
    import polars as pl

SALES = 1_000_000
CUSTOMERS = 50_000
PRODUCTS = 2_000
YEAR = 2024

_SEGMENTS = ["consumer", "small business", "enterprise", "public sector"]
_COUNTRIES = ["NO", "SE", "DK", "DE", "GB", "FR", "ES", "IT"]
_CATEGORIES = ["clothing", "footwear", "tents", "climbing", "ski", "electronics"]


def write_data(folder: Path, *, sales: int = SALES, seed: int = 7) -> None:
    """Writes the data set below `folder`, each object whole or not at all; the same bytes for the same arguments.

    - `sales/2024-01.parquet` to `2024-12.parquet`: order_id Int64, customer_id Int64, product_id Int64, quantity Int64,
      unit_price Float64, ordered_on Date. Of the rows 1.5 % lack the price, 1 % have a quantity of 0 or -1.
    - `customers/customers.csv`: customer_id, segment, country; 0.2 % of the sales name a customer that is not there.
    - `products/products.parquet`: product_id Int64, category String, unit_cost Float64.

    Args:
        folder: the base path of the provider that reads the data.
        sales: how many rows of sales, all months together.
        seed: changes every random value.
    """
    provider = LocalProvider(base_path=folder)
    provider.bucket("customers", path="customers.csv").write(_customers(seed))
    provider.bucket("products", path="products.parquet").write(_products(seed))
    for month in range(1, 13):
        first, last = sales * (month - 1) // 12, sales * month // 12
        provider.bucket("sales", path=f"{YEAR}-{month:02}.parquet").write(_sales(month, first, last, seed))


def is_written(folder: Path) -> bool:
    """Says whether every object of the data set is there; each is whole if it is."""
    provider = LocalProvider(base_path=folder)
    months = provider.bucket("sales", path=f"{YEAR}-*.parquet").list()
    others = (provider.bucket("customers", path="customers.csv"), provider.bucket("products", path="products.parquet"))
    return len(months) == 12 and all(bucket.exists() for bucket in others)


def _sales(month: int, first: int, last: int, seed: int) -> pl.DataFrame:
    import polars as pl

    days = (date(YEAR + month // 12, month % 12 + 1, 1) - date(YEAR, month, 1)).days
    price = (5 + _uniform(seed, 3) ** 3 * 495).round(2)
    quantity = 1 + (_uniform(seed, 4) ** 2 * 5).floor().cast(pl.Int64)
    fault = _uniform(seed, 5)
    customer = 1 + (_uniform(seed, 1) * CUSTOMERS * 1.002).floor().cast(pl.Int64)
    return (
        pl.LazyFrame({"row": pl.int_range(first, last, eager=True)})
        .select(
            order_id="row",
            customer_id=customer,
            product_id=1 + (_uniform(seed, 2) ** 2 * PRODUCTS).floor().cast(pl.Int64),
            quantity=pl.when(fault >= 0.99).then(-((fault * 1000).floor().cast(pl.Int64) % 2)).otherwise(quantity),
            unit_price=pl.when(fault < 0.015).then(None).otherwise(price),
            ordered_on=pl.date(YEAR, month, 1) + pl.duration(days=(_uniform(seed, 6) * days).floor().cast(pl.Int64)),
        )
        .collect()
    )


def _customers(seed: int) -> pl.DataFrame:
    import polars as pl

    return (
        pl.LazyFrame({"row": pl.int_range(CUSTOMERS, eager=True)})
        .select(
            customer_id=pl.col("row") + 1,
            segment=_one_of(_SEGMENTS, _uniform(seed, 11) ** 2),
            country=_one_of(_COUNTRIES, _uniform(seed, 12)),
        )
        .collect()
    )


def _products(seed: int) -> pl.DataFrame:
    import polars as pl

    return (
        pl.LazyFrame({"row": pl.int_range(PRODUCTS, eager=True)})
        .select(
            product_id=pl.col("row") + 1,
            category=_one_of(_CATEGORIES, _uniform(seed, 21)),
            unit_cost=(3 + _uniform(seed, 22) * 60).round(2),
        )
        .collect()
    )


def _one_of(values: list[str], share: pl.Expr) -> pl.Expr:
    import polars as pl

    return pl.lit(pl.Series(values)).gather((share * len(values)).floor().cast(pl.UInt32))


def _uniform(seed: int, stream: int) -> pl.Expr:
    """Gives a number in [0, 1) for each `row`: SplitMix64 (Steele, Lea, Flood 2014), whose products wrap at 64 bits."""
    import polars as pl

    start = (seed * 0x9E37_79B9 + stream * 0x85EB_CA6B) % 2**32
    state = (pl.col("row").cast(pl.UInt64) + 1 + (start << 24)) * pl.lit(0x9E3779B97F4A7C15, pl.UInt64)
    state = (state ^ (state // 2**30)) * pl.lit(0xBF58476D1CE4E5B9, pl.UInt64)
    state = (state ^ (state // 2**27)) * pl.lit(0x94D049BB133111EB, pl.UInt64)
    state = state ^ (state // 2**31)
    return (state // 2**11).cast(pl.Float64) / 2**53
