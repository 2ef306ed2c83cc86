"""The console finds any payment, and shows its timeline, its amounts and what an operator has to decide."""

import html
import re
from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

import pytest

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.domain.findings.kinds import FindingKind
from tests.cli.test_outside_text import PAYMENT, PLANT, POISON, SHOWN, raw
from tests.console.conftest import PAGES, Running, Start, Visitor, a_payment
from tests.harness.rows import Rows

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"


@pytest.mark.parametrize(
    "path", ["/payments?q=%00", "/refunds?q=a%00b", "/events?status=%00", "/requests/rejected?task=%00"]
)
def test_a_nul_character_finds_nothing_and_breaks_nothing(shared_console: Running, path: str) -> None:
    assert shared_console.reader.get(path).status == 400


def _listed(body: str) -> list[str]:
    return re.findall(r'href="/payments/([0-9a-f-]{36})"', body)


def test_a_payment_is_found_by_each_of_its_ids(shared_console: Running, shared_rows: Rows) -> None:
    unique = uuid4().hex
    row = a_payment(
        shared_rows,
        order_id=f"A-1/ü {unique}",
        customer_id=f"kunde {unique}",
        stripe_charge_id=f"ch_{unique}",
        amount_refund_reserved=10,
    )
    payment_id = str(row["payment_id"])
    refund_id = str(uuid4())
    shared_rows(
        """INSERT INTO refund (refund_id, payment_id, amount, currency, status, stripe_refund_id, amount_was_given,
                               created_at, updated_at) VALUES (%s, %s, 10, 'EUR', 'PENDING', %s, true, now(), now())""",
        *(refund_id, payment_id, f"re_{unique}"),
    )
    shared_rows(
        """INSERT INTO dispute (stripe_dispute_id, payment_id, status, amount, currency, created_at, updated_at)
           VALUES (%s, %s, 'LOST', 4999, 'EUR', now(), now())""",
        *(f"dp_{unique}", payment_id),
    )
    shared_rows(
        """INSERT INTO stripe_event (event_id, type, livemode, object_id, payload, status, source, created_at,
                                     received_at, finished_at)
           VALUES (%s, 'charge.refunded', false, %s, '{}', 'PROCESSED', 'webhook', now(), now(), now())""",
        *(f"evt_{unique}", f"ch_{unique}"),
    )
    ids = [payment_id, payment_id.upper(), refund_id, f"A-1/ü {unique}", f"kunde {unique}"]
    ids += [
        str(row["stripe_payment_intent_id"]),
        f"ch_{unique}",
        f"re_{unique}",
        f"dp_{unique}",
        f"evt_{unique}",
    ]
    for identity in ids:
        assert set(_listed(shared_console.reader.get("/payments", q=f" {identity} ").body)) == {payment_id}, (
            identity
        )
    page = shared_console.reader.get("/payments", q=f"nothing {unique}")
    assert (page.status, _listed(page.body)) == (200, [])
    assert f"Nothing has the id “nothing {unique}”" in page.body


def test_an_id_is_looked_for_as_it_was_pasted_then_without_the_blanks_around_it(
    shared_console: Running, shared_rows: Rows
) -> None:
    unique = str(uuid4())
    plain, blank = (
        str(a_payment(shared_rows, order_id=order_id)["payment_id"]) for order_id in (unique, f"{unique} ")
    )

    def found(identity: str) -> tuple[list[str], bool]:
        body = shared_console.reader.get("/payments", q=identity).body
        return _listed(body), f"Nothing has exactly the id “{identity}”" in body

    assert found(unique) == found(unique.upper()) == ([plain], False)
    assert found(f"{unique} ") == ([blank], False)
    assert found(f" {unique}") == ([plain], True)


