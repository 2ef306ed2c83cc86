"""Retries a request whose payment does not exist yet, because it overtook the charge."""

import json
from base64 import b64decode
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NoReturn
from uuid import UUID

from celery import Task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from payment_worker.celery import app
from payment_worker.contracts.requests import FieldError
from payment_worker.monitoring.queues import PRIORITIES, UNACKNOWLEDGED
from payment_worker.tasks.base import NO_LIMIT, growing_countdown, reject

CHARGE: Final = "payment_worker.charge"
CHARGES: Final = "charges"

MAX_LOOKUPS: Final = 4
"""Such a request is retried this often in any case, after 1, 2, 4 and 8 seconds: its charge may be a little late.

After that it is retried only while its charge may be queued, or held by a worker.
"""


class Missing(StrEnum):
    """What a request waits for, each with a header that counts its retries.

    Celery's own count includes retries during outages of PostgreSQL, which say nothing about the charge: after an
    outage a request would be rejected whose charge is about to be recorded.
    """

    PAYMENT = "payment_worker.looked"
    ANSWER = "payment_worker.waited"
    """The outcome of another attempt on the payment."""


def is_patient(task: Task, missing: Missing) -> bool:
    """Whether the task comes back in any case."""
    return _lookups(task, missing) < MAX_LOOKUPS


def retry_lookup(task: Task, missing: Missing) -> NoReturn:
    """Retry the task a little later."""
    lookups = _lookups(task, missing)
    headers = {**(task.request.headers or {}), str(missing): lookups + 1}
    raise task.retry(countdown=growing_countdown(lookups), headers=headers, max_retries=NO_LIMIT)


def wait_for_payment(task: Task, payment_id: UUID, arguments: Mapping[str, object]) -> NoReturn:
    """Retry the task for a payment that does not exist, or reject the request if its charge will not arrive."""
    if is_patient(task, Missing.PAYMENT) or _charge_may_come(payment_id):
        retry_lookup(task, Missing.PAYMENT)
    reject(task, arguments, [FieldError("payment_id", "unknown_payment", "names no payment that we know")])


def _lookups(task: Task, missing: Missing) -> int:
    header = (task.request.headers or {}).get(missing)
    return header if isinstance(header, int) else 0


def _charge_may_come(payment_id: UUID) -> bool:
    """Whether this payment's charge may be queued or held by a worker, or that cannot be known."""
    try:
        with app.pool.acquire(block=True) as connection:
            client = connection.default_channel.client
            if any(client.llen(f"{CHARGES}{priority}") for priority in PRIORITIES):
                return True
            return any(_is_charge_of(unacked, payment_id) for _, unacked in client.hscan_iter(UNACKNOWLEDGED))
    except (OperationalError, RedisError):
        return True


def _is_charge_of(unacked: bytes, payment_id: UUID) -> bool:
    """Whether a message that a worker holds, as kombu keeps it there (5.7.0), is the charge of this payment."""
    try:
        message, *_ = json.loads(unacked)
        body = b64decode(message["body"]).decode()
        # Celery's first protocol has the task's name in the body.
        is_a_charge = CHARGE in (message["headers"].get("task") or body)
        return is_a_charge and payment_id.hex in body.lower().replace("-", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
