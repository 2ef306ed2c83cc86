"""An example app that sends charges and refunds by task name with Celery alone."""

from typing import Self
from uuid import uuid4

from celery import Celery


class Shop:
    """What a shop does with payments: have them charged and refunded, and hand on what Stripe tells it."""

    def __init__(self, redis_url: str) -> None:
        self._app = Celery("shop", broker=redis_url, set_as_current=False)

    def charge(
        self, amount: int, currency: str = "EUR", payment_method: str = "pm_card_visa", *, copies: int = 1
    ) -> str:
        """Enqueue a charge of so many minor units, `copies` times over, and return its payment's id."""
        payment_id = str(uuid4())
        arguments = {
            "payment_id": payment_id,
            "order_id": str(uuid4()),
            "amount": amount,
            "currency": currency,
            "payment_method": payment_method,
        }
        for _ in range(copies):
            self._app.send_task("payment_worker.charge", kwargs=arguments, queue="charges")
        return payment_id

    def refund(self, payment_id: str, amount: int | None = None, *, copies: int = 1) -> str:
        """Enqueue a refund, of all that is left unless an amount is given, and return its id."""
        refund_id = str(uuid4())
        arguments = {"refund_id": refund_id, "payment_id": payment_id}
        for _ in range(copies):
            self._app.send_task(
                "payment_worker.refund",
                kwargs=arguments if amount is None else {**arguments, "amount": amount},
                queue="refunds",
            )
        return refund_id

    def send(self, task: str) -> None:
        """Enqueue a task of the worker's own that takes no arguments."""
        self._app.send_task(task, queue="maintenance")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._app.pool.force_close_all()
        self._app.close()
