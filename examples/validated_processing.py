"""Validations that return what they found, processing that waits for them, and an alert that reads them."""

from typing import Any

import polars as pl

from glacier import Bucket, pipeline, task
from providers import provider


@task
def validate_schema(source: Bucket) -> dict[str, Any]:
    """Validate data schema and return validation results."""
    required_columns = {"order_id", "customer_id", "amount", "date"}
    actual_columns = set(source.scan().collect_schema().names())

    return {
        "valid": required_columns.issubset(actual_columns),
        "missing": sorted(required_columns - actual_columns),
        "extra": sorted(actual_columns - required_columns),
    }


@task
def validate_quality(source: Bucket) -> dict[str, Any]:
    """Check data quality metrics."""
    df = source.scan()

    total = df.select(pl.len()).collect()[0, 0]
    nulls = df.select(pl.col("amount").is_null().sum()).collect()[0, 0]
    negatives = df.select((pl.col("amount") < 0).sum()).collect()[0, 0]

    return {
        "total_rows": total,
        "null_count": nulls,
        "negative_count": negatives,
        "quality_score": 1 - (nulls + negatives) / total,
    }


@task(depends_on=[validate_schema, validate_quality])
def process_data(source: Bucket) -> pl.LazyFrame:
    """Process data only after validations pass."""
    return source.scan().filter(pl.col("amount").is_not_null()).filter(pl.col("amount") > 0)


@task
def send_alert(schema_result: dict[str, Any], quality_result: dict[str, Any]) -> None:
    """Send alert if validation fails."""
    if not schema_result["valid"]:
        print(f"Schema validation failed: {schema_result}")

    if quality_result["quality_score"] < 0.95:
        print(f"Quality below threshold: {quality_result}")


@pipeline(name="validated_processing")
def validated_processing() -> pl.LazyFrame:
    """Pipeline with validation gates."""
    source = provider.bucket("raw-data", path="orders.parquet")

    # Run validations
    schema_result = validate_schema(source)
    quality_result = validate_quality(source)

    # Process only after validations complete
    processed = process_data(source)

    # Send alerts based on validation results
    send_alert(schema_result, quality_result)

    return processed


if __name__ == "__main__":
    print(validated_processing.run(mode="local").collect())
