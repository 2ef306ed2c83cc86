"""What can be seen of this process from outside: its log lines, and what it counts. Nothing secret is in either."""

from payment_worker.telemetry.logs import about, configure, forget, learned, logger

__all__ = ["about", "configure", "forget", "learned", "logger"]
