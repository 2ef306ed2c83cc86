"""The reference of the metrics: what they are called, and what they mean."""

from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

from payment_worker.monitoring.gauges import GAUGES
from payment_worker.telemetry.metrics import METRICS
from payment_worker.webhook.metrics import Metrics as Receiver

PAGE = """# Metrics

Made from the code by `tools/generate.py`. Alerts on them are in `deploy/prometheus/alerts.yml`, each with a section in
the [runbook](../how-to/runbook.md); a Grafana dashboard is `deploy/grafana/dashboard.json`.

Set `PAYMENT_WORKER_METRICS_PORT` for workers and beat, each its own where they share a machine, and scrape
`/metrics` there and on the webhook receiver's port. Nobody needs a password, so leave `PAYMENT_WORKER_METRICS_ADDRESS`
on an interface that only Prometheus reaches. Labels hold kinds and codes, never anything of a customer, a payment or
a key.

## What is read from rows and queues

Exposed by beat and by the webhook receiver, read from PostgreSQL and Redis when they are scraped: the same numbers from
each, so take `max` of them, not `sum`. A server that does not answer within three seconds is reported as down, and the
numbers of the other still come.

| metric | labels | meaning |
|---|---|---|
{told}

## What a worker counts

Exposed by each worker for all its processes, from 0 at its start: take `sum` of `rate` or `increase`. When a process of
the pool dies, what it counted is kept. Do not add up money from these: a transaction that fails in the end may have
been counted. The tables are the authoritative record.

| metric | kind | labels | meaning |
|---|---|---|---|
{counted}

## What the webhook receiver counts

| metric | kind | labels | meaning |
|---|---|---|---|
{webhook}
"""


def page() -> str:
    """The page as it must be."""
    return PAGE.format(told=_told(), counted=_counted(), webhook=_webhook())


def _told() -> str:
    return "\n".join(f"| `{each.name}` | {_labels(each.labels)} | {each.means} |" for each in GAUGES)


def _counted() -> str:
    return "\n".join(
        f"| `{each.name}` | histogram | {_labels(each.labels)} | {each.means} |"
        if each.buckets_seconds
        else f"| `{each.name}_total` | counter | {_labels(each.labels)} | {each.means} |"
        for each in METRICS
    )


def _webhook() -> str:
    return "\n".join(
        f"| `{family.name}{'_total' if family.type == 'counter' else ''}` | {family.type} "
        f"| {_labels(sorted({name for sample in family.samples for name in sample.labels} - {'le'}))} "
        f"| {family.documentation} |"
        for family in text_string_to_metric_families(Receiver().exposition().decode())
    )


def _labels(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
