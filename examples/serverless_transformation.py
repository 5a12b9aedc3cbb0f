"""A step of a pipeline that runs as a function: `process.py` is its code, which a process of its own runs here.

`load_results` is given nothing of the invocation, and waits for it: what a function does is not known, so whatever
touches a resource after it in the body comes after it in the run.
"""

import polars as pl

from glacier import Bucket, Serverless, pipeline, task
from providers import function_options, provider


@task
def load_raw_data(source: Bucket) -> pl.LazyFrame:
    return source.scan()


@task
def prepare_for_processing(df: pl.LazyFrame, output: Bucket) -> str:
    """Write data for serverless processing."""
    output_path = output.get_uri()
    df.collect().write_parquet(output_path)
    return output_path


@task(depends_on=[prepare_for_processing])
def invoke_processing(fn: Serverless, input_path: str, output_path: str) -> dict[str, int]:
    """Invoke serverless function to process data."""
    counted: dict[str, int] = fn.invoke(payload={"input_path": input_path, "output_path": output_path})
    return counted


@task
def load_results(source: Bucket) -> pl.DataFrame:
    """Load processed results."""
    return source.read()


@pipeline(name="serverless_pipeline")
def serverless_pipeline() -> pl.DataFrame:
    """
    Hybrid pipeline with serverless processing.
    """
    # Resources
    raw = provider.bucket("raw", path="input.parquet")
    staging = provider.bucket("staging", path="prepared.parquet")
    results = provider.bucket("results", path="output.parquet")

    # Serverless function
    processor = provider.serverless(
        "data-processor",
        handler="process.handler",
        runtime="python3.11",
        reads=[staging],
        writes=[results],
        **function_options(),
    )

    # Pipeline flow
    df = load_raw_data(raw)
    input_path = prepare_for_processing(df, staging)
    invoke_processing(processor, input_path, results.uri)
    final_results = load_results(results)

    return final_results


if __name__ == "__main__":
    print(serverless_pipeline.run(mode="local"))
