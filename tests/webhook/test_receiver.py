"""Whatever Stripe signs is stored before it is acknowledged; whatever it did not sign changes nothing."""

from collections.abc import Callable

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.webhook.body import MOST_BYTES
from tests.harness.rows import Rows
from tests.webhook.conftest import Receiver, Start
from tests.webhook.sending import SECRET, an_event, signature, written

STORED = "SELECT * FROM stripe_event WHERE event_id = %s"


def test_an_event_is_stored_when_its_webhook_is_acknowledged(
    shared_sender: Receiver, shared_rows: Rows
) -> None:
    event = an_event()

    answer = shared_sender.send(written(event))

    assert (answer.status, answer.outcome) == (200, "stored")
    row = shared_rows.one(STORED, event["id"])
    assert (row["status"], row["source"]) == ("RECEIVED", "webhook")
    assert row["payload"] == event


def test_a_thin_event_is_stored_without_a_call_to_stripe(shared_sender: Receiver, shared_rows: Rows) -> None:
    object_id = an_event()["data"]["object"]["id"]
    event = {
        "id": f"evt_thin_{object_id}",
        "object": "v2.core.event",
        "type": "v1.payment_intent.succeeded",
        "created": "2026-11-22T12:00:00.123Z",
        "livemode": False,
        "context": "acct_seller",
        "related_object": {
            "id": object_id,
            "type": "payment_intent",
            "url": f"/v1/payment_intents/{object_id}",
        },
        "reason": {"type": "request", "request": {"id": "req_1", "idempotency_key": "k"}},
        "snapshot_event": f"evt_{object_id}",
    }

    answer = shared_sender.send(written(event))

    assert (answer.status, answer.outcome) == (200, "stored")
    row = shared_rows.one(STORED, event["snapshot_event"])
    assert (row["stripe_account"], row["object_id"]) == ("acct_seller", object_id)
    assert (row["type"], row["payload"]["request"]["idempotency_key"]) == ("payment_intent.succeeded", "k")


def test_it_needs_no_key_of_stripes(receiver: Start, environment: dict[str, str], rows: Rows) -> None:
    del environment["STRIPE_API_KEY"], environment["STRIPE_API_BASE"]

    event = an_event()

    assert receiver().send(written(event)).status == 200
    assert rows.one(STORED, event["id"])


def test_an_event_is_stored_once_however_often_it_comes(shared_sender: Receiver, shared_rows: Rows) -> None:
    event = an_event()

    answers = [shared_sender.send(written(event)) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [answer.outcome for answer in answers] == ["stored", "known", "known"]
    assert shared_rows.one(STORED, event["id"])


def test_the_secret_tells_the_account_whatever_the_body_says(
    shared_sender: Receiver, shared_rows: Rows
) -> None:
    event = an_event()
    for body in (written(event), written({**event, "account": "acct_1"})):
        for secret in (SECRET, "whsec_eu"):
            assert shared_sender.send(body, signature(body, secret)).outcome == "stored"
    query = "SELECT stripe_account FROM stripe_event WHERE event_id = %s ORDER BY 1"
    accounts = [row["stripe_account"] for row in shared_rows(query, event["id"])]
    assert accounts == ["", "acct_1", "eu", "eu/acct_1"]


def test_the_same_event_of_two_accounts_is_two_events(shared_sender: Receiver, shared_rows: Rows) -> None:
    event = an_event()

    for account in ("acct_one", "acct_two"):
        assert shared_sender.send(written({**event, "account": account})).outcome == "stored"

    assert {row["stripe_account"] for row in shared_rows(STORED, event["id"])} == {"acct_one", "acct_two"}


def test_every_secret_is_valid_while_one_is_rolled(receiver: Start) -> None:
    sender = receiver(settings={"STRIPE_WEBHOOK_SECRET": "whsec_old, whsec_new"})
    body = written(an_event())

    for secrets in (("whsec_old",), ("whsec_new",), ("whsec_new", "whsec_old"), ("whsec_x", "whsec_new")):
        assert sender.send(body, signature(body, *secrets)).status == 200
    assert sender.send(body, signature(body, SECRET)).outcome == "bad_signature"


def test_what_is_not_signed_is_refused_and_not_stored(shared_sender: Receiver, shared_rows: Rows) -> None:
    event = an_event()
    body = written(event)
    good = signature(body)
    bad = {
        "none": "",
        "another secret": signature(body, "whsec_other"),
        "another body": signature(body + b" "),
        "too old": signature(body, age_seconds=301),
        "no time": good.partition(",")[2],
        "no signature": good.partition(",")[0],
        "another scheme": good.replace("v1=", "v0="),
        "not ASCII": f"{good.partition(',')[0]},v1=é",
        "nonsense": "=,=,=",
    }

    refused = {name: shared_sender.send(body, header) for name, header in bad.items()}

    assert {name: (each.status, each.outcome) for name, each in refused.items()} == dict.fromkeys(
        bad, (400, "bad_signature")
    )
    assert not shared_rows(STORED, event["id"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe not UTF-8",
        b"not JSON",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"id": "evt_1"}',
        written(an_event(data=None)),
        written(an_event(data={"object": None})),
        written(an_event(created="yesterday")),
        written(an_event(created=1e30)),
        written(an_event(data={"object": {"id": "pi_1", "amount": float("nan")}})),
        written(an_event()).replace(b'"created": ', b'"amount": 1e999, "created": '),
        written(an_event()).replace(b'"created": ', b'"amount": 1e-99999, "created": '),
        written(an_event()).replace(b'"created": ', b'"amount": 0.' + b"1" * 20_000 + b', "created": '),
        written(an_event(created=-(10**18))),
        *(
            written(an_event(**{name: strange}))
            for name in ("id", "type", "account", "api_version")
            for strange in (["evt_1"], {"a": 1}, "e" * 100_000)
        ),
        b"[" * 100_000,
    ],
    ids=lambda body: bytes(body)[:12],  # an event of another moment has the same
)
def test_a_signed_body_that_is_no_event_is_refused(shared_sender: Receiver, body: bytes) -> None:
    answer = shared_sender.send(body)

    assert (answer.status, answer.outcome) == (400, "bad_body")


