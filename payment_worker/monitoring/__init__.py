"""Prometheus metrics, gauges read from PostgreSQL and Redis, and OpenTelemetry tracing."""
