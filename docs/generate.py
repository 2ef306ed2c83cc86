"""Writes the pages of the reference that are made from the code: `python docs/generate.py`, or `--check`.

A test runs the check, so that what the pages say is what the code does.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from task_page import page as task_page

from payment_worker.domain.payment import PAYMENT_TRANSITIONS
from payment_worker.domain.refund import REFUND_TRANSITIONS
from payment_worker.settings import Settings
from payment_worker.telemetry.counted import COUNTED
from payment_worker.watching.told import TOLD
from payment_worker.webhook.metrics import Metrics as Receiver

REFERENCE = Path(__file__).parent / "reference"

STATES = """# States

Made from the tables in `payment_worker/domain/payment.py` and `refund.py` by `docs/generate.py`: what is not drawn
cannot happen.

## Payment

```mermaid
{payment}
```

`SUCCEEDED` and `CANCELED` are final, as they are at Stripe. `FAILED` is not: Stripe leaves a declined PaymentIntent
open, and another attempt may follow.

## Refund

```mermaid
{refund}
```

A refund only moves forward. `PROCESSED` is not final: a bank may return the money days later, and the amount can then
be refunded again.
"""

SETTINGS = """# Settings

Made from `payment_worker/settings.py` by `docs/generate.py`. All are read from the environment and checked at start;
every fault is reported at once. Each name also works with `_FILE` behind it: the value is then read from that file, as
Docker and Kubernetes hand secrets over. Times are in seconds.

| name | default | meaning |
|---|---|---|
{rows}
"""


METRICS = """# Metrics

Made from the code by `docs/generate.py`. Alerts on them are in `deploy/prometheus/alerts.yml`, each with a section in
the [runbook](../how-to/runbook.md); a Grafana dashboard is `deploy/grafana/dashboard.json`.

Set `PAYMENT_WORKER_METRICS_PORT` for workers and beat, each its own where they share a machine, and scrape
`/metrics` there and on the webhook receiver's port. Nobody needs a password, so leave `PAYMENT_WORKER_METRICS_ADDRESS`
on an interface that only Prometheus reaches. Labels hold kinds and codes, never anything of a customer, a payment or
a key.

## What rows and queues tell

Told by beat and by the webhook receiver, read from PostgreSQL and Redis when they are scraped: the same numbers from
each, so take `max` of them, not `sum`. A server that does not answer within three seconds is told as down, and the
numbers of the other still come.

| metric | labels | meaning |
|---|---|---|
{told}

## What a worker counts

Told by each worker for all its processes, from 0 at its start: take `sum` of `rate` or `increase`. A child that dies
takes no count with it. These are for watching, no account of money: a transaction that fails in the end may have been
counted. The tables are the account.

| metric | kind | labels | meaning |
|---|---|---|---|
{counted}

## What the webhook receiver counts

| metric | kind | labels | meaning |
|---|---|---|---|
{webhook}
"""


def diagram(transitions: Mapping[str, Mapping[str, str]]) -> str:
    """A Mermaid state diagram of a table of transitions."""
    first = next(iter(transitions))
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    for status, moves in transitions.items():
        lines += [f"    {status} --> {to}: {news}" for news, to in moves.items()]
        lines += [] if moves else [f"    {status} --> [*]"]
    return "\n".join(lines)


def settings_rows() -> str:
    """The table of settings."""
    return "\n".join(
        f"| `{field.alias}` | {_default(field.default)} | {field.description} |"
        for field in Settings.model_fields.values()
    )


def _default(value: object) -> str:
    if value is None or value in ((), PydanticUndefined) or isinstance(value, SecretStr):
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def told_rows() -> str:
    """The table of what rows and queues tell."""
    return "\n".join(f"| `{each.name}` | {_labels(each.labels)} | {each.means} |" for each in TOLD)


def counted_rows() -> str:
    """The table of what a worker counts, under the names that Prometheus sees."""
    return "\n".join(
        f"| `{each.name}` | histogram | {_labels(each.labels)} | {each.means} |"
        if each.buckets_seconds
        else f"| `{each.name}_total` | counter | {_labels(each.labels)} | {each.means} |"
        for each in COUNTED
    )


def webhook_rows() -> str:
    """The table of what the receiver counts, as it tells it."""
    return "\n".join(
        f"| `{family.name}{'_total' if family.type == 'counter' else ''}` | {family.type} "
        f"| {_labels(sorted({name for sample in family.samples for name in sample.labels} - {'le'}))} "
        f"| {family.documentation} |"
        for family in text_string_to_metric_families(Receiver().exposition().decode())
    )


def _labels(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def pages() -> dict[Path, str]:
    """Each page and what it must say."""
    return {
        REFERENCE / "states.md": STATES.format(
            payment=diagram(PAYMENT_TRANSITIONS), refund=diagram(REFUND_TRANSITIONS)
        ),
        REFERENCE / "tasks.md": task_page(),
        REFERENCE / "settings.md": SETTINGS.format(rows=settings_rows()),
        REFERENCE / "metrics.md": METRICS.format(
            told=told_rows(), counted=counted_rows(), webhook=webhook_rows()
        ),
    }


def main() -> int:
    """Write the pages; with `--check`, say which are out of date instead."""
    check = "--check" in sys.argv[1:]
    stale = [
        path
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if check:
            sys.stdout.write(f"{path.name} is out of date: run python docs/generate.py\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages()[path], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
