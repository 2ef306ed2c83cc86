"""`payment-worker charge`, `refund` and the other commands that validate and enqueue one task."""

import json
from collections.abc import Mapping
from typing import Annotated
from uuid import uuid4

import typer

Further = Annotated[
    list[str] | None,
    typer.Option(
        "--argument",
        metavar="NAME=VALUE",
        help="Any further argument of the task; repeatable. Objects as JSON.",
    ),
]
Account = Annotated[
    str | None, typer.Option(help="Its name in STRIPE_API_KEYS; the default account if not given.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def charge(  # noqa: PLR0913 - one option for each argument of the task
    *,
    amount: Annotated[int, typer.Option(help="In minor units: cents, or yen.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")],
    payment_method: Annotated[str, typer.Option(help="Stripe's id of the payment method, pm_….")],
    payment_id: Annotated[str | None, typer.Option(help="A new UUID if not given.")] = None,
    order_id: Annotated[str | None, typer.Option(help="Your order's id; a new UUID if not given.")] = None,
    customer_id: Annotated[str | None, typer.Option(help="Your customer's id.")] = None,
    stripe_customer: Annotated[str | None, typer.Option(help="Stripe's id of the customer, cus_….")] = None,
    manual: Annotated[bool, typer.Option("--manual", help="Only authorise; capture later.")] = False,
    description: Annotated[str | None, typer.Option()] = None,
    statement_descriptor_suffix: Annotated[str | None, typer.Option()] = None,
    metadata: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Repeatable.")] = None,
    account: Account = None,
    stripe_account: Annotated[str | None, typer.Option(help="The connected account.")] = None,
    argument: Further = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue a charge of a payment method; repeating it with the same payment id charges once."""
    from payment_worker.contracts.requests import ChargeRequest

    arguments = {
        "payment_id": payment_id or str(uuid4()),
        "order_id": order_id or str(uuid4()),
        "customer_id": customer_id,
        "amount": amount,
        "currency": currency,
        "payment_method": payment_method,
        "stripe_customer": stripe_customer,
        "capture_method": "manual" if manual else None,
        "description": description,
        "statement_descriptor_suffix": statement_descriptor_suffix,
        "metadata": _pairs(metadata or [], "--metadata") or None,
        "account": account,
        "stripe_account": stripe_account,
        **_further(argument),
    }
    _enqueue("payment_worker.charge", ChargeRequest, arguments, "payment_id", as_json=as_json)


def refund(
    payment_id: Annotated[str, typer.Argument(help="The payment to refund.")],
    *,
    amount: Annotated[
        int | None, typer.Option(help="In minor units; all that is still refundable if not given.")
    ] = None,
    refund_id: Annotated[str | None, typer.Option(help="A new UUID if not given.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="duplicate, fraudulent or requested_by_customer.")
    ] = None,
    requested_by: Annotated[str | None, typer.Option(help="Who requests it; you if not given.")] = None,
    note: Annotated[str | None, typer.Option(help="Why; stored with the refund.")] = None,
    argument: Further = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue a full or partial refund; repeating it with the same refund id refunds once."""
    from payment_worker.cli.database import operator
    from payment_worker.contracts.requests import RefundRequest

    arguments = {
        "refund_id": refund_id or str(uuid4()),
        "payment_id": payment_id,
        "amount": amount,
        "reason": reason,
        "requested_by": requested_by or operator(),
        "note": note,
        **_further(argument),
    }
    _enqueue("payment_worker.refund", RefundRequest, arguments, "refund_id", as_json=as_json)


def adopt(
    payment_intent: Annotated[str, typer.Argument(help="Stripe's id of the PaymentIntent.")],
    *,
    order_id: Annotated[str, typer.Option(help="Your id of the order.")],
    payment_id: Annotated[str | None, typer.Option(help="A new UUID if not given.")] = None,
    customer_id: Annotated[str | None, typer.Option(help="Your id of the customer.")] = None,
    account: Account = None,
    stripe_account: Annotated[str | None, typer.Option(help="The connected account that it is on.")] = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue an adoption: take over a PaymentIntent that another program created, once for each payment id."""
    from payment_worker.contracts.requests import AdoptRequest

    arguments = {
        "payment_id": payment_id or str(uuid4()),
        "order_id": order_id,
        "payment_intent": payment_intent,
        "account": account,
        "stripe_account": stripe_account,
        "customer_id": customer_id,
    }
    _enqueue("payment_worker.adopt", AdoptRequest, arguments, "payment_id", as_json=as_json)


def capture(
    payment_id: Annotated[str, typer.Argument(help="The payment to capture.")],
    *,
    amount: Annotated[
        int | None, typer.Option(help="In minor units; the whole authorised amount if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue a capture of the whole authorised amount or a part of it."""
    from payment_worker.contracts.requests import CaptureRequest

    arguments = {"payment_id": payment_id, "amount": amount}
    _enqueue("payment_worker.capture", CaptureRequest, arguments, "payment_id", as_json=as_json)


def cancel(
    payment_id: Annotated[str, typer.Argument(help="The payment to cancel.")],
    *,
    reason: Annotated[
        str | None,
        typer.Option(help="Published to other apps, and sent to Stripe if it is one of Stripe's reasons."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue a cancellation of a payment that has not succeeded."""
    from payment_worker.contracts.requests import CancelRequest

    arguments = {"payment_id": payment_id, "reason": reason}
    _enqueue("payment_worker.cancel", CancelRequest, arguments, "payment_id", as_json=as_json)


def retry_charge(
    payment_id: Annotated[str, typer.Argument(help="The payment to retry.")],
    *,
    payment_method: Annotated[
        str | None, typer.Option(help="Another payment method; the same if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue a retry of a declined payment."""
    from payment_worker.contracts.requests import RetryChargeRequest

    arguments = {"payment_id": payment_id, "payment_method": payment_method}
    _enqueue("payment_worker.retry_charge", RetryChargeRequest, arguments, "payment_id", as_json=as_json)


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise typer.BadParameter("must be NAME=VALUE", param_hint=option)
    return dict(text.split("=", 1) for text in texts)


def _further(texts: list[str] | None) -> dict[str, object]:
    """Arguments as JSON, where they are that: numbers, true, false, objects; else as text."""
    return {name: _value(text) for name, text in _pairs(texts or [], "--argument").items()}


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _enqueue(
    task: str, model: type, arguments: Mapping[str, object], identity: str, *, as_json: bool
) -> None:
    from payment_worker.celery import app, check_result_backend
    from payment_worker.cli.views.printing import print_json, say
    from payment_worker.contracts.requests import parse

    check_result_backend()
    given_arguments = {name: value for name, value in arguments.items() if value is not None}
    parse(model, given_arguments)
    request_id = app.send_task(task, kwargs=given_arguments).id
    if as_json:
        print_json({"task": task, "request_id": request_id, identity: given_arguments[identity]})
    else:
        say(f"Enqueued {task}. What comes of it:\n  payment-worker show {given_arguments[identity]}")
