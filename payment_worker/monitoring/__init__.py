"""Metrics for Prometheus, gauges read from PostgreSQL and Redis, and OpenTelemetry tracing."""
