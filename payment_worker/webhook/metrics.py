"""The receiver's metrics: outcomes, durations, and whether workers were notified."""

from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from payment_worker.webhook.responses import Outcome

# The `_created` series double the lines and are of no use.
disable_created_metrics()  # type: ignore[no-untyped-call] # half of that package is typed

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one receiver. Labels hold outcomes only, nothing of an event."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, *collectors: Collector) -> None:
        """Register the metrics.

        Args:
            collectors: those to expose beside these metrics.
        """
        self._registry = CollectorRegistry()
        for collector in collectors:
            self._registry.register(collector)
        webhooks = Counter(
            "payment_worker_webhooks",
            "Received webhooks, by outcome.",
            ["outcome"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "payment_worker_webhook_seconds",
            "Seconds from the first byte of a webhook to its response.",
            registry=self._registry,
            buckets=_BUCKETS,
        )
        self._in_flight = Gauge(
            "payment_worker_webhooks_in_flight",
            "Webhooks that are being received or stored.",
            registry=self._registry,
        )
        self._hints = Counter(
            "payment_worker_webhook_hints",
            "Messages to workers about new events: sent, or dropped while Redis is unreachable (the sweep sends one).",
            ["outcome"],
            registry=self._registry,
        )
        self._webhooks = {outcome: webhooks.labels(outcome) for outcome in Outcome}
        for hint_outcome in ("sent", "dropped"):
            self._hints.labels(hint_outcome)

    def in_flight(self) -> AbstractContextManager[object]:
        """Counts one webhook as in flight while it lasts."""
        return self._in_flight.track_inprogress()

    def webhook(self, outcome: Outcome, *, seconds: float) -> None:
        """Count one webhook."""
        self._webhooks[outcome].inc()
        self._seconds.observe(seconds)

    def hint(self, *, is_sent: bool) -> None:
        """Count one message to workers."""
        self._hints.labels("sent" if is_sent else "dropped").inc()

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format; takes as long as the slowest collector."""
        return generate_latest(self._registry)
