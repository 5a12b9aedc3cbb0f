"""Writes the small data sets that the examples read: `python examples/make_data.py`.

They go below `data/` beside this file, or to the buckets of the cloud that `GLACIER_ENV` names, which must be there.
"""

from datetime import date, timedelta

import polars as pl

from providers import PREFIX, provider


def main() -> None:
    days = [date(2024, 1, 1) + timedelta(days=n % 366) for n in range(500)]

    raw = pl.DataFrame({"id": range(500), "amount": [n % 23 - 4 for n in range(500)], "date": map(str, days)})
    provider.bucket("raw", path="data.csv").write(raw)
    provider.bucket("raw", path="data.parquet").write(raw)
    provider.bucket("sales-raw", path="data.parquet").write(raw)

    names = [f"product {n % 7}" for n in range(500)]
    provider.bucket("raw", path="input.parquet").write(raw.select("amount", product=pl.Series(names)))

    sales = pl.DataFrame(
        {
            "order_id": range(500),
            "product_id": [n * 7 % 40 for n in range(500)],
            "customer_id": [n * 11 % 60 for n in range(500)],
            "revenue": [float(n % 90) for n in range(500)],
            "margin": [n % 13 / 10 for n in range(500)],
        }
    )
    provider.bucket("sales", path="transactions.parquet").write(sales)
    products = pl.DataFrame({"product_id": range(40), "product_category": [f"category {n % 5}" for n in range(40)]})
    provider.bucket("inventory", path="products.parquet").write(products)
    customers = pl.DataFrame({"customer_id": range(60), "customer_segment": [f"segment {n % 3}" for n in range(60)]})
    provider.bucket("customers", path="customers.parquet").write(customers)

    amounts = [None if n % 50 == 0 else float(n % 300 - 3) for n in range(500)]
    orders = pl.DataFrame(
        {"order_id": range(500), "customer_id": [n % 60 for n in range(500)], "amount": amounts, "date": days}
    )
    provider.bucket("raw-data", path="orders.parquet").write(orders)
    known = provider.bucket(f"{PREFIX}raw-data", path="orders.parquet", existing=True)  # in a cloud the same bucket
    known.write(orders)
    provider.bucket("data", path="sales.parquet").write(orders.select("order_id", "amount", valid=pl.col("amount") > 0))
    provider.bucket("data", path="input.parquet").write(orders.select("order_id", "amount"))


if __name__ == "__main__":
    main()