def test_an_id_leads_to_the_rejected_requests_that_carried_it(
    shared_console: Running, shared_rows: Rows
) -> None:
    request_id = str(uuid4())
    payment_id = str(a_payment(shared_rows)["payment_id"])
    for each in (request_id, str(uuid4())):
        shared_rows(
            """INSERT INTO rejected_request (request_id, task, arguments, errors, ids, is_complete, received_at)
               VALUES (%s, 'payment_worker.refund', '{}', '[{"field": "amount", "code": "x", "message": "is odd"}]',
                       ARRAY[%s, %s], true, now())""",
            *(each, each, payment_id if each == request_id else "other"),
        )
    for path in (f"/payments?q={payment_id.upper()}", f"/payments/{payment_id}", f"/refunds?q={payment_id}"):
        link = re.search(r'href="(/requests/rejected[^"]+)"', shared_console.reader.get(path).body)
        assert link, path
        body = shared_console.reader.get(html.unescape(link[1])).body
        assert re.findall(r'<div id="([^"]+)"', body) == [request_id]
        assert "amount is odd" in body


def a_refund(rows: Rows, payment: Mapping[str, object], **values: object) -> str:
    """A refund of this payment that waits at Stripe, but for what the test says of it."""
    row = {
        "refund_id": str(uuid4()),
        "payment_id": str(payment["payment_id"]),
        "amount": 10,
        "currency": "EUR",
        "status": "PENDING",
        "stripe_refund_id": f"re_{uuid4().hex}",
        "amount_was_given": True,
        "created_at": payment["created_at"],
        "updated_at": payment["created_at"],
        **values,
    }
    names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    rows(f"INSERT INTO refund ({names}) VALUES ({marks})", *row.values())  # noqa: S608
    return str(row["refund_id"])


def _refunds(body: str) -> list[str]:
    return re.findall(r'<span class="id">([0-9a-f-]{36})<', body)


def test_which_refund_of_an_order_failed_is_found_with_its_reason(
    shared_console: Running, shared_rows: Rows
) -> None:
    unique = uuid4().hex
    payment = a_payment(shared_rows, order_id=f"order {unique}", stripe_charge_id=f"ch_{unique}")
    failed = {"status": "FAILED", "failure_reason": "expired_or_canceled_card", "stripe_refund_id": None}
    lost = a_refund(shared_rows, payment, **failed)
    pending = a_refund(shared_rows, payment, stripe_refund_id=f"re_{unique}", requested_by="<b>Ada</b>")

    def found(**query: str) -> set[str]:
        return set(_refunds(shared_console.reader.get("/refunds", **query).body))

    for identity in (f"order {unique}", f"ch_{unique}", str(payment["payment_id"])):
        assert found(q=identity) == {lost, pending}, identity
    assert found(q=f"re_{unique}") == found(q=pending.upper()) == {pending}
    body = shared_console.reader.get("/refunds", q=f"order {unique}", status="FAILED").body
    assert _refunds(body) == [lost]
    assert "expired_or_canceled_card" in body
    assert _listed(body) == [str(payment["payment_id"])]
    assert body.count("made at Stripe") == 1
    asked_for = a_refund(shared_rows, payment, fingerprint="of a request")
    assert "made at Stripe" not in shared_console.reader.get("/refunds", q=asked_for).body
    assert "expired_or_canceled_card" in shared_console.reader.get(f"/payments/{payment['payment_id']}").body
    for path in ("/payments", f"/payments/{payment['payment_id']}"):
        assert "refund failed" in shared_console.reader.get(path, q=f"order {unique}").body
    other = a_payment(shared_rows, order_id=f"other order {unique}")
    a_refund(shared_rows, other)
    for path in ("/payments", f"/payments/{other['payment_id']}"):
        assert "refund failed" not in shared_console.reader.get(path, q=f"other order {unique}").body
    assert found(q=f"order {unique}", least="0.11") == found(q=f"nothing {unique}") == set()
    assert shared_console.reader.get("/refunds", status="SUCCEEDED").status == 400


def test_pages_go_through_all_refunds_once_each(shared_console: Running, shared_rows: Rows) -> None:
    payment = a_payment(shared_rows, created_at="2005-01-01T00:00:00Z")
    wanted = {a_refund(shared_rows, payment) for _ in range(60)}
    first = shared_console.reader.get(
        "/refunds", since="2005-01-01", until="2005-01-01", status="PENDING"
    ).body
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    last = shared_console.reader.get(html.unescape(following[1])).body
    assert (len(_refunds(first)), len(_refunds(last))) == (50, 10)
    assert {*_refunds(first), *_refunds(last)} == wanted


