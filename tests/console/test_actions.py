"""Operators decide, each decision is kept with who and why, and nobody else can make them decide."""

import re
from collections.abc import Callable
from uuid import uuid4

import psycopg2
import pytest
import redis

from payment_worker.devstack.servers.valkey import Valkey
from tests.console.conftest import Page, Running, Start, Visitor, a_payment
from tests.harness.rows import Rows

FINDING = """
INSERT INTO reconciliation_finding (kind, object_id, status, detail, found_at)
VALUES ('payment_amount_differs', %s, 'OPEN', '{"ours": 5000, "theirs": 6000}', now()) RETURNING finding_id
"""
EVENT = """
INSERT INTO stripe_event (event_id, type, livemode, payload, status, outcome, source, created_at, received_at,
                          finished_at)
VALUES (%s, 'charge.refunded', false, '{}', 'PARKED', 'BROKEN', 'webhook', now(), now(), now())
"""
REJECTED = """
INSERT INTO rejected_request (request_id, task, arguments, errors, ids, is_complete, received_at)
VALUES (%s, %s, jsonb_build_object('payment_id', %s::text),
        '[{"field": "x", "code": "unknown", "message": "is not known"}]', '{}', true, now())
"""
ACTIONS = "SELECT action, subject, reason, actor FROM operator_action WHERE subject = %s ORDER BY operator_action_id"
GRACE = "grace in the console"


def token(page: Page) -> str:
    found = re.search(r'name="token" value="([0-9a-f]{64})"', page.body)
    assert found, page.body
    return found[1]


def test_amounts_that_differ_are_shown_in_their_currency(shared_console: Running, shared_rows: Rows) -> None:
    finding_id, payment = a_finding(shared_rows), a_payment(shared_rows, currency="JPY", amount=5000)
    assert f'id="finding-{finding_id}"' in shared_console.reader.get("/findings").body
    connected = "UPDATE reconciliation_finding SET payment_id = %s WHERE finding_id = %s"
    shared_rows(connected, payment["payment_id"], finding_id)
    body = shared_console.reader.get("/findings").body
    assert "5000 JPY" in body
    assert "6000 JPY" in body


def a_finding(rows: Rows) -> int:
    return int(rows.one(FINDING, f"pi_{uuid4().hex}")["finding_id"])


def an_event(rows: Rows) -> str:
    event_id = f"evt_{uuid4().hex}"
    rows(EVENT, event_id)
    return event_id


def followed(visitor: Visitor, answer: Page) -> Page:
    """The page that an action leads to."""
    assert answer.status == 303, answer.body
    return visitor.get(answer.headers["location"])


def test_a_finding_is_closed_with_who_and_why(shared_console: Running, shared_rows: Rows) -> None:
    finding_id, operator = a_finding(shared_rows), shared_console.operator
    form = {"token": token(operator.get("/findings")), "reason": "a <b>tip</b>"}

    page = followed(operator, operator.post(f"/findings/{finding_id}/close", form))

    assert "The finding is closed." in page.body
    row = shared_rows.one("SELECT * FROM reconciliation_finding WHERE finding_id = %s", finding_id)
    assert (row["status"], row["closed_by"], row["close_reason"]) == ("CLOSED", GRACE, "a <b>tip</b>")
    (noted,) = shared_rows(ACTIONS, str(finding_id))
    assert noted == {
        "action": "finding_closed",
        "subject": str(finding_id),
        "reason": "a <b>tip</b>",
        "actor": GRACE,
    }
    assert "a &lt;b&gt;tip&lt;/b&gt;" in operator.get("/actions").body
    (closed,) = re.findall(
        rf'id="finding-{finding_id}".*?</td>', operator.get("/findings?status=CLOSED").body, re.DOTALL
    )
    assert f"{row['closed_at']:%Y-%m-%d %H:%M:%S}" in closed
    again = operator.post(f"/findings/{finding_id}/close", form)
    assert (again.status, "not open any more" in again.body) == (400, True)
    assert len(shared_rows(ACTIONS, str(finding_id))) == 1


