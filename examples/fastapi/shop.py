"""A shop that has its orders charged by Payment Worker: `uvicorn shop:app`, and `python shop.py` once a minute."""

import logging
import os
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from celery import Celery
from fastapi import BackgroundTasks, FastAPI, HTTPException
from kombu.exceptions import OperationalError
from pydantic import BaseModel
from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

SEND_AGAIN_AFTER = timedelta(minutes=1)
payment_worker = Celery(broker=os.environ["REDIS_URL"], set_as_current=False)
# A Redis that is away or never answers may not hold up whoever buys: what was not sent is sent again.
payment_worker.conf.update(
    task_publish_retry=False,
    broker_transport_options={"socket_connect_timeout": 5, "socket_timeout": 5},
)
engine = create_engine(os.environ["SHOP_DATABASE_URL"].replace("://", "+psycopg2://", 1))
app = FastAPI()
log = logging.getLogger("shop")


class Base(DeclarativeBase):
    """The shop's tables."""


class Order(Base):
    """What a customer buys. The amount is in minor units: cents, or yen."""

    __tablename__ = "shop_order"
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int]
    currency: Mapped[str]


class Charge(Base):
    """The outbox: a charge that was decided with its order, whether or not Redis could take the message."""

    __tablename__ = "charge"
    payment_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id))
    payment_method: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # The type of the message with its outcome: PaymentSucceeded, PaymentFailed, … Written by the consumer.
    outcome: Mapped[str | None]
    order: Mapped[Order] = relationship()

    def arguments(self) -> dict[str, Any]:
        """What Payment Worker is asked for: the same each time, so that it is charged once."""
        return {
            "payment_id": str(self.payment_id),
            "order_id": str(self.order_id),
            "amount": self.order.amount,
            "currency": self.order.currency,
            "payment_method": self.payment_method,
        }


Base.metadata.create_all(engine)


class Purchase(BaseModel):
    """The body of a request to buy."""

    amount: int
    currency: str
    payment_method: str


@app.post("/orders")
def place_order(purchase: Purchase, after_the_answer: BackgroundTasks) -> dict[str, int]:
    """Place an order. It and the decision to charge are committed together, or neither is."""
    with Session(engine) as session, session.begin():
        order = Order(amount=purchase.amount, currency=purchase.currency)
        charge = Charge(order=order, payment_method=purchase.payment_method)
        session.add(charge)
        session.flush()
        order_id, arguments = order.id, charge.arguments()
    after_the_answer.add_task(send, arguments)
    return {"order_id": order_id}


@app.get("/orders/{order_id}")
def outcome(order_id: int) -> dict[str, str | None]:
    """What became of an order's charge."""
    with Session(engine) as session:
        charge = session.scalar(select(Charge).where(Charge.order_id == order_id))
        if charge is None:
            raise HTTPException(404)
        return {"payment_id": str(charge.payment_id), "outcome": charge.outcome}


def send(arguments: dict[str, Any]) -> None:
    """Ask for the charge. What Redis does not take is sent again by `send_unanswered`."""
    try:
        payment_worker.send_task("payment_worker.charge", queue="charges", kwargs=arguments)
    except OperationalError as error:
        log.warning("not sent now: %s", error)


def send_unanswered() -> int:
    """Send the charges again of which nothing was heard for a minute; how many there were."""
    waiting = select(Charge).where(
        Charge.outcome.is_(None), Charge.created_at <= func.now() - SEND_AGAIN_AFTER
    )
    with Session(engine) as session:
        charges = session.scalars(waiting).all()
        for charge in charges:
            send(charge.arguments())
    return len(charges)


if __name__ == "__main__":
    print(send_unanswered(), "sent again")
