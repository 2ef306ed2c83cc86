"""Another app: it has Celery, a broker address and the names of our tasks, and not one line of our code."""

from celery import Celery


class Producer:
    """Sends tasks by name, as `docs` tell other apps to."""

    def __init__(self, redis_url: str) -> None:
        self.app = Celery("shop", broker=redis_url, set_as_current=False)
        self.app.conf.update(task_serializer="json", accept_content=["json"], task_ignore_result=True)

    def charge(self, **arguments: object) -> str:
        return self.send("payment_worker.charge", "charges", arguments)

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
