"""Where pipelines read, write and run: one provider per place. Importing this loads no Polars and no cloud SDK."""

from glacier.providers.local import LocalProvider

__all__ = ["LocalProvider"]
