"""Reads our tables and the simulator's ledger at the end of a chaos run."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.request import Request, urlopen

from sqlalchemy import Engine, text

from payment_worker.devstack.chaos.faults.forger import FORGED
from payment_worker.devstack.chaos.workload.generator import ADOPTED_AS
from payment_worker.devstack.servers.simulator import Simulator

Row = Mapping[str, Any]
_TIMEOUT_SECONDS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Rows and Stripe objects, by our ids."""

    payments: Mapping[str, Row]
    refunds: Mapping[str, Row]
    refunds_of: Mapping[str, list[Row]]
    history_of: Mapping[str, list[Row]]
    """By payment, in the order in which it was written; its refunds' rows too."""
    attempts_of: Mapping[str, list[Row]]
    """By payment; its refunds' attempts too."""
    rejected: Mapping[str, Row]
    """By the request's id."""
    intents_of: Mapping[str, list[Row]]
    """Stripe's PaymentIntents, by the payment that their metadata names, or that adopts them."""
    stripe_refunds_of: Mapping[str, list[Row]]
    """Stripe's Refunds, by the refund that their metadata names, or by Stripe's id where they name none."""
    disputes: Mapping[str, Row]
    """By Stripe's id."""
    stripe_disputes: Mapping[str, Row]
    """Stripe's disputes, by id."""
    warnings: Mapping[str, Row]
    """Early fraud warnings, by Stripe's id."""
    stripe_warnings: Mapping[str, Row]
    """Stripe's own, by id."""
    forged: frozenset[str]
    """The ids of PaymentIntents that a stranger made; `intents_of` has none of them."""
    forged_refunds: frozenset[str]
    """The ids of Refunds that a stranger made."""


def read(database: Engine, simulator: Simulator, *, api_keys: Sequence[str]) -> Records:
    """Read both sides, once nothing changes any more."""
    payments = _rows(database, "SELECT *, payment_id::text AS id FROM payment")
    refunds = _rows(
        database,
        "SELECT *, refund_id::text AS id, payment_id::text AS payment FROM refund ORDER BY created_at",
    )
    history = _rows(
        database,
        "SELECT payment_id::text AS payment, COALESCE(stripe_dispute_id, refund_id::text, payment_id::text) AS subject,"
        " CASE WHEN stripe_dispute_id IS NOT NULL THEN 'dispute' WHEN refund_id IS NOT NULL THEN 'refund'"
        " ELSE 'payment' END AS kind, from_status, to_status, recorded_at FROM payment_history"
        " ORDER BY history_id",
    )
    attempts = _rows(
        database,
        "SELECT *, payment_id::text AS payment, request_id::text AS task_request_id FROM payment_attempt",
    )
    rejected = _rows(database, "SELECT *, request_id::text AS id FROM rejected_request")
    disputes = _rows(database, "SELECT *, payment_id::text AS payment FROM dispute")
    warnings = _rows(database, "SELECT *, payment_id::text AS payment FROM early_fraud_warning")
    all_intents = simulator.ledger()["payment_intents"]
    intents = [intent for intent in all_intents if FORGED not in intent["metadata"]]
    stripes = [refund for intent in intents for refund in intent["refunds"]]
    return Records(
        payments={row["id"]: row for row in payments},
        refunds={row["id"]: row for row in refunds},
        refunds_of=_grouped((row["payment"], row) for row in refunds),
        history_of=_grouped((row["payment"], row) for row in history),
        attempts_of=_grouped((row["payment"], row) for row in attempts),
        rejected={row["id"]: row for row in rejected},
        intents_of=_grouped((_owner(intent["metadata"]), intent) for intent in intents),
        stripe_refunds_of=_grouped((_name(refund), refund) for refund in stripes),
        disputes={row["stripe_dispute_id"]: row for row in disputes},
        stripe_disputes=_listed(simulator.url, "disputes", api_keys),
        warnings={row["stripe_early_fraud_warning_id"]: row for row in warnings},
        stripe_warnings=_listed(simulator.url, "radar/early_fraud_warnings", api_keys),
        forged_refunds=frozenset(refund["id"] for refund in stripes if FORGED in refund["metadata"]),
        forged=frozenset(intent["id"] for intent in all_intents if FORGED in intent["metadata"]),
    )


def _owner(metadata: Row) -> str:
    """The payment that made a PaymentIntent, or is to adopt it."""
    return str(metadata.get("payment_id") or metadata.get(ADOPTED_AS, ""))


def _name(refund: Row) -> str:
    """By which id a Refund is ours: that of the refund which it names, unless a stranger made it."""
    metadata = refund["metadata"]
    return str(refund["id"] if FORGED in metadata else metadata.get("refund_id", refund["id"]))


def _listed(url: str, path: str, api_keys: Sequence[str]) -> Mapping[str, Row]:
    """All objects of a list, on the account of each key, by id."""
    return {each["id"]: each for api_key in api_keys for each in _pages(url, path, api_key)}


def _pages(url: str, path: str, api_key: str) -> Iterator[Row]:
    after = ""
    while True:
        request = Request(  # noqa: S310 our own simulator
            f"{url}/v1/{path}?limit=100{after}", headers={"Authorization": f"Bearer {api_key}"}
        )
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 as above
            page = json.load(answer)
        yield from page["data"]
        if not page["has_more"]:
            return
        after = f"&starting_after={page['data'][-1]['id']}"


def _rows(database: Engine, query: str) -> list[Row]:
    with database.connect() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def _grouped(pairs: Iterable[tuple[str, Row]]) -> Mapping[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for key, row in pairs:
        groups[key].append(row)
    return groups
