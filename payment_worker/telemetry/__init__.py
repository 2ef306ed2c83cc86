"""Logging and metric names of a process, free of secrets."""

from payment_worker.telemetry.logs import about, configure, forget, learned, logger

__all__ = ["about", "configure", "forget", "learned", "logger"]
