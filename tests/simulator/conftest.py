"""A client of the simulator made with Stripe's own library, and an app that receives its webhooks."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import stripe

from payment_worker.devstack.servers.simulator import Simulator
from tests.simulator.builders import a_client
from tests.simulator.webhooks.receiver import Receiver

stripe.enable_telemetry = False


@pytest.fixture
def client(simulator: Simulator) -> Iterator[stripe.StripeClient]:
    """Stripe's library, told where the simulator is; it retries nothing."""
    with a_client(simulator.url, timeout_seconds=10) as made:
        yield made


@pytest.fixture
def hasty_client(simulator: Simulator) -> Iterator[stripe.StripeClient]:
    """A client that gives up soon."""
    with a_client(simulator.url, timeout_seconds=0.3) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An app that takes webhooks."""
    with closing(Receiver()) as app:
        yield app