def test_what_no_text_of_postgresql_holds_is_stored_visibly(
    shared_sender: Receiver, shared_rows: Rows
) -> None:
    event = an_event()
    event["data"]["object"]["metadata"] = {"note": "a\0b", "half": "\ud83d", "whole": "\U0001f600"}

    assert shared_sender.send(written(event)).outcome == "stored"

    payload = shared_rows.one(STORED, event["id"])["payload"]
    assert payload["data"]["object"]["metadata"] == {"note": "a␀b", "half": "\\ud83d", "whole": "\U0001f600"}


def test_a_body_that_says_it_is_too_large_is_refused_unread(shared_sender: Receiver) -> None:
    answer = shared_sender.request(
        "POST", "/webhooks/stripe", headers={"Content-Length": str(MOST_BYTES + 1), "Expect": "100-continue"}
    )

    assert (answer.status, answer.outcome) == (413, "too_large")


def test_a_body_without_a_length_that_is_too_large_is_refused(
    shared_sender: Receiver, shared_rows: Rows
) -> None:
    event = an_event(padding="x" * (MOST_BYTES - 1_000))
    body = written(event)
    too_large = body + b" " * (MOST_BYTES + 1 - len(body))

    # An iterable is sent in chunks, with no length told before.
    chunks = iter([too_large[:-1], too_large[-1:]])
    refused = shared_sender.request(
        "POST", "/webhooks/stripe", chunks, {"Stripe-Signature": signature(too_large)}
    )

    assert (refused.status, refused.outcome) == (413, "too_large")
    assert not shared_rows(STORED, event["id"])
    assert shared_sender.send(body).outcome == "stored"


def test_a_worker_ignores_events_of_the_other_mode_and_logs_it(
    receiver: Start, worker: Callable[..., Process], rows: Rows
) -> None:
    # Neither the sweep nor the end of a lease can be what settles them: there is no beat.
    worker(pool="threads")
    sender, ours, others = receiver(), an_event(), an_event(livemode=True)

    assert [sender.send(written(event)).outcome for event in (ours, others)] == ["stored", "stored"]

    ignored = "SELECT outcome FROM stripe_event WHERE event_id = %s AND status = 'IGNORED'"
    assert rows.wait_for(ignored, ours["id"])["outcome"] == "FOREIGN"
    told = rows.wait_for(ignored, others["id"])["outcome"]
    assert told == "MODE"


def test_other_paths_and_methods_lead_nowhere(shared_sender: Receiver) -> None:
    assert shared_sender.get("/webhooks/stripe").status == 405
    assert shared_sender.get("/").status == 404
    assert shared_sender.request("POST", "/webhooks", b"").status == 404
