"""Another app: it has Celery, a broker address and the names of our tasks, and not one line of our code."""

from typing import Any
from uuid import uuid4

from celery import Celery


def a_charge(**changes: object) -> dict[str, Any]:
    """The arguments of an ordinary charge; `None` leaves one out."""
    ordinary = {
        "payment_id": str(uuid4()),
        "order_id": str(uuid4()),
        "amount": 10_000,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
    }
    return {name: value for name, value in {**ordinary, **changes}.items() if value is not None}


def a_refund(payment_id: str, **changes: object) -> dict[str, Any]:
    """The arguments of an ordinary refund, of all that is left unless an amount is given."""
    return {"refund_id": str(uuid4()), "payment_id": payment_id, **changes}


class Producer:
    """Sends tasks by name, as `docs` tell other apps to."""

    def __init__(self, redis_url: str) -> None:
        self.app = Celery("shop", broker=redis_url, set_as_current=False)
        self.app.conf.update(task_serializer="json", accept_content=["json"], task_ignore_result=True)

    def charge(self, **arguments: object) -> str:
        return self.send("payment_worker.charge", "charges", arguments)

    def charge_something(self, **changes: object) -> str:
        """Enqueue an ordinary charge and return its payment's id."""
        arguments = a_charge(**changes)
        self.charge(**arguments)
        return str(arguments["payment_id"])

    def refund(self, **arguments: object) -> str:
        return self.send("payment_worker.refund", "refunds", arguments)

    def receive_stripe_event(self, **arguments: object) -> str:
        return self.send("payment_worker.receive_stripe_event", "events", arguments)

    def hand_on(self, payload: str, signature: str) -> str:
        """What an app does that terminates Stripe's webhooks itself."""
        return self.receive_stripe_event(payload=payload, signature=signature)

    def send(self, task: str, queue: str, arguments: dict[str, object], **options: object) -> str:
        """Enqueue it and return the message's id."""
        return str(self.app.send_task(task, kwargs=arguments, queue=queue, **options).id)

    def close(self) -> None:
        self.app.pool.force_close_all()
        self.app.close()
