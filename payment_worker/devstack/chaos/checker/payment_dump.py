"""Prints all rows, messages and Stripe requests of one payment that violates an invariant."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, text

from payment_worker.devstack.chaos.workload.consumer import PublishedMessage
from payment_worker.devstack.servers.simulator import Simulator

_QUERIES: Mapping[str, str] = {
    "payment": "SELECT * FROM payment WHERE payment_id = CAST(:id AS uuid)",
    "refund": "SELECT * FROM refund WHERE payment_id = CAST(:id AS uuid) ORDER BY created_at",
    "payment_attempt": "SELECT * FROM payment_attempt WHERE payment_id = CAST(:id AS uuid) ORDER BY attempt_id",
    "payment_history": "SELECT * FROM payment_history WHERE payment_id = CAST(:id AS uuid) ORDER BY history_id",
    "stripe_event": "SELECT stripe_event.event_id, type, status, outcome, source, tries, stripe_event.created_at,"
    " received_at, finished_at, payload->'data'->'object'->>'status' AS object_status FROM stripe_event"
    " WHERE payload::text LIKE '%' || :id || '%' OR payload::text LIKE '%' || (SELECT stripe_payment_intent_id"
    " FROM payment WHERE payment_id = CAST(:id AS uuid)) || '%' ORDER BY received_at",
    "outbox": "SELECT position, message_id, type, data, occurred_at, published_at FROM outbox"
    " WHERE payment_id = CAST(:id AS uuid) ORDER BY position",
    "rejected_request": "SELECT * FROM rejected_request WHERE arguments::text LIKE '%' || :id || '%'",
}


def payment_dump(
    payment_id: str,
    *,
    database: Engine,
    simulator: Simulator,
    published: Mapping[str, list[PublishedMessage]],
) -> Iterator[str]:
    """The lines to print for one payment."""
    for table, query in _QUERIES.items():
        with database.connect() as connection:
            rows = connection.execute(text(query), {"id": payment_id}).mappings().all()
        yield from _part(table, rows, dict)
    yield from _part("published", published.get(payment_id, []), lambda each: {"message": str(each)})
    lines = simulator.ledger(**{"metadata[payment_id]": payment_id})["payment_intents"]
    yield from _part("Stripe's ledger", lines, dict)
    ids = {payment_id, *(line["id"] for line in lines)}
    requests = [entry for entry in simulator.journal() if any(each in json.dumps(entry) for each in ids)]
    yield from _part("Stripe's journal", requests, _short)


def _part(title: str, rows: Any, shown: Callable[[Any], Mapping[str, Any]]) -> Iterator[str]:  # noqa: ANN401 any
    yield f"{title}:"
    for row in rows:
        facts = {name: value for name, value in shown(row).items() if value is not None}
        yield "    " + "  ".join(f"{name}={value}" for name, value in facts.items())


def _short(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    names = ("n", "at", "endpoint", "key", "status", "effect", "replayed", "fault", "object", "request_id")
    return {name: entry[name] for name in names}
