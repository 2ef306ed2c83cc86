"""Secrets and people's data are planted everywhere, and found nowhere but where they belong (C8)."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis

from payment_worker.devstack import programs
from payment_worker.devstack.ports import free_port
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.valkey import Valkey
from tests.acceptance.scene import Scene
from tests.harness.traces import Traces
from tests.harness.window import Window

KEY: Final = "sk_test_planted4711"
SIGNING_SECRET: Final = "whsec_planted4712"
LOGIN: Final = "operator:planted4713"
EMAIL: Final = "planted4714@example.com"
WORDS: Final = "planted4715"
"""What a caller wrote for somebody else."""
CARD: Final = "4242424242424242"
CLIENT_SECRET: Final = "_secret_"
RESULTS: Final = 3998
"""A Redis database far from those that others count up to."""

_ORDER: Final = "order%5B0%5D%5Bcolumn%5D=0&order%5B0%5D%5Bdir%5D=asc&columns%5B0%5D%5Bdata%5D=name"
FLOWERS_PAGES: Final = (
    *("api/tasks?limit=1000", "api/workers?refresh=1", "metrics"),
    f"tasks/datatable?draw=1&start=0&length=100&search%5Bvalue%5D=&{_ORDER}",
)

BREAK: Final = """
CREATE FUNCTION break_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.description LIKE 'break%%' THEN RAISE EXCEPTION 'broke with %%', NEW; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER break_it BEFORE INSERT ON payment FOR EACH ROW EXECUTE FUNCTION break_it();
"""
"""A fault whose text says everything that it was given."""

OF_CALLERS: Final = {
    *("column payment.description", "column payment.metadata", "column payment_attempt.parameters"),
    *("column refund.note", "column refund.requested_by", "column stripe_event.payload"),
    "key unacked",
}
"""Where the words of a caller belong: they are sent to Stripe as they are, or kept for whoever reads that row. Stripe
says them again in its events. And a message that broke its task is still in Redis, as its sender wrote it."""


@pytest.fixture(scope="module")
def traces(new_scene: Callable[..., Scene], valkey: Valkey) -> Traces:
    """What is left of a run in which callers do all that they should, and much that they should not."""
    results = valkey.url(RESULTS)
    with closing(redis.Redis.from_url(results)) as client:
        client.flushdb()
    scene = new_scene(
        STRIPE_API_KEY=KEY,
        STRIPE_WEBHOOK_SECRET=SIGNING_SECRET,
        PAYMENT_WORKER_RESULT_BACKEND=results,
        FLOWER_BASIC_AUTH=LOGIN,
    )
    traces = Traces()
    with ExitStack() as running:
        ports = dict(_started(scene, running))
        _misbehave(scene)
        _behave(scene, running, webhook=f"http://127.0.0.1:{ports['webhook']}/webhooks/stripe")
        for name in ("worker", "webhook"):
            traces.add_page(name, f"http://127.0.0.1:{ports[name]}/metrics")
        for page in FLOWERS_PAGES:
            traces.add_page("flower", f"http://127.0.0.1:{ports['flower']}/{page}", login=LOGIN)
    traces.add_files(scene.directory)
    traces.add_columns(scene.rows)
    traces.add_keys(scene.redis_url)
    traces.add_keys(results)
    return traces


def _started(scene: Scene, running: ExitStack) -> Iterator[tuple[str, int]]:
    ports = {name: free_port() for name in ("worker", "webhook", "flower")}
    told = {**scene.settings, "PAYMENT_WORKER_METRICS_PORT": str(ports["worker"])}
    flower = programs.flower(
        {**scene.settings, "FLOWER_DB": "flower"}, directory=scene.directory, port=ports["flower"]
    )
    for process in (
        flower,
        programs.worker(told, directory=scene.directory),
        programs.webhook(scene.settings, directory=scene.directory, port=ports["webhook"]),
        programs.beat(scene.settings, directory=scene.directory),
    ):
        running.enter_context(process.start()).wait_ready()
    running.callback(flower.stop)  # it writes what it has seen to a file
    yield from ports.items()


def _misbehave(scene: Scene) -> None:
    """Requests that cannot be run, messages that are none, and tasks that break."""
    send = scene.producer
    secrets: dict[str, object] = {"api_key": KEY, "client_secret": f"pi_1{CLIENT_SECRET}2"}
    secrets |= {"password": WORDS, "e-mail": EMAIL}
    refused = [
        send.charge(
            payment_id=EMAIL, amount=-1, description=f"{CARD} of {EMAIL}", metadata=secrets, **secrets
        ),
        send.charge(**{"payment_id": str(uuid4()), "payment_method": CARD, CARD: EMAIL}),
        send.refund(refund_id=str(uuid4()), payment_id=str(uuid4()), note=f"4242 4242 4242 4242 {EMAIL}"),
        send.receive_stripe_event(payload=json.dumps(secrets), signature=f"t=1,v1={WORDS}"),
        send.send("payment_worker.no_such_task", "charges", secrets),
    ]
    scene.redis.lpush("charges", json.dumps({"headers": secrets, "body": EMAIL}), f"{KEY} {EMAIL} {CARD}")
    for sent in refused:
        scene.rows.wait_for("SELECT * FROM rejected_request WHERE request_id = %s", sent)
    scene.rows(BREAK)
    scene.charge(description=f"break {EMAIL}", metadata={"note": WORDS})
    send.send("payment_worker.execute_attempt", "charges", {"attempt_id": EMAIL, "lease_token": WORDS})
    scene.wait_for_log("TaskBrokeError", "payment_worker.charge")
    scene.wait_for_log("TaskBrokeError", "payment_worker.execute_attempt")


def _behave(scene: Scene, running: ExitStack, *, webhook: str) -> None:
    """A payment, a refund, a decline, and events on both ways."""
    window = running.enter_context(Window(scene.producer.hand_on))
    for url in (webhook, window.url):
        scene.simulator.post("webhooks/endpoints", {"url": url, "secrets": [SIGNING_SECRET], "types": ["*"]})
    paid = scene.paid(description=f"for {EMAIL}", metadata={"receipt": EMAIL, "note": WORDS})
    scene.refund_row(scene.refund(paid, note=EMAIL, requested_by=WORDS), "PROCESSED")
    scene.payment(scene.charge(payment_method="pm_card_chargeDeclined"), "FAILED")
    for type_ in ("payment_intent.succeeded", "refund.created", "payment_intent.payment_failed"):
        settled = "SELECT * FROM stripe_event WHERE type = %s AND finished_at IS NOT NULL"
        scene.rows.wait_for(settled, type_)


@pytest.mark.parametrize("secret", [KEY, SIGNING_SECRET, LOGIN, CARD, "4242 4242 4242 4242", CLIENT_SECRET])
def test_a_secret_is_nowhere(traces: Traces, secret: str) -> None:
    assert traces.places_of(secret) == set()


def test_the_database_password_is_nowhere(traces: Traces, postgresql_password: str) -> None:
    assert traces.places_of(postgresql_password) == set()


@pytest.mark.parametrize("words", [EMAIL, WORDS])
def test_what_a_caller_wrote_is_only_where_it_belongs(traces: Traces, words: str) -> None:
    places = traces.places_of(words)
    assert "column payment.metadata" in places
    assert places <= OF_CALLERS


@pytest.mark.parametrize(
    "place",
    [
        *("file worker.log", "file webhook.log", "file flower.log", "file beat.log", "file flower.d"),
        *("worker's page /metrics", "webhook's page /metrics", "flower's page /metrics"),
        *("flower's page /api/tasks", "flower's page /api/workers", "flower's page /tasks/datatable"),
        *("key payment_worker.events", "key unacked", "key celery-task-meta-"),
        *("column rejected_request.arguments", "column rejected_request.errors", "column outbox.data"),
        *(
            "column payment_history.detail",
            "column payment_attempt.parameters",
            "column stripe_event.payload",
        ),
    ],
)
def test_it_was_looked_for_in(traces: Traces, place: str) -> None:
    assert any(found.startswith(place) and text for found, text in traces.found.items())


@pytest.fixture
def postgresql_password(postgresql: PostgreSQL) -> str:
    """That of the server in which the run kept its rows."""
    password = urlsplit(postgresql.url("any")).password
    assert password
    return password
