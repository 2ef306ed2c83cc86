"""Whatever happens to one payment, in whatever order: one effect a request, no way back, equal books at rest."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from payment_worker import bootstrap
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.flows.context import Context
from payment_worker.gateway.account.key_owner import ApiKey
from payment_worker.gateway.client import Gateway
from payment_worker.gateway.rate_limit.limiter import RateLimiter
from payment_worker.redis.client import redis_client
from payment_worker.settings import Settings
from tests.flows.one_payment import DyingDatabase, OnePayment
from tests.flows.scene import Clock
from tests.harness.length import examples
from tests.harness.rows import Rows

EXAMPLES = examples(3, long=200)
"""Lives of a payment that are played: the long run looks for what is rare."""


@pytest.mark.timeout(300 + 10 * EXAMPLES)
def test_nothing_that_befalls_one_payment_breaks_the_promise(
    context: Context, environment: dict[str, str], simulator: Simulator, clock: Clock, rows: Rows
) -> None:
    # The breaker counts in real time, which does not pass here: it has tests of its own.
    settled = Settings.from_environment({**environment, "PAYMENT_WORKER_BREAKER_FAILURES": "1000"})
    rate_limiter = RateLimiter(
        redis_client(environment["REDIS_URL"], timeout_seconds=1), bootstrap.limits(settled)
    )
    with closing(DyingDatabase(environment["DATABASE_URL"])) as database:
        stripe = Gateway(
            api_keys={"": ApiKey(environment["STRIPE_API_KEY"])},
            api_base=simulator.url,
            timeout_seconds=0.3,
            rate_limiter=rate_limiter,
        )
        # A short lease in real time: a call that gets no answer is not repeated for long.
        policy = replace(context.policy, lease=timedelta(seconds=0.6))

        class Here(OnePayment):
            pass

        Here.database, Here.simulator, Here.clock, Here.rows = database, simulator, clock, rows
        Here.context = replace(context, database=database, stripe=stripe, policy=policy)
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=EXAMPLES,
                # Fresh dice for each life: hypothesis' own backend mostly plays slight variations of one.
                backend="hypothesis-urandom",
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
