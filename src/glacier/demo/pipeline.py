"""Revenue by customer segment and product category, and by month: a Glacier pipeline to read, run and change.

    glacier run pipeline.py         run it again
    glacier analyze pipeline.py     what waits for what, and why
    glacier graph pipeline.py       the picture

Everything here is plain Python over Polars. A function with @task above it is a step; the function with @pipeline
calls the steps. Glacier reads the calls into a graph, runs what can run side by side, and keeps the rest in order.
"""

from pathlib import Path

import polars as pl

from glacier import Bucket, pipeline, task
from glacier.providers import LocalProvider

# Where the data lives. Another provider in this line, and the same pipeline runs somewhere else.
provider = LocalProvider(base_path=Path(__file__).parent / "data")

MOST_DIRTY = 0.05  # more than this share of unusable sales, and nothing is computed from them


# A check: it is annotated `-> bool` and touches a bucket, so whatever uses that bucket later in the body waits for it,
# and is skipped if it returns False. Nobody has to wire that up.
@task
def sales_are_usable(source: Bucket) -> bool:
    """At most `MOST_DIRTY` of the rows lack a price or have a quantity below one."""
    dirty = pl.col("unit_price").is_null() | (pl.col("quantity") < 1)
    share: float = source.scan().select(dirty.mean()).collect().item()
    return share <= MOST_DIRTY


# A LazyFrame goes from task to task as a plan: nothing is read here. Polars optimizes across the tasks, so only the
# columns and rows that some later task needs ever leave the files.
@task
def load_sales(source: Bucket) -> pl.LazyFrame:
    """One row per sale: order_id, customer_id, product_id, quantity, unit_price, ordered_on."""
    return source.scan()


@task
def load_customers(source: Bucket) -> pl.LazyFrame:
    """One row per customer: customer_id, segment, country."""
    return source.scan()


@task
def load_products(source: Bucket) -> pl.LazyFrame:
    """One row per product: product_id, category, unit_cost."""
    return source.scan()


@task
def clean(sales: pl.LazyFrame) -> pl.LazyFrame:
    """Drops sales without a price or a quantity, and adds the revenue."""
    return sales.filter(pl.col("unit_price").is_not_null(), pl.col("quantity") >= 1).with_columns(
        revenue=pl.col("quantity") * pl.col("unit_price")
    )


@task
def enrich(sales: pl.LazyFrame, customers: pl.LazyFrame, products: pl.LazyFrame) -> pl.LazyFrame:
    """Adds the customer's segment and the product's category, and the margin."""
    return (
        sales.join(customers, on="customer_id", how="left")
        .join(products, on="product_id", how="left")
        .with_columns(margin=pl.col("revenue") - pl.col("quantity") * pl.col("unit_cost"))
    )


@task
def by_segment(sales: pl.LazyFrame) -> pl.LazyFrame:
    """Revenue, margin and orders by customer segment and product category."""
    return (
        sales.group_by("segment", "category")
        .agg(
            revenue=pl.col("revenue").sum().round(2),
            margin=pl.col("margin").mean().round(2),
            orders=pl.len(),
        )
        .sort("segment", "category", nulls_last=True)
    )


@task
def by_month(sales: pl.LazyFrame) -> pl.LazyFrame:
    """Revenue and orders by month."""
    month = pl.col("ordered_on").dt.truncate("1mo").alias("month")
    return sales.group_by(month).agg(revenue=pl.col("revenue").sum().round(2), orders=pl.len()).sort("month")


# The order of work is the order of the data: the three loads are independent, `enrich` waits for all of them.
@pipeline(name="sales_analytics")
def sales_analytics() -> pl.LazyFrame:
    """Sales of a year, checked, cleaned, enriched and summed up."""
    sales_files = provider.bucket("sales", path="*.parquet")  # a glob: one file per month
    segments = provider.bucket("reports", path="by_segment.parquet")
    months = provider.bucket("reports", path="by_month.csv")

    sales_are_usable(sales_files)
    sales = clean(load_sales(sales_files))
    customers = load_customers(provider.bucket("customers", path="customers.csv"))
    products = load_products(provider.bucket("products", path="products.parquet"))

    enriched = enrich(sales, customers, products)
    segment_report = by_segment(enriched)
    month_report = by_month(enriched)

    # Two writes that share everything above them: Glacier runs them as one query, one pass over the sales.
    segments.write(segment_report)
    months.write(month_report)
    return segment_report


if __name__ == "__main__":
    print(sales_analytics.run().collect())
