"""Write Python code, get cloud infrastructure: tasks and pipelines over Polars frames."""

from glacier.caching import CachePolicy
from glacier.context import context
from glacier.observe import observe
from glacier.pipeline import ExecutionMode, Pipeline, pipeline
from glacier.resources.bucket import Bucket
from glacier.resources.composite import composite_resource
from glacier.resources.serverless import Serverless
from glacier.secret import Secret
from glacier.task import Task, task

__version__ = "0.1.0"
__all__ = [
    "Bucket",
    "CachePolicy",
    "ExecutionMode",
    "Pipeline",
    "Secret",
    "Serverless",
    "Task",
    "composite_resource",
    "context",
    "observe",
    "pipeline",
    "task",
]