def test_events_are_replayed_and_discarded_together(shared_console: Running, shared_rows: Rows) -> None:
    operator, event_ids = shared_console.operator, [an_event(shared_rows) for _ in range(3)]
    form = {"token": token(operator.get("/events")), "reason": "mended", "event_id": event_ids}
    statuses = "SELECT DISTINCT status, outcome FROM stripe_event WHERE event_id = ANY(%s)"

    assert "due" in followed(operator, operator.post("/events/replay", form)).body
    assert shared_rows(statuses, event_ids) == [
        {"status": "RECEIVED", "outcome": f"REPLAYED: {GRACE}: mended"}
    ]
    assert "set aside" in followed(operator, operator.post("/events/discard", form)).body
    assert shared_rows(statuses, event_ids) == [
        {"status": "IGNORED", "outcome": f"DISCARDED: {GRACE}: mended"}
    ]
    for event_id in event_ids:
        noted = [each["action"] for each in shared_rows(ACTIONS, event_id)]
        assert noted == ["event_replayed", "event_discarded"]
    assert operator.post("/events/discard", form).status == 400
    assert operator.post("/events/replay", {**form, "event_id": "evt_none"}).status == 400


def test_a_rejected_request_is_sent_again_once(
    console: Start, rows: Rows, redis_client: "redis.Redis"
) -> None:
    operator, request_id, payment_id = console().operator, str(uuid4()), str(uuid4())
    rows(REJECTED, request_id, "payment_worker.cancel", payment_id)
    form = {"token": token(operator.get("/requests/rejected")), "reason": "deployed"}
    path = f"/requests/rejected/{request_id}/replay"

    assert "was sent again" in followed(operator, operator.post(path, form)).body
    assert "had been sent again before" in followed(operator, operator.post(path, form)).body

    assert redis_client.llen("charges") == 1
    assert rows.one("SELECT replayed_by FROM rejected_request")["replayed_by"] == GRACE
    assert len(rows(ACTIONS, request_id)) == 1


def test_what_would_be_rejected_again_is_not_sent_again(shared_console: Running, shared_rows: Rows) -> None:
    operator, request_id = shared_console.operator, str(uuid4())
    shared_rows(REJECTED, request_id, "payment_worker.charge", "x")
    shared_rows(REJECTED, str(uuid4()), "payment_worker.cancel", str(uuid4()))
    page = operator.get("/requests/rejected")
    assert "It cannot be sent again: it would be rejected again" in page.body
    form = {"token": token(page), "reason": "deployed"}
    answer = operator.post(f"/requests/rejected/{request_id}/replay", form)
    assert (answer.status, "would be rejected again" in answer.body) == (400, True)
    assert operator.post(f"/requests/rejected/{uuid4()}/replay", form).status == 400
    assert shared_rows(ACTIONS, request_id) == []


def test_work_is_paused_and_resumed(console: Start, rows: Rows) -> None:
    operator = console().operator
    form = {"token": token(operator.get("/")), "reason": "a bad bank", "kind": "refund"}
    assert "Paused." in followed(operator, operator.post("/pause", form)).body
    assert rows.one("SELECT kind, reason, paused_by FROM pause") == {
        "kind": "refund",
        "reason": "a bad bank",
        "paused_by": GRACE,
    }
    assert "Resume refund" in operator.get("/").body
    assert "Resumed." in followed(operator, operator.post("/resume", {**form, "reason": "a good one"})).body
    assert rows("SELECT kind FROM pause") == []
    assert [(each["action"], each["reason"]) for each in rows(ACTIONS, "refund")] == [
        ("paused", "a bad bank"),
        ("resumed", "a good one"),
    ]
    assert operator.post("/pause", {**form, "kind": "everything"}).status == 400


Forge = Callable[[dict[str, str]], dict[str, str]]


