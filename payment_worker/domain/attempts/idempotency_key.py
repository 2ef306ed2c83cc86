"""The idempotency key of an attempt: builds it, and recognises keys of payments and refunds whose rows were lost."""

from uuid import UUID

from payment_worker.domain.attempts.attempt import Action


def idempotency_key(subject: UUID, action: Action, number: int, *, request_id: UUID | None) -> str:
    """The key of an attempt on a payment or a refund.

    Made of ids alone, so that even a database restored from before it was stored makes the same one again for the same
    request, and another one for another: what has no id of its own is told apart by the message that asked for it.
    """
    return f"{subject}:{action}:{number}" + (f":{request_id}" if request_id else "")


def is_charge_key(key: str, payment_id: UUID) -> bool:
    """Whether it is a key of ours to charge this payment."""
    return key.startswith(f"{payment_id}:{Action.CHARGE}:")


def is_refund_key(key: str | None, refund_id: object) -> bool:
    """Whether it is a key of ours for this refund."""
    return key is not None and key.startswith(f"{refund_id}:{Action.REFUND}:")
