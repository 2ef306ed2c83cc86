"""While PostgreSQL is away nothing is acknowledged; while Redis is away everything is, and processed all the same."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.devstack.waiting import wait_until
from tests.harness.fault_proxy import FaultProxy
from tests.harness.rows import Rows
from tests.webhook.conftest import Crew, Receiver, Start
from tests.webhook.sending import SECRET, an_event, written

STRIPE_WAITS_SECONDS = 18
"""Less than it takes until the wait for PostgreSQL itself is given up, and far more than the answer should."""

SHORT_LEASE = {"PAYMENT_WORKER_LEASE": "2", "PAYMENT_WORKER_RESUME_EVERY": "0.5"}


def test_stripe_delivers_again_what_postgresql_could_not_store(
    own_postgresql: PostgreSQL, receiver: Start, simulator: Simulator
) -> None:
    sender = receiver(settings={"DATABASE_URL": own_postgresql.url("payments")})
    simulator.post("webhooks/endpoints", {"url": sender.webhooks, "secrets": [SECRET]})
    own_postgresql.stop(keep=True)

    intent = simulator.post("payment_intents", {"amount": 5000, "currency": "eur"})
    assert simulator.post("webhooks/settle")["settled"]
    refused = simulator.get("webhooks/deliveries")["deliveries"]
    assert {each["status"] for each in refused} == {503}
    assert sender.get("/readyz").status == 503
    assert sender.get("/healthz").status == 200

    own_postgresql.start()
    simulator.advance(60)
    with closing(Rows(own_postgresql.url("payments"))) as rows:
        rows.wait_for(
            "SELECT 1 FROM stripe_event WHERE object_id = %s AND type = 'payment_intent.succeeded'",
            intent["id"],
        )
    assert sender.get("/readyz").status == 200


def test_a_database_that_takes_no_writes_is_answered_with_503_and_unready(
    postgresql: PostgreSQL, database_url: str, receiver: Start
) -> None:
    name = urlsplit(database_url).path[1:]
    sender = receiver()
    postgresql.set_read_only(name, read_only=True)

    refused = sender.send(written(an_event()))
    unready = sender.get("/readyz")
    postgresql.set_read_only(name, read_only=False)

    assert (refused.status, refused.outcome) == (503, "unavailable")
    assert (unready.status, unready.body) == (
        503,
        '{"ready":false,"reason":"the database cannot serve: read-only"}',
    )
    assert sender.send(written(an_event())).status == 200
    assert sender.get("/readyz").status == 200


def test_postgresql_that_was_restarted_costs_no_webhook(own_postgresql: PostgreSQL, receiver: Start) -> None:
    sender = receiver(settings={"DATABASE_URL": own_postgresql.url("payments")})
    assert sender.send(written(an_event())).status == 200

    own_postgresql.restart()

    assert [sender.send(written(an_event())).status for _ in range(4)] == [200] * 4


def test_postgresql_that_hangs_is_answered_for_in_time(own_postgresql: PostgreSQL, receiver: Start) -> None:
    sender = receiver(settings={"DATABASE_URL": own_postgresql.url("payments")})
    # With a connection: to connect is given up sooner.
    assert sender.send(written(an_event())).status == 200
    body = written(an_event())
    own_postgresql.pause()
    try:
        with ThreadPoolExecutor(1) as stripe:
            answer = stripe.submit(sender.send, body).result(STRIPE_WAITS_SECONDS)
        unready = sender.get("/readyz")
    finally:
        own_postgresql.resume()

    assert (answer.status, answer.outcome) == (503, "unavailable")
    assert unready.status == 503
    wait_until(lambda: sender.send(body).status == 200, seconds=30)


def test_a_database_without_tables_makes_it_unready_and_loses_nothing(
    empty_database_url: str, receiver: Start
) -> None:
    sender = receiver(settings={"DATABASE_URL": empty_database_url})

    assert sender.get("/readyz").body == (
        '{"ready":false,"reason":"the database lacks migrations: payment-worker migrate"}'
    )
    assert sender.send(written(an_event())).status == 503


def test_redis_that_is_away_delays_no_answer_and_loses_no_event(
    receiver: Start,
    crew: Crew,
    fault_proxy: Callable[[str], FaultProxy],
    redis_url: str,
    rows: Rows,
) -> None:
    proxy = fault_proxy(redis_url)
    sender = receiver(settings={"REDIS_URL": proxy.url, **SHORT_LEASE})
    crew(SHORT_LEASE)

    for dropped, behave in enumerate((proxy.refuse, proxy.reset, proxy.blackhole)):
        _wait_for_dropped(sender, dropped)
        behave()
        event = an_event()
        assert sender.send(written(event)).outcome == "stored"
        if behave == proxy.blackhole:
            assert _dropped(sender) == dropped, "it was answered while the hint still waited for Redis"
        rows.wait_for("SELECT 1 FROM stripe_event WHERE event_id = %s AND status = 'IGNORED'", event["id"])
    _wait_for_dropped(sender, 3)


def _dropped(sender: Receiver) -> int:
    return sender.process.output().count("took no hint")


def _wait_for_dropped(sender: Receiver, hints: int) -> None:
    wait_until(lambda: _dropped(sender) == hints, seconds=60, what=f"{hints} hints are dropped")


def test_workers_are_notified_again_once_redis_is_back(
    receiver: Start,
    worker: Callable[..., Process],
    fault_proxy: Callable[[str], FaultProxy],
    redis_url: str,
    rows: Rows,
) -> None:
    proxy = fault_proxy(redis_url)
    sender = receiver(settings={"REDIS_URL": proxy.url})
    worker(pool="threads")
    proxy.refuse()
    sender.send(written(an_event()))
    wait_until(lambda: "took no hint" in sender.process.output(), seconds=30)

    proxy.forward()
    event = an_event()
    sender.send(written(event))

    rows.wait_for("SELECT 1 FROM stripe_event WHERE event_id = %s AND status = 'IGNORED'", event["id"])
