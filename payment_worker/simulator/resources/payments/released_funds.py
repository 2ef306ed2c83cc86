"""The Refund that API versions before 2025-03-31.basil made of a released authorisation, for webhook endpoints.

Our version makes none: it is in no list, it answers 404, and no event about it is sent to an endpoint of ours.
"""

from payment_worker.simulator.api.versions import RELEASES_MADE_REFUNDS
from payment_worker.simulator.resources.events import emit_to_older
from payment_worker.simulator.state import Context, Json


def emit_refund(context: Context, charge: Json, amount: int, *, reason: str | None = None) -> None:
    """Send the events of a Refund of `amount`, in minor units, to endpoints of versions that still had it."""
    object_id = context.new_id("re_3")
    refund: Json = {
        "id": object_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": context.now,
        "currency": charge["currency"],
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    refunded = {"amount_refunded": amount, "refunded": amount == charge["amount"]}
    former = {name: charge[name] for name in refunded}
    emit_to_older(context, "charge.refunded", {**charge, **refunded}, former, before=RELEASES_MADE_REFUNDS)
    emit_to_older(context, "refund.created", refund, before=RELEASES_MADE_REFUNDS)
    emit_to_older(context, "charge.refund.updated", refund, before=RELEASES_MADE_REFUNDS)
