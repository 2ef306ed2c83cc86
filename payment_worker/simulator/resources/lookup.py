"""Finds the object that a request's path names."""

from collections.abc import Mapping

from payment_worker.simulator.api.errors import no_such
from payment_worker.simulator.state import Context, Json


def found(
    context: Context, records: Mapping[str, Json], object_id: str, kind: str, *, param: str = "id"
) -> Json:
    """The record of that id; the journal names it. Raises RequestError."""
    if object_id not in records:
        raise no_such(kind, object_id, param=param, status=404)
    context.object_id = object_id
    return records[object_id]


def found_intent(context: Context, object_id: str) -> Json:
    """The PaymentIntent of that id. Raises RequestError."""
    return found(context, context.account.payment_intents, object_id, "payment_intent", param="intent")
