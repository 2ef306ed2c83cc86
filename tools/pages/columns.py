"""What columns mean on which the database has no comment, because their name says most of it."""

from collections.abc import Mapping

EVERYWHERE: Mapping[str, str] = {
    "payment_id": "The payment.",
    "refund_id": "The refund.",
    "stripe_account": "The connected account; null for the platform's own.",
    "currency": "ISO 4217, upper case.",
    "created_at": "When it was first recorded.",
    "updated_at": "When the row was last written.",
    "version": "Incremented by every write.",
}

OF: Mapping[str, Mapping[str, str]] = {
    "payment": {
        "payment_id": "The caller's id, and the key of the request.",
        "order_id": "The order that is paid for: the caller's id.",
        "customer_id": "The caller's customer, if it gave one.",
        "amount": "The requested amount.",
        "status": "Its [state](states.md).",
        "amount_authorized": "The authorised amount of a payment with manual capture.",
        "amount_captured": "The captured amount; 0 unless `SUCCEEDED`.",
        "amount_refunded": "The sum of its `PROCESSED` refunds.",
        "stripe_balance_transaction_id": "Stripe's balance transaction, from which fee and net are.",
        "settlement_currency": "The currency of the balance that fee and net are in.",
        "failure_reason": "Why it failed: one of [four reasons](messages.md#paymentfailed).",
        "decline_code": "Stripe's own code for it.",
        "application_fee_amount": "What the platform keeps of it (Connect), as the caller gave it.",
        "transfer_destination": "The account that Stripe transfers it to (Connect), as the caller gave it.",
        "transfer_amount": "How much of it; null for all. As the caller gave it.",
        "stripe_customer": "Stripe's customer, if the caller gave one.",
        "stripe_payment_intent_id": "Stripe's PaymentIntent, `pi_…`.",
        "stripe_charge_id": "Stripe's latest Charge of it, `ch_…`.",
        "capture_method": "`automatic`: captured at once. `manual`: authorised until it is captured.",
        "description": "As the caller gave it.",
        "statement_descriptor_suffix": "As the caller gave it.",
        "metadata": "As the caller gave it.",
    },
    "refund": {
        "refund_id": "The caller's id; one made of Stripe's for a refund that was made elsewhere.",
        "payment_id": "The payment that is refunded.",
        "amount": "The amount to refund.",
        "status": "Its [state](states.md#refund).",
        "reason": "As the caller gave it.",
        "failure_reason": "Why it failed: [ours](tasks.md#payment_workerrefund-refunds), or Stripe's.",
        "requested_by": "As the caller gave it.",
        "note": "As the caller gave it.",
        "reverse_transfer": "Whether its share of the transfer is reversed (Connect), as the caller gave it.",
        "refund_application_fee": "Whether the application fee's share is refunded (Connect), as the caller gave it.",
        "stripe_refund_id": "Stripe's Refund, `re_…`.",
        "amount_was_given": "False if the whole remaining amount was requested.",
    },
    "payment_history": {
        "history_id": "Increases with time.",
        "refund_id": "Set if the transition is a refund's.",
        "from_status": "The status before; null for the first.",
        "to_status": "The status after.",
        "cause": "Why: `requested`, `answered`, `event payment_intent.succeeded`, `reconciliation`, …",
        "actor": "Who: the task with its id, or the command with its user, and the machine.",
        "detail": "Ids, codes and amounts that belong to it.",
        "recorded_at": "When.",
    },
    "dispute": {
        "stripe_dispute_id": "Stripe's Dispute, `dp_…`.",
        "status": "Stripe's status in upper case.",
        "stripe_charge_id": "The charge that is disputed.",
        "reason": "Stripe's reason code.",
        "evidence_due_by": "Until when evidence can be submitted.",
    },
    "stripe_event": {
        "event_id": "Stripe's Event, `evt_…`.",
        "type": "Stripe's type of it.",
        "api_version": "The API version of its payload.",
        "livemode": "Whether it is of live mode.",
        "object_id": "The Stripe object concerned.",
        "payload": "The event as Stripe sent it.",
        "status": "`RECEIVED`, then `PROCESSED`, `IGNORED`, or `PARKED` after too many tries.",
        "source": "How it arrived: `webhook`, `poll` or `task`.",
        "tries": "How often processing it was started.",
        "lease_token": "Raised by every claim; a write under an older one is refused.",
        "next_action_at": "When it is due; null once it is finished.",
        "created_at": "When Stripe created it.",
        "received_at": "When it was stored.",
        "finished_at": "When it was processed, ignored or parked.",
    },
    "rejected_request": {
        "request_id": "The id of the task's message. Where another request was kept under that id, or the message "
        "has none: made of what it asks for, or of its delivery.",
        "task": "The task's name.",
        "arguments": "As sent, with anything sensitive masked.",
        "errors": "Every error.",
        "ids": "Every id in its arguments, as text: `payment-worker show` finds it by any of them.",
        "is_complete": "Whether the arguments are stored unmasked. A masked request cannot be replayed.",
        "received_at": "When.",
        "replayed_at": "When it was replayed.",
        "replayed_by": "By whom.",
    },
    "reconciliation_run": {
        "run_id": "Increases with time.",
        "since": "The period's begin.",
        "until": "The period's end.",
        "is_scheduled": "False for one over a named period.",
        "status": "`RUNNING` or `FINISHED`.",
        "step": "What is being compared.",
        "stripe_account": "The account that is being compared; empty for the platform's own.",
        "cursor": "The position on Stripe's list.",
        "read_back_to": "When the last object read so far was created: lists are read newest first.",
        "refunds": "Refunds that were compared.",
        "disputes": "Disputes that were compared.",
        "repaired": "Differences that it repaired.",
        "left_open": "Findings that it left open.",
        "closed": "Earlier findings whose difference was gone.",
        "started_at": "When it began.",
        "finished_at": "When it finished.",
    },
    "reconciliation_finding": {
        "finding_id": "Increases with time.",
        "kind": "What differs: [each kind, and what to do](../how-to/reconcile.md).",
        "object_id": "Stripe's object, or the idempotency key of an attempt whose outcome is unknown.",
        "payment_id": "The payment, if it is known which.",
        "refund_id": "The refund, if it is of one.",
        "detail": "Our values and Stripe's.",
        "found_at": "When it was first found.",
        "resolved_at": "When it was repaired or closed.",
        "closed_by": "Who closed it last, and where; kept when it reopens.",
        "close_reason": "Why they did.",
        "closed_at": "When they did.",
    },
}


def told(table: str, column: str) -> str:
    """What a column means.

    Raises:
        KeyError: it has no description: add it here, or as a comment in the migration that creates it.
    """
    return OF[table].get(column) or EVERYWHERE[column]
