"""Runs as receivers of OpenLineage see them: jobs, the datasets that they read and write, columns of columns."""
