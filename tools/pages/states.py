"""Generates the reference page of statuses: a drawing and a table of every transition."""

from collections.abc import Mapping

from drawings.lanes import Row, lanes

from payment_worker.domain.payment import PAYMENT_TRANSITIONS
from payment_worker.domain.refund import REFUND_TRANSITIONS

PAGE = """# Statuses

Generated from the transition tables in `payment_worker/domain/payment.py` and `refund.py` by `tools/generate.py`: a
transition that is not drawn cannot happen. A dot marks the status before, an arrowhead the status after.

## Payment

![Transitions of a payment](payment-states.svg)

{payment}

`SUCCEEDED` and `CANCELED` are final, as they are at Stripe. `FAILED` is not: Stripe leaves a declined PaymentIntent
open, and another attempt may succeed.

## Refund

![Transitions of a refund](refund-states.svg)

{refund}

`PROCESSED` is not final: a bank may return the money days later. The refund is then `FAILED`, and the amount can be
refunded again.
"""

Transitions = Mapping[str, Mapping[str, str]]


def page() -> str:
    """The text of the page."""
    return PAGE.format(payment=_table(PAYMENT_TRANSITIONS), refund=_table(REFUND_TRANSITIONS))


def payment_drawing() -> str:
    """The drawing of a payment's transitions."""
    return lanes("Transitions of a payment", list(PAYMENT_TRANSITIONS), _rows(PAYMENT_TRANSITIONS))


def refund_drawing() -> str:
    """The drawing of a refund's transitions."""
    return lanes("Transitions of a refund", list(REFUND_TRANSITIONS), _rows(REFUND_TRANSITIONS))


def _rows(transitions: Transitions) -> list[Row]:
    sources: dict[tuple[str, str], list[str]] = {}
    for status, moves in transitions.items():
        for trigger, to in moves.items():
            sources.setdefault((trigger.replace("_", " "), to), []).append(status)
    return [(trigger, froms, to) for (trigger, to), froms in sources.items()]


def _table(transitions: Transitions) -> str:
    rows = [
        f"| {trigger} | {', '.join(map(_code, froms))} | `{to}` |"
        for trigger, froms, to in _rows(transitions)
    ]
    return "\n".join(("| trigger | from | to |", "|---|---|---|", *rows))


def _code(word: str) -> str:
    return f"`{word}`"
