"""The sales query in Polars, in steps that every runner composes, so that all do the same work."""

import hashlib
from pathlib import Path
from typing import TypeVar

import polars as pl

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

OUTPUTS = ("by_segment", "by_month", "by_product")


def scan_sales(data: Path) -> pl.LazyFrame:
    return pl.scan_parquet(data / "sales" / "*.parquet")


def scan_customers(data: Path) -> pl.LazyFrame:
    return pl.scan_parquet(data / "customers.parquet")


def scan_products(data: Path) -> pl.LazyFrame:
    return pl.scan_csv(data / "products.csv")


def clean(sales: Frame) -> Frame:
    """The rows with a positive price and quantity, with `revenue`."""
    return sales.filter(pl.col("unit_price") > 0, pl.col("quantity") > 0).with_columns(
        revenue=pl.col("quantity") * pl.col("unit_price")
    )


def enrich(sales: Frame, customers: Frame, products: Frame) -> Frame:
    """The sales with `segment`, `country`, `category` and `margin`; those of unknown customers drop out."""
    return (
        sales.join(customers, on="customer_id")
        .join(products, on="product_id")
        .with_columns(margin=pl.col("revenue") - pl.col("quantity") * pl.col("cost"))
    )


def by_segment(sales: Frame) -> Frame:
    return _totals(sales, "segment", "category")


def by_month(sales: Frame) -> Frame:
    return _totals(sales.with_columns(month=pl.col("ordered_at").dt.month()), "month", "country")


def by_product(sales: Frame) -> Frame:
    return _totals(sales, "product_id")


def checksum(frame: pl.DataFrame) -> str:
    """A digest that no order of rows, and no rounding in the last digits of a float sum, changes."""
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    keys = [name for name in frame.columns if name not in floats]
    rounded = frame.select(sorted(frame.columns)).with_columns(pl.col(floats).round(2) + 0.0).sort(sorted(keys))
    return hashlib.sha256(repr(rounded.rows()).encode()).hexdigest()[:12]


def checksum_of_outputs(folder: Path) -> str:
    """One digest of the three files, read from `folder`."""
    return "+".join(checksum(pl.read_parquet(folder / f"{name}.parquet"))[:6] for name in OUTPUTS)


def _totals(sales: Frame, *keys: str) -> Frame:
    return sales.group_by(*keys).agg(
        orders=pl.len(),
        units=pl.col("quantity").cast(pl.Int64).sum(),
        revenue=pl.col("revenue").sum(),
        margin=pl.col("margin").sum(),
        largest=pl.col("revenue").max(),
    )
