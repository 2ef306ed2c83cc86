"""Each test has the shop's own database, and a Payment Worker where nothing has happened."""

import os

# The shop under test must not reach the broker that this shell happens to know.
os.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"

import pytest


@pytest.fixture
def worker(payment_worker_stack, transactional_db):  # noqa: ARG001 what the shop commits is really committed
    """Payment Worker, which the shop sends to."""
    from shop import charges  # noqa: PLC0415 after Django's set-up

    charges.payment_worker.conf.broker_url = payment_worker_stack.redis_url
    return payment_worker_stack
