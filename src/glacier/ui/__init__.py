"""The history in a browser, on this machine alone: `glacier ui`."""
