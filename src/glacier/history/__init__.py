"""The history of a project's runs: recorded while they go on, read afterwards, in SQLite under `.glacier`."""
