"""The reference of the states: what may follow upon what, drawn and told."""

from collections.abc import Mapping

from drawings.lanes import Row, lanes

from payment_worker.domain.payment import PAYMENT_TRANSITIONS
from payment_worker.domain.refund import REFUND_TRANSITIONS

PAGE = """# States

Made from the tables in `payment_worker/domain/payment.py` and `refund.py` by `tools/generate.py`: what is not drawn
cannot happen. A dot is where it may happen, the arrow's head is where it leads.

## Payment

![What may follow upon what, for a payment](payment-states.svg)

{payment}

`SUCCEEDED` and `CANCELED` are final, as they are at Stripe. `FAILED` is not: Stripe leaves a declined PaymentIntent
open, and another attempt may follow.

## Refund

![What may follow upon what, for a refund](refund-states.svg)

{refund}

A refund only moves forward. `PROCESSED` is not final: a bank may return the money days later, and the amount can then
be refunded again.
"""

Transitions = Mapping[str, Mapping[str, str]]


def page() -> str:
    """The page as it must be."""
    return PAGE.format(payment=_table(PAYMENT_TRANSITIONS), refund=_table(REFUND_TRANSITIONS))


def payment_drawing() -> str:
    """The states of a payment."""
    return lanes("The states of a payment", list(PAYMENT_TRANSITIONS), _rows(PAYMENT_TRANSITIONS))


def refund_drawing() -> str:
    """The states of a refund."""
    return lanes("The states of a refund", list(REFUND_TRANSITIONS), _rows(REFUND_TRANSITIONS))


def _rows(transitions: Transitions) -> list[Row]:
    sources: dict[tuple[str, str], list[str]] = {}
    for status, moves in transitions.items():
        for news, to in moves.items():
            sources.setdefault((news, to), []).append(status)
    return [(news, froms, to) for (news, to), froms in sources.items()]


def _table(transitions: Transitions) -> str:
    rows = [f"| {news} | {', '.join(map(_code, froms))} | `{to}` |" for news, froms, to in _rows(transitions)]
    return "\n".join(("| what happens | from | to |", "|---|---|---|", *rows))


def _code(word: str) -> str:
    return f"`{word}`"
