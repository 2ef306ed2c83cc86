"""A request that overtook its charge looks for the payment again, for as long as that may still come."""

from enum import StrEnum
from typing import Final, NoReturn

from celery import Task

from payment_worker.tasks.obeying import NO_LIMIT, growing_countdown

LOOKS: Final = 4
"""Times that such a request comes back in any case, after 1, 2, 4 and 8 seconds: its charge may be a little behind.

After them it goes on looking only while its charge may be among what is queued, or what a worker holds.
"""


class Lack(StrEnum):
    """What a request finds missing, each with a header that counts the looks for it.

    Celery's own count of retries has outages of PostgreSQL in it, too, which tell nothing about the charge: after one,
    a request would be refused whose charge is about to be noted.
    """

    PAYMENT = "payment_worker.looked"
    ANSWER = "payment_worker.waited"
    """What another request about the payment came to."""


def is_patient(task: Task, lack: Lack) -> bool:
    """Whether the task comes back in any case."""
    return _looked(task, lack) < LOOKS


def look_again(task: Task, lack: Lack) -> NoReturn:
    """Have the task look again a little later."""
    looked = _looked(task, lack)
    headers = {**(task.request.headers or {}), str(lack): looked + 1}
    raise task.retry(countdown=growing_countdown(looked), headers=headers, max_retries=NO_LIMIT)


def _looked(task: Task, lack: Lack) -> int:
    said = (task.request.headers or {}).get(lack)
    return said if isinstance(said, int) else 0
