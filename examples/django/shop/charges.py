"""Places an order, has it charged, and has charges refunded."""

import os
from datetime import timedelta

from celery import Celery
from django.db import transaction
from django.utils import timezone

from shop.models import Charge, Order, Refund

payment_worker = Celery(broker=os.environ["REDIS_URL"], set_as_current=False)
# A Redis that is away or never answers may not hold up whoever buys: what was not sent is sent again.
payment_worker.conf.update(
    task_publish_retry=False,
    broker_transport_options={"socket_connect_timeout": 5, "socket_timeout": 5},
)
SEND_AGAIN_AFTER = timedelta(minutes=1)


def place_order(*, amount: int, currency: str, payment_method: str) -> Order:
    """Place an order. It and the decision to charge are committed together, or neither is."""
    with transaction.atomic():
        order = Order.objects.create(amount=amount, currency=currency)
        charge = Charge.objects.create(order=order, payment_method=payment_method)
        # Robust: the order stands even if Redis is unreachable now. `send_charges` sends what was not sent.
        transaction.on_commit(lambda: send(charge), robust=True)
    return order


def refund(charge: Charge, *, amount: int) -> Refund:
    """Decide to give so much of a charge back."""
    with transaction.atomic():
        refund = Refund.objects.create(charge=charge, amount=amount)
        transaction.on_commit(lambda: send_refund(refund), robust=True)
    return refund


def send(charge: Charge) -> None:
    """Ask for the charge; harmless when it was asked for before, since the payment's id is the same."""
    payment_worker.send_task(
        "payment_worker.charge",
        queue="charges",
        kwargs={
            "payment_id": str(charge.payment_id),
            "order_id": str(charge.order_id),
            "amount": charge.order.amount,
            "currency": charge.order.currency,
            "payment_method": charge.payment_method,
        },
    )


def send_refund(refund: Refund) -> None:
    """Ask for the refund; as harmless as `send`."""
    payment_worker.send_task(
        "payment_worker.refund",
        queue="refunds",
        kwargs={
            "refund_id": str(refund.refund_id),
            "payment_id": str(refund.charge_id),
            "amount": refund.amount,
        },
    )


def send_unanswered() -> int:
    """Send again what was not answered for a minute; how many charges and refunds there were."""
    waiting = {"outcome": None, "created_at__lte": timezone.now() - SEND_AGAIN_AFTER}
    charges = Charge.objects.select_related("order").filter(**waiting)
    refunds = Refund.objects.filter(**waiting)
    for charge in charges:
        send(charge)
    for each in refunds:
        send_refund(each)
    return len(charges) + len(refunds)
