"""The sales data every benchmark reads: seeded, written once, then reused."""

import shutil
from datetime import date
from pathlib import Path

import polars as pl

CUSTOMERS = 20_000
PRODUCTS = 2_000
SEGMENTS = ("consumer", "corporate", "home office", "small business")
COUNTRIES = ("AT", "CH", "DE", "ES", "FR", "IT", "NL", "PL", "SE", "UK")
CATEGORIES = ("books", "food", "furniture", "garden", "music", "office", "sports", "toys")


def make_sales(folder: Path, rows: int, seed: int = 7) -> Path:
    """The folder with the data, written if this `rows` and `seed` are not there yet.

    `sales/2024-01.parquet` to `sales/2024-12.parquet`: `order_id`, `customer_id`, `product_id` (Int64), `quantity`
    (Int32, 1% below one), `unit_price` (Float64 in whole cents; 2% null, 1% negative), `ordered_at` (Date). One
    customer in 200 is not in `customers.parquet` (`customer_id`, `segment`, `country`). `products.csv`: `product_id`,
    `category`, `cost`. The numbers come from integer arithmetic alone, so every Polars version writes the same.
    """
    marker = folder / "complete.txt"
    stamp = f"rows={rows} seed={seed} layout=1\n"
    if marker.exists() and marker.read_text() == stamp:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "sales").mkdir(parents=True)
    _customers(seed).write_parquet(folder / "customers.parquet")
    _products(seed).write_csv(folder / "products.csv")
    for month in range(1, 13):
        first, last = rows * (month - 1) // 12, rows * month // 12
        _month(month, first, last, seed).write_parquet(folder / "sales" / f"2024-{month:02}.parquet")
    marker.write_text(stamp)
    return folder


def _month(month: int, first: int, last: int, seed: int) -> pl.DataFrame:
    start, end = date(2024, month, 1), date(2025, 1, 1) if month == 12 else date(2024, month + 1, 1)
    order = pl.int_range(first, last, dtype=pl.Int64, eager=True).alias("order_id")
    dirt = _draw(seed, 6, 100)
    price = (100 + _draw(seed, 4, 50_000)) / 100
    return order.to_frame().select(
        "order_id",
        (_draw(seed, 1, CUSTOMERS + CUSTOMERS // 200) + 1).alias("customer_id"),
        (_draw(seed, 2, PRODUCTS) + 1).alias("product_id"),
        pl.when(dirt == 0).then(-_draw(seed, 3, 3)).otherwise(_draw(seed, 3, 9) + 1).cast(pl.Int32).alias("quantity"),
        pl.when(dirt.is_between(1, 2)).then(None).when(dirt == 3).then(-price).otherwise(price).alias("unit_price"),
        (pl.lit(start) + pl.duration(days=_draw(seed, 5, (end - start).days))).cast(pl.Date).alias("ordered_at"),
    )


def _customers(seed: int) -> pl.DataFrame:
    ids = pl.int_range(0, CUSTOMERS, dtype=pl.Int64, eager=True).alias("order_id")
    return ids.to_frame().select(
        (pl.col("order_id") + 1).alias("customer_id"),
        _pick(SEGMENTS, seed, 11).alias("segment"),
        _pick(COUNTRIES, seed, 12).alias("country"),
    )


def _products(seed: int) -> pl.DataFrame:
    ids = pl.int_range(0, PRODUCTS, dtype=pl.Int64, eager=True).alias("order_id")
    return ids.to_frame().select(
        (pl.col("order_id") + 1).alias("product_id"),
        _pick(CATEGORIES, seed, 13).alias("category"),
        ((50 + _draw(seed, 14, 20_000)) / 100).alias("cost"),
    )


def _pick(names: tuple[str, ...], seed: int, stream: int) -> pl.Expr:
    return _draw(seed, stream, len(names)).replace_strict(dict(enumerate(names)), return_dtype=pl.String)


def _draw(seed: int, stream: int, below: int) -> pl.Expr:
    """An Int64 in 0..below-1 for each row: splitmix64 (Steele, Lea, Flood 2014) of `order_id`, wrapping in UInt64."""
    start = (seed * 1_000_003 + stream) * 0xD1342543DE82EF95 % 2**64
    z = pl.col("order_id").cast(pl.UInt64) * _u64(0x9E3779B97F4A7C15) + _u64(start)
    z = (z ^ (z // _u64(2**30))) * _u64(0xBF58476D1CE4E5B9)
    z = (z ^ (z // _u64(2**27))) * _u64(0x94D049BB133111EB)
    z = z ^ (z // _u64(2**31))
    return (z % _u64(below)).cast(pl.Int64)


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)
