"""Three sources joined and summed up; the loads run side by side. `glacier analyze examples/sales_analytics.py`."""

import polars as pl

from glacier import Bucket, pipeline, task
from providers import provider


@task
def load_sales(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def load_inventory(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def load_customers(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def enrich_sales(sales: pl.LazyFrame, inventory: pl.LazyFrame, customers: pl.LazyFrame) -> pl.LazyFrame:
    """Join all data sources."""
    return sales.join(inventory, on="product_id", how="left").join(customers, on="customer_id", how="left")


@task
def compute_metrics(df: pl.LazyFrame) -> pl.DataFrame:
    """Calculate business metrics."""
    return (
        df.group_by("customer_segment", "product_category")
        .agg(
            [
                pl.sum("revenue").alias("total_revenue"),
                pl.mean("margin").alias("avg_margin"),
                pl.count("order_id").alias("order_count"),
            ]
        )
        .collect()
    )


@pipeline(name="sales_analytics")
def sales_analytics() -> pl.DataFrame:
    """Multi-source analytics: three parallel loads, one join, one summary."""
    sales = load_sales(provider.bucket("sales", path="transactions.parquet"))
    inventory = load_inventory(provider.bucket("inventory", path="products.parquet"))
    customers = load_customers(provider.bucket("customers", path="customers.parquet"))

    enriched = enrich_sales(sales, inventory, customers)
    metrics = compute_metrics(enriched)

    return metrics


if __name__ == "__main__":
    analysis = sales_analytics.run(mode="analyze")
    print(f"Tasks: {len(analysis['tasks'])}")
    print(f"Execution levels: {analysis['execution_levels']}")