def test_filters_leave_what_is_wanted(shared_console: Running, shared_rows: Rows) -> None:
    day = {"created_at": "2001-02-03T23:59:59Z"}
    euros = str(a_payment(shared_rows, **day)["payment_id"])
    yens = str(a_payment(shared_rows, currency="JPY", amount=500, **day)["payment_id"])
    failed = a_payment(
        shared_rows, status="FAILED", failure_reason="card_declined", decline_code="lost_card", **day
    )

    def found(**query: str) -> set[str]:
        return set(_listed(shared_console.reader.get("/payments", **query).body))

    on_that_day = {"since": "2001-02-03", "until": "2001-02-03"}
    assert found(**on_that_day) == {euros, yens, str(failed["payment_id"])}
    assert found(status="FAILED", **on_that_day) == {str(failed["payment_id"])}
    assert found(currency="jpy", **on_that_day) == {yens}
    assert found(currency="JPY", least="500", most="500", **on_that_day) == {yens}
    assert found(currency="EUR", least="49.99", status="SUCCEEDED", **on_that_day) == {euros}
    assert found(currency="EUR", least="50.00", **on_that_day) == set()
    assert found(disputed="yes", **on_that_day) == set()
    shared_rows("UPDATE payment SET is_disputed = true WHERE payment_id = %s", euros)
    assert found(disputed="yes", **on_that_day) == {euros}
    assert found(until="2001-02-02") == set()
    shared_rows("UPDATE payment SET stripe_account = 'eu' WHERE payment_id = %s", yens)
    assert found(account="eu", **on_that_day) == {yens}
    assert found(account="platform", **on_that_day) == {euros, str(failed["payment_id"])}
    assert shared_console.reader.get("/refunds", account="eu", disputed="yes").status == 200


@pytest.mark.parametrize(
    "query",
    [
        {"status": "PAID"},
        {"least": "NaN"},
        {"most": "1e99"},
        {"least": "-1"},
        {"since": "yesterday"},
        {"until": "9999-12-31"},
        {"before_at": "x"},
        {"before_at": "2001-01-01T00:00:00"},
        {"before_id": "x"},
    ],
)
def test_what_cannot_be_searched_for_is_said(shared_console: Running, query: dict[str, str]) -> None:
    page = shared_console.reader.get("/payments", **query)
    assert page.status == 400
    assert 'role="alert"' in page.body


def test_pages_go_through_all_payments_once_each(shared_console: Running, shared_rows: Rows) -> None:
    shared_rows(
        """INSERT INTO payment (payment_id, order_id, amount, currency, status, payment_method, capture_method,
                                fingerprint, created_at, updated_at)
           SELECT gen_random_uuid(), 'many', 100, 'CHF', 'REQUESTED', 'pm_1', 'automatic', 'x',
                  '1999-01-01T00:00:00Z'::timestamptz + (n / 10) * interval '1 ms', now()
           FROM generate_series(1, 120) AS n"""
    )
    wanted = {
        str(row["payment_id"])
        for row in shared_rows("SELECT payment_id FROM payment WHERE order_id = 'many'")
    }
    path, seen = "/payments?until=1999-01-01", []
    for _ in range(3):
        page = shared_console.reader.get(path)
        seen += _listed(page.body)
        following = re.search(r'rel="next" href="([^"]+)"', page.body)
        path = html.unescape(following[1]) if following else ""
    assert (len(seen), set(seen), path) == (120, wanted, "")


