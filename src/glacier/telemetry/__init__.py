"""Runs as OpenTelemetry sees them: spans, metrics. Off and free where the program has not set OpenTelemetry up."""
