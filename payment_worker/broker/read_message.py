"""The message that Celery is given in place of the one that was received."""

from typing import Any

from kombu.transport import virtual

from payment_worker.broker.validate_message import TaskMessage


class ReadMessage(virtual.Message):
    """What Celery is given of a message: what was read of it, and nothing else."""

    def __init__(self, message: Any, task_message: TaskMessage) -> None:  # noqa: ANN401 kombu has no types
        delivery_info = {
            "exchange": "",
            "routing_key": task_message.queue,
            "redelivered": bool(task_message.redeliveries),
        }
        super().__init__(  # type: ignore[no-untyped-call] # kombu has no types
            {
                "body": None,
                "content-type": "application/json",
                "content-encoding": "utf-8",
                "headers": task_message.headers(),
                "properties": {
                    "delivery_tag": message.delivery_tag,
                    "correlation_id": task_message.request_id,
                    "delivery_info": delivery_info,
                },
            },
            channel=message.channel,
            accept=message.accept,
        )
        self._read: list[object] = [task_message.args, task_message.kwargs, {}]

    @property
    def payload(self) -> list[object]:
        """The content, which kombu would decode from the body."""
        return self._read