def test_a_rare_type_is_searched_step_by_step(shared_console: Running, shared_rows: Rows) -> None:
    shared_rows(
        """INSERT INTO payment (payment_id, order_id, amount, currency, status, payment_method, capture_method,
                                fingerprint, created_at, updated_at)
           SELECT gen_random_uuid(), 'common', 100, CASE n WHEN 1 THEN 'ISK' ELSE 'NOK' END, 'REQUESTED', 'pm_1',
                  'automatic', 'x', '1990-01-01T00:00:00Z'::timestamptz + n * interval '1 s', now()
           FROM generate_series(1, 10001) AS n"""
    )
    first = shared_console.reader.get("/payments", currency="ISK", until="1990-12-31")
    assert _listed(first.body) == []
    assert "Looked back to" in first.body
    following = re.search(r'rel="next" href="([^"]+)"', first.body)
    assert following
    assert len(_listed(shared_console.reader.get(html.unescape(following[1])).body)) == 1
    shared_rows("DELETE FROM payment WHERE order_id = 'common'")


def test_a_list_of_rare_events_says_how_many_it_read(shared_console: Running, shared_rows: Rows) -> None:
    shared_rows(
        """INSERT INTO stripe_event (event_id, type, livemode, payload, status, source, created_at, received_at,
                                     finished_at)
           SELECT 'evt_rare_' || n, 'x', false, '{}', CASE n WHEN 10001 THEN 'IGNORED' ELSE 'PROCESSED' END,
                  'webhook', now(), now() + interval '1 day' - n * interval '1 s', now()
           FROM generate_series(1, 10001) AS n"""
    )
    page = shared_console.reader.get("/events", status="IGNORED")
    assert "Among the 10000 that were received last." in page.body
    assert "evt_rare_" not in page.body
    assert "evt_rare_1<" in shared_console.reader.get("/events", status="PROCESSED").body
    shared_rows("DELETE FROM stripe_event WHERE event_id LIKE 'evt_rare_%%'")


def test_a_payment_shows_its_timeline_its_money_and_links(shared_console: Running, shared_rows: Rows) -> None:
    row = a_payment(
        shared_rows,
        stripe_account="acct_1",
        amount_refunded=1000,
        amount_refund_reserved=3000,
        fee=175,
        net=4824,
        settlement_currency="EUR",
        stripe_balance_transaction_id="txn_1",
    )
    payment_id = str(row["payment_id"])
    shared_rows(
        "INSERT INTO payment_history (payment_id, to_status, cause, actor, recorded_at) VALUES (%s, %s, %s, %s, now())",
        *(payment_id, "SUCCEEDED", "charge 1 was executed", "worker@here"),
    )
    body = shared_console.reader.get(f"/payments/{payment_id}").body
    for said in (
        "49.99 EUR",
        "10.00 EUR",
        "20.00 EUR",
        "1.75 EUR",
        "48.24 EUR",
        "charge 1 was executed",
        "worker@here",
    ):
        assert said in body
    assert f"https://dashboard.stripe.com/acct_1/test/payments/{row['stripe_payment_intent_id']}" in body
    assert f"http://flower.example/tasks?name=payment_worker%20{payment_id}" in body


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/payments/11111111-1111-4111-8111-111111111111",
            "/payments/x",
            "/nowhere",
            "/%00",
            "/payments/../x",
        ),
        *("/payouts/po_nowhere", "/payouts/po_1%00"),
    ],
)
def test_what_there_is_not_is_a_page_that_says_so(shared_console: Running, path: str) -> None:
    page = shared_console.reader.get(path)
    assert page.status == 404
    assert "Not Found" in page.body


def test_text_from_outside_is_text(shared_console: Running, shared_rows: Rows) -> None:
    shared_rows(PLANT, PAYMENT, HOSTILE + POISON)
    shared_rows(
        """INSERT INTO operator_action (action, subject, reason, actor, recorded_at)
           VALUES ('paused', %s, %s, %s, now())""",
        *([HOSTILE + POISON] * 3),
    )
    paths = [*PAGES, f"/payments/{PAYMENT}", "/events?status=ALL", "/findings?status=ALL"]
    pages = {path: shared_console.operator.get(path) for path in paths}
    pages["search"] = shared_console.operator.get("/payments", q=HOSTILE + POISON)
    pages["task"] = shared_console.operator.get("/requests/rejected", task=HOSTILE)
    pages["id"] = shared_console.operator.get("/requests/rejected", id=HOSTILE + POISON)
    pages["status"] = shared_console.operator.get("/payments", status=HOSTILE)
    shown = html.escape(HOSTILE, quote=False).partition("'")[0].replace('"', "&#34;")
    for path, page in pages.items():
        assert page.status in {200, 400}, path
        assert raw(page.body) == set(), path
        assert "<script" not in page.body, path
        assert "<img" not in page.body, path
    for path in (f"/payments/{PAYMENT}", "/findings", "/events", "/requests/rejected", "/actions", "search"):
        assert shown in pages[path].body, path
        assert html.escape(SHOWN, quote=False) in pages[path].body, path


