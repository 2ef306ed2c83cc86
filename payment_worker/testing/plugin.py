"""The fixtures `stripe_simulator` and `payment_worker_stack`, which pytest finds where this package is installed.

Every pytest run imports this module: nothing else is imported before a test asks for a fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from payment_worker.devstack.servers.simulator import Simulator
    from payment_worker.testing.stack import PaymentWorkerStack

_EXTRA = 'pip install "payment-worker[testing]"'


@pytest.fixture(scope="session")
def stripe_simulator_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The session's simulator, which still has what happened in it before."""
    from payment_worker.devstack.servers.simulator import Simulator  # noqa: PLC0415 see above

    simulator = Simulator.start(tmp_path_factory.mktemp("stripe"), arguments=("--seed", "1"))
    yield simulator
    simulator.stop()


@pytest.fixture
def stripe_simulator(stripe_simulator_server: Simulator) -> Simulator:
    """Stripe's simulator, where nothing has happened yet: `url` is what a client takes for Stripe's address."""
    stripe_simulator_server.reset()
    return stripe_simulator_server


@pytest.fixture(scope="session")
def payment_worker_settings() -> dict[str, str]:
    """Settings of the worker under test, by the names of their environment variables. Override it for others."""
    return {}


@pytest.fixture(scope="session")
def _payment_worker_processes(
    stripe_simulator_server: Simulator, payment_worker_settings: dict[str, str]
) -> Iterator[PaymentWorkerStack]:
    from payment_worker.devstack.servers.binaries import MissingProgramError  # noqa: PLC0415 see above
    from payment_worker.testing.stack import started  # noqa: PLC0415

    try:
        with started(stripe_simulator_server, payment_worker_settings) as stack:
            yield stack
    except MissingProgramError as error:
        pytest.fail(f"The fixture payment_worker_stack needs its servers: {_EXTRA}\n{error}", pytrace=False)


@pytest.fixture
def payment_worker_stack(
    _payment_worker_processes: PaymentWorkerStack, stripe_simulator: Simulator
) -> PaymentWorkerStack:
    """A running Payment Worker with empty tables and queues, which charges at `stripe_simulator`."""
    _payment_worker_processes.reset(stripe_simulator)
    return _payment_worker_processes
