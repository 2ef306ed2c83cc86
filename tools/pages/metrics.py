"""Generates the reference page of the metrics."""

from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

from payment_worker.monitoring.gauges import GAUGES
from payment_worker.telemetry.metrics import METRICS
from payment_worker.webhook.metrics import Metrics as Receiver

PAGE = """# Metrics

Generated from the code by `tools/generate.py`. Alerts are in `deploy/prometheus/alerts.yml`, each with a section in the
[runbook](../how-to/runbook.md); a Grafana dashboard is `deploy/grafana/dashboard.json`.

Set `PAYMENT_WORKER_METRICS_PORT` for workers and beat, a different port for each process on one machine, and scrape
`/metrics` there and on the webhook receiver's port. There is no authentication, so keep
`PAYMENT_WORKER_METRICS_ADDRESS` on an interface that only Prometheus reaches. Labels contain kinds and codes, never
data of a customer, a payment or a key.

## Gauges of rows and queues

Beat and the webhook receiver serve these; they read PostgreSQL and Redis at each scrape. Every process reports the same
numbers, so aggregate with `max`, not `sum`. A server that does not respond within three seconds is reported as down;
the gauges of the other one are still served.

| metric | labels | meaning |
|---|---|---|
{told}

## Counters and histograms of workers

Each worker serves these for all its processes, starting at 0: aggregate with `sum` of `rate` or `increase`. The counts
of a pool process that dies are kept. Do not use them for accounting: a transaction may be counted and then rolled back.
The tables are the authoritative record.

| metric | kind | labels | meaning |
|---|---|---|---|
{counted}

## Metrics of the webhook receiver

| metric | kind | labels | meaning |
|---|---|---|---|
{webhook}
"""


def page() -> str:
    """The text of the page."""
    return PAGE.format(told=_described(), counted=_counted(), webhook=_webhook())


def _described() -> str:
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