def test_the_overview_shows_what_waits_and_what_was_charged(console: Start, rows: Rows) -> None:
    now = rows.one("SELECT now() - interval '1 day' AS yesterday")["yesterday"]
    fees = {"fee": 175, "net": 4824, "settlement_currency": "EUR", "stripe_balance_transaction_id": "txn_1"}
    a_payment(rows, created_at=now, **fees)
    a_payment(rows, created_at=now, amount_refunded=100, amount_refund_reserved=100, **fees)
    a_payment(rows, created_at=now, status="FAILED", failure_reason="card_declined")
    asked = a_payment(rows, created_at=now - timedelta(days=9), status="REQUESTED")
    this_hour = now + timedelta(days=1)
    for status in ("SUCCEEDED", "AUTHORIZED"):
        today = a_payment(rows, status=status, created_at=this_hour)
    a_payment(rows, status="FAILED", failure_reason="card_declined", created_at=this_hour)
    for status in ("PROCESSED", "PENDING"):
        a_refund(rows, today, status=status)
    rows(
        """INSERT INTO payment_attempt (payment_id, number, action, path, parameters, idempotency_key, status,
               unknown_reason, first_sent_at, sent_until, created_at, next_action_at)
           SELECT %s, 1, 'charge', '/', '{}', 'k', 'UNKNOWN', 'server_error', at, at, at, at + interval '1 h'
           FROM (SELECT now() - interval '5 min' AS at) AS long_ago""",
        str(asked["payment_id"]),
    )
    rows("INSERT INTO pause VALUES ('refund', 'a bad bank', 'lin', now())")
    running = console()

    page = running.reader.get("/", day=f"{now:%Y-%m-%d}")

    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.body))
    assert "99.98 EUR 1.00 EUR 3.50 EUR 96.48 EUR" in text
    assert "Unknown outcomes 1 5 min" in text
    assert "refund since" in text
    assert "a bad bank" in text
    for said in (
        "Queue charges",
        "workers: 0",
        "Outbox",
        "Inbox: parked",
        "Circuit breakers open",
        "Charges: 2 most in an hour: 2",
        "Declines: 1 most in an hour: 1",
        "Refunds: 1 most in an hour: 1",
    ):
        assert said in text, said
    assert "Something needs attention" in text  # no worker runs
    assert running.reader.get("/", day="x").status == 200
    assert running.reader.get("/", day=f"{now + timedelta(days=400):%Y-%m-%d}").status == 200


def test_a_bug_is_a_page_and_a_line_in_the_log_and_shows_no_data(console: Start, rows: Rows) -> None:
    running = console()
    rows("ALTER TABLE rejected_request DROP CONSTRAINT rejected_request_errors_are_whole")
    rows(
        """INSERT INTO rejected_request (request_id, task, arguments, errors, ids, is_complete, received_at)
           VALUES (%s, 'x', '{}', '["planted4714"]', '{}', true, now())""",
        str(uuid4()),
    )
    page = running.operator.get("/requests/rejected")
    assert page.status == 500
    assert "This is a bug" in page.body
    assert page.headers["content-security-policy"]
    assert running.reader.get("/payments").status == 200
    running.process.stop()
    lines = [line for line in running.process.output().splitlines() if "page failed" in line]
    assert len(lines) == 1
    assert "Traceback" not in running.process.output()
    assert "planted4714" not in running.process.output() + page.body