@pytest.mark.parametrize(
    ("forge", "status"),
    [
        (lambda form: form | {"token": ""}, 403),
        (lambda form: form | {"token": "0" * 64}, 403),
        (lambda form: form | {"token": "é"}, 403),
        (lambda form: {"reason": form["reason"]}, 403),
        (lambda form: form | {"reason": "  "}, 400),
        (lambda form: form | {"reason": "x" * 501}, 400),
        (lambda form: form | {"reason": "x" * 70_000}, 400),
        (lambda form: form | {"reason": "a\0b"}, 400),
        (lambda form: form | {str(n): "x" for n in range(600)}, 400),
    ],
)
def test_a_form_that_is_not_of_ours_or_has_no_reason_does_nothing(
    shared_console: Running, shared_rows: Rows, forge: Forge, status: int
) -> None:
    finding_id, operator = a_finding(shared_rows), shared_console.operator
    form = {"token": token(operator.get("/findings")), "reason": "a tip"}
    assert operator.post(f"/findings/{finding_id}/close", forge(form)).status == status
    assert shared_rows(ACTIONS, str(finding_id)) == []


def test_whoever_may_only_read_is_offered_nothing_and_refused(
    shared_console: Running, shared_rows: Rows
) -> None:
    finding_id, event_id = a_finding(shared_rows), an_event(shared_rows)
    form = {"token": token(shared_console.operator.get("/findings")), "reason": "a tip", "event_id": event_id}
    paths = [f"/findings/{finding_id}/close", "/events/replay", "/events/discard", "/pause", "/resume"]
    paths.append(f"/requests/rejected/{uuid4()}/replay")
    for page in ("/", "/findings", "/events", "/requests/rejected"):
        assert 'method="post"' not in shared_console.reader.get(page).body
    for path in paths:
        assert shared_console.reader.post(path, form | {"kind": "refund"}).status == 403
        assert shared_console.stranger.post(path, form | {"kind": "refund"}).status == 401
        assert shared_console.operator.get(path).status in {404, 405}
    assert shared_rows(ACTIONS, str(finding_id)) == []
    assert shared_rows("SELECT kind FROM pause WHERE kind = 'refund'") == []


def test_a_token_is_good_for_its_user_alone_and_in_every_console_of_these_settings(console: Start) -> None:
    both = {"PAYMENT_WORKER_CONSOLE_OPERATORS": "grace,ada"}
    one, other = console(settings=both), console(settings=both)
    made = token(one.reader.get("/"))
    assert other.reader.post("/pause", {"token": made, "reason": "x", "kind": "cancel"}).status == 303
    assert other.operator.post("/resume", {"token": made, "reason": "x", "kind": "cancel"}).status == 403
    page = console().reader.post("/resume", {"token": made, "reason": "x", "kind": "cancel"})
    assert (page.status, "You may read, and not act." in page.body) == (403, True)


def test_what_people_did_can_be_neither_changed_nor_deleted(
    shared_console: Running, shared_rows: Rows
) -> None:
    finding_id, operator = a_finding(shared_rows), shared_console.operator
    form = {"token": token(operator.get("/findings")), "reason": "a tip"}
    followed(operator, operator.post(f"/findings/{finding_id}/close", form))
    for statement in ("UPDATE operator_action SET actor = 'x'", "DELETE FROM operator_action"):
        with pytest.raises(psycopg2.Error, match="append-only"):
            shared_rows(statement)


def test_without_redis_a_request_is_not_sent_and_not_recorded(
    console: Start, rows: Rows, own_valkey: Valkey
) -> None:
    running = console(settings={"REDIS_URL": own_valkey.url()})
    operator, request_id = running.operator, str(uuid4())
    rows(REJECTED, request_id, "payment_worker.cancel", str(uuid4()))
    form = {"token": token(operator.get("/requests/rejected")), "reason": "deployed"}
    own_valkey.kill()
    answer = operator.post(f"/requests/rejected/{request_id}/replay", form)
    assert (answer.status, "Nothing was done" in answer.body) == (503, True)
    assert rows(ACTIONS, request_id) == []
    assert running.reader.get("/").status == 200
