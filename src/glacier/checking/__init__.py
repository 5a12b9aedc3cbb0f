"""Schemas propagated through a graph without data: what `Pipeline.check` and `glacier check` do."""
