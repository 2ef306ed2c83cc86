"""The receiver starts only where it can work, stops without losing a webhook, and tells no secret."""

import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from payment_worker.devstack import programs
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.waiting import wait_until
from tests.harness.fork_server import forked
from tests.harness.rows import Rows
from tests.webhook.conftest import Receiver, Start
from tests.webhook.sending import SECRET, an_event, signature, written


def _ended(settings: dict[str, str], directory: Path, port: int) -> Process:
    process = forked(programs.webhook(settings, directory=directory, port=port)).start()
    process.wait()
    return process


def test_it_names_every_setting_that_it_lacks_and_does_not_start(tmp_path: Path) -> None:
    process = _ended({"PAYMENT_WORKER_TYPO": "1"}, tmp_path, port=0)

    assert process.exit_status == 2
    assert process.output() == (
        "Invalid settings:\n"
        "  PAYMENT_WORKER_TYPO: no such setting\n"
        "  REDIS_URL: must be set\n"
        "  DATABASE_URL: must be set\n"
        "  STRIPE_WEBHOOK_SECRET: must be set\n"
    )


def test_it_says_when_its_port_is_taken(
    shared_sender: Receiver, environment: dict[str, str], tmp_path: Path
) -> None:
    process = _ended(environment, tmp_path, port=shared_sender.port)

    assert process.exit_status == 1
    assert (
        process.output() == f"Cannot listen on 127.0.0.1 port {shared_sender.port}: Address already in use.\n"
    )


def test_once_terminated_it_finishes_the_requests_it_has_begun(
    own_postgresql: PostgreSQL, receiver: Start
) -> None:
    sender = receiver(settings={"DATABASE_URL": own_postgresql.url("payments")})
    assert sender.send(written(an_event())).status == 200
    own_postgresql.pause()
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(sender.send, written(an_event()))
        wait_until(lambda: _in_flight(sender))
        sender.process.send(signal.SIGTERM)
        own_postgresql.resume()

        assert answer.result().status == 200
    assert sender.process.wait() == 0


def _in_flight(sender: Receiver) -> bool:
    return "payment_worker_webhooks_in_flight 1.0" in sender.get("/metrics").body


def test_its_log_has_a_line_for_each_webhook_and_nothing_else(receiver: Start) -> None:
    sender, event = receiver(), an_event()
    for path in ("/healthz", "/readyz", "/metrics", "/nowhere"):
        sender.get(path)
    sender.send(written(event))
    sender.send(b"{}", "t=1,v1=x")

    sender.process.stop()

    lines = [line for line in sender.process.output().splitlines() if '"event": "webhook"' in line]
    assert len(lines) == 2
    assert event["id"] in lines[0]
    assert len(sender.process.output().splitlines()) == 3, sender.process.output()


def test_no_payload_and_no_secret_is_logged(
    receiver: Start, environment: dict[str, str], worker: Callable[..., Process]
) -> None:
    environment["STRIPE_API_KEY"] = "sk_test_planted4711"
    worker(pool="threads")
    sender = receiver()
    event = an_event()
    event["data"]["object"] |= {
        "client_secret": "pi_1_secret_planted4712",
        "receipt_email": "planted4713@example.com",
        "metadata": {"note": "planted4714\0"},
    }
    body = written(event)
    told = [sender.send(body), sender.send(body, signature(body, "whsec_planted4715"))]
    told += [sender.send(body + b"planted4716", signature(body + b"planted4716"))]
    told += [sender.get(path) for path in ("/metrics", "/readyz", "/healthz", "/planted4717")]

    sender.process.stop()

    everything = sender.process.output() + "".join(answer.body for answer in told)
    assert "webhook" in everything
    password = re.search(r"://[^:]*:([^@]+)@", environment["DATABASE_URL"])
    assert password
    for secret in ("planted47", SECRET, signature(body).partition("v1=")[2], password[1]):
        assert secret not in everything


def test_an_event_that_cannot_be_stored_does_not_hold_others_and_its_text_is_not_logged(
    receiver: Start, rows: Rows
) -> None:
    sender = receiver()
    # PostgreSQL quotes what it refuses.
    rows("ALTER TABLE stripe_event ADD CHECK (payload ->> 'refused' IS NULL)")
    bodies = [written(an_event(refused="planted4718")), *(written(an_event()) for _ in range(20))]

    with ThreadPoolExecutor(len(bodies)) as threads:
        answers = list(threads.map(sender.send, bodies))

    assert [answer.status for answer in answers] == [500, *(200 for _ in bodies[1:])]
    assert "webhook failed" in sender.process.output()
    assert "planted4718" not in answers[0].body + sender.process.output()