def test_without_its_database_it_says_so_and_the_overview_says_what_to_do(
    own_postgresql: PostgreSQL, console: Start
) -> None:
    running = console(settings={"DATABASE_URL": own_postgresql.url("payments")})
    assert running.reader.get("/payments").status == 200
    own_postgresql.kill()
    assert running.reader.get("/payments").status == 503
    overview = running.reader.get("/")
    assert overview.status == 200
    assert "start PostgreSQL" in overview.body
    assert Visitor(running.port).get("/healthz").status == 200


def test_pages_read_where_the_settings_say_and_write_nothing_there(
    console: Start, postgresql: PostgreSQL, migrated_template: str
) -> None:
    url = postgresql.create_database("replica", template=migrated_template)
    replica = Rows(url)
    payment_id = str(a_payment(replica)["payment_id"])
    replica("ALTER DATABASE replica SET default_transaction_read_only = on")
    running = console(settings={"PAYMENT_WORKER_CONSOLE_DATABASE_URL": url})
    assert running.reader.get(f"/payments/{payment_id}").status == 200
    assert all(running.reader.get(path).status == 200 for path in PAGES)
    replica.close()


@pytest.mark.parametrize("kind", FindingKind)
def test_every_kind_of_finding_says_what_it_means_and_what_to_do(kind: FindingKind) -> None:
    assert kind.sentence
    assert kind.remedy


def test_the_balance_a_days_bookings_and_payouts_are_shown(
    shared_console: Running, shared_rows: Rows
) -> None:
    payout_id, charge_id = f"po_{uuid4().hex}", f"ch_{uuid4().hex}"
    shared_rows(
        "INSERT INTO balance_import (stripe_account, begins_at, is_opened) VALUES ('acct_7', now(), true)"
    )
    shared_rows(
        """INSERT INTO balance_proof (stripe_account, currency, available, pending, reserved, ledger, proven_at)
           VALUES ('acct_7', 'EUR', 4000, 824, 0, 4800, now())"""
    )
    shared_rows("INSERT INTO ledger_balance VALUES ('acct_7', 'stripe_balance', 'EUR', 4800, 4800)")
    shared_rows(
        """INSERT INTO payout (stripe_payout_id, stripe_account, amount, currency, status, is_automatic, arrival_date,
                               is_arrived, itemized_amount, created_at, updated_at)
           VALUES (%s, 'acct_7', 4824, 'EUR', 'PAID', true, '2001-02-05', true, 4820, now(), now())""",
        payout_id,
    )
    shared_rows(
        """INSERT INTO balance_transaction (stripe_balance_transaction_id, stripe_account, type, reporting_category,
                                            status, amount, fee, net, currency, source_id, stripe_payout_id,
                                            available_on, created_at, seen_at)
           VALUES (%s, 'acct_7', 'charge', 'charge', 'available', 4999, 175, 4824, 'EUR', %s, %s, now(),
                   '2001-02-03T23:59:59Z', now())""",
        *(f"txn_{uuid4().hex}", charge_id, payout_id),
    )
    shared_rows(
        """INSERT INTO ledger_uncleared (stripe_account, object_id, currency, ledger_account, ours, theirs, since)
           VALUES ('acct_7', 'pi_uncleared', 'EUR', 'customers', 1234, -1200, now())"""
    )
    balance = shared_console.reader.get("/balance", day="2001-02-03").body
    for said in (
        "pi_uncleared",
        "12.34 EUR",
        "12.00 EUR",
        "acct_7 EUR",
        "all in EUR",
        "48.24 EUR",
        "48.00 EUR",
        "0.24 EUR",
        "49.99 EUR",
        "1.75 EUR",
    ):
        assert said in balance, said
    assert "Nothing is imported of this day" in shared_console.reader.get("/balance", day="2001-02-04").body
    assert "0.04 EUR" in shared_console.reader.get("/payouts").body
    payout = shared_console.reader.get(f"/payouts/{payout_id}").body
    assert charge_id in payout
    assert f"https://dashboard.stripe.com/acct_7/test/payouts/{payout_id}" in payout
    assert shared_console.reader.get("/payouts/po_none").status == 404
