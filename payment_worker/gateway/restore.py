"""Reconstructs the charge request of a lost payment from its PaymentIntent."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from payment_worker.domain.balance_transaction import BalanceTransaction
from payment_worker.domain.snapshots import PaymentIntentSnapshot
from payment_worker.gateway.client import Gateway, NotFetched, fetch
from payment_worker.gateway.fields import id_of
from payment_worker.gateway.parsing import JSON, balance_transaction_in, parses, payment_intent_snapshot
from payment_worker.gateway.requests import MAC, OWN_ORDER_ID


@dataclass(frozen=True, slots=True)
class OriginalRequest:
    """A PaymentIntent, and the request that created it."""

    snapshot: PaymentIntentSnapshot
    at: datetime
    """By Stripe's clock."""
    order_id: str | None
    """None if its metadata name none, as with one that another program created."""
    balance_transaction: BalanceTransaction | None
    metadata: Mapping[str, str]
    """All of them."""
    columns: Mapping[str, object]
    """The columns of `payment` that the snapshot lacks, without the fingerprint, which cannot be reconstructed.
    """


def fetch_original_request(
    gateway: Gateway, stripe_payment_intent_id: str, *, account: str
) -> OriginalRequest | NotFetched:
    """The current PaymentIntent with its original request; `Unreadable` also if it does not show that."""
    path = f"/v1/payment_intents/{stripe_payment_intent_id}"
    return fetch(gateway, path, account, _original_request, {"expand": ["latest_charge.balance_transaction"]})


def _own_metadata_names(metadata: Mapping[str, str]) -> Collection[str]:
    """What we added to the metadata that the caller gave."""
    return {"payment_id", MAC, OWN_ORDER_ID if OWN_ORDER_ID in metadata else "order_id"}


@parses("the request of a PaymentIntent")
def _original_request(intent: JSON) -> OriginalRequest:
    metadata, error = dict(intent["metadata"]), intent.get("last_payment_error") or {}
    return OriginalRequest(
        snapshot=payment_intent_snapshot(intent),
        at=datetime.fromtimestamp(intent["created"], tz=UTC),
        order_id=metadata.get(OWN_ORDER_ID) or metadata.get("order_id"),
        metadata=metadata,
        balance_transaction=balance_transaction_in(intent),
        columns={
            "stripe_customer": id_of(intent.get("customer")),
            # A decline removes it from the PaymentIntent.
            "payment_method": id_of(intent.get("payment_method") or error.get("payment_method")),
            "capture_method": "manual" if intent["capture_method"] == "manual" else "automatic",
            "description": intent.get("description"),
            "statement_descriptor_suffix": intent.get("statement_descriptor_suffix"),
            "metadata": {
                name: value for name, value in metadata.items() if name not in _own_metadata_names(metadata)
            },
        },
    )
