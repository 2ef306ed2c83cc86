"""The Payment Database refuses what must never be, whoever writes it, and migrates both ways."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.pool import NullPool

from payment_worker.domain.payment import Payment, PaymentStatus
from payment_worker.store.connection import migrate
from payment_worker.store.connection.address import engine
from payment_worker.store.connection.database import Database
from payment_worker.store.records import payments
from payment_worker.store.tables import metadata
from tests.harness.rows import Rows

PAYMENT = """
INSERT INTO payment (payment_id, order_id, amount, currency, status, payment_method, capture_method, fingerprint,
    stripe_payment_intent_id, amount_captured, created_at, updated_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 1000, 'EUR', 'SUCCEEDED', 'pm_card_visa', 'automatic', 'f',
    'pi_' || gen_random_uuid(), 1000, now(), now()) RETURNING payment_id
"""


NEW_PAYMENT = """
INSERT INTO payment (payment_id, order_id, amount, currency, status, capture_method, fingerprint,
    created_at, updated_at)
VALUES (gen_random_uuid(), 'order', 1000, 'EUR', 'REQUESTED', 'automatic', 'f', now(), now())
RETURNING payment_id::text
"""


def _kinds(differences: list[Any]) -> Iterator[tuple[str, object]]:
    for difference in differences:
        for each in difference if isinstance(difference, list) else [difference]:
            yield each[0], each


@pytest.fixture
def payment_id(rows: Rows) -> str:
    return str(rows.one(PAYMENT)["payment_id"])


@pytest.fixture
def fresh(empty_database_url: str) -> Iterator[Rows]:
    with closing(Rows(empty_database_url)) as reader:
        yield reader


def test_it_migrates_up_down_and_up_again(empty_database_url: str, fresh: Rows) -> None:
    migrate.upgrade(empty_database_url)
    migrate.downgrade(empty_database_url, "base")
    assert [
        row["tablename"] for row in fresh("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ] == ["alembic_version"]
    migrate.upgrade(empty_database_url)
    migrate.upgrade(empty_database_url)


def test_what_a_new_payments_insert_leaves_out_has_the_default_of_its_record(
    rows: Rows, database_url: str
) -> None:
    payment_id = UUID(rows.one(NEW_PAYMENT)["payment_id"])
    with closing(Database(database_url)) as database, database.begin() as connection:
        assert payments.find(connection, payment_id) == Payment(
            payment_id=payment_id,
            order_id="order",
            customer_id=None,
            version=1,
            status=PaymentStatus.REQUESTED,
            amount=1000,
            currency="EUR",
        )


@pytest.mark.parametrize("table", ["payment", "refund", "payment_attempt", "stripe_event", "outbox"])
def test_a_table_that_changes_with_each_charge_is_vacuumed_at_a_hundredth(rows: Rows, table: str) -> None:
    options = rows.one("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", table)["reloptions"]

    assert {"autovacuum_vacuum_scale_factor=0.01", "autovacuum_analyze_scale_factor=0.01"} <= set(
        options or ()
    )


def test_the_migrations_make_just_the_tables_that_the_code_knows(database_url: str) -> None:
    opened = engine(database_url, poolclass=NullPool)
    with opened.connect() as connection:
        assert migrate.revision(database_url) == migrate.newest()
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = list(_kinds(compare_metadata(context, metadata)))
    # Indexes, defaults and comments are written in the migrations alone: the code needs tables and columns.
    assert {kind for kind, _ in differences} <= {
        "remove_index",
        "remove_constraint",
        "modify_comment",
        "remove_table_comment",
    }


@pytest.mark.parametrize(
    "change",
    [
        "amount_refund_reserved = 1001",
        "amount_refunded = 1",
        "amount_refunded = -1",
        "amount_captured = 0",
        "amount = 0",
        "currency = 'eur'",
        "status = 'DONE'",
        "status = 'FAILED', amount_captured = 0",
        "stripe_payment_intent_id = NULL",
    ],
)
def test_no_payment_can_say_what_cannot_be(rows: Rows, payment_id: str, change: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        rows(f"UPDATE payment SET {change} WHERE payment_id = %s", payment_id)  # noqa: S608 - the cases above


@pytest.mark.parametrize(
    "change",
    ["UPDATE payment_history SET actor = 'me'", "DELETE FROM payment_history", "TRUNCATE payment_history"],
)
def test_history_only_grows(rows: Rows, payment_id: str, change: str) -> None:
    rows(
        "INSERT INTO payment_history (payment_id, to_status, cause, actor, recorded_at)"
        " VALUES (%s, 'SUCCEEDED', 'test', 'test', now())",
        payment_id,
    )
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
        rows(change)


def test_a_payment_has_one_unfinished_attempt_at_the_most(rows: Rows, payment_id: str) -> None:
    attempt = (
        "INSERT INTO payment_attempt (payment_id, number, action, path, parameters, idempotency_key, status,"
        " next_action_at, first_sent_at, sent_until, created_at)"
        " VALUES (%s, %s, 'charge', '/', '{}', %s, 'OPEN', now(), now(), now(), now())"
    )
    rows(attempt, payment_id, 1, "one")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        rows(attempt, payment_id, 2, "two")


def test_a_place_on_a_list_goes_with_the_time_at_which_it_was_reached(rows: Rows, payment_id: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        rows(
            "INSERT INTO payment_attempt (payment_id, number, action, path, parameters, idempotency_key, status,"
            " next_action_at, first_sent_at, sent_until, created_at, lookup_cursor)"
            " VALUES (%s, 1, 'charge', '/', '{}', 'k', 'OPEN', now(), now(), now(), now(), 'pi_1')",
            payment_id,
        )


def test_every_unfinished_attempt_has_a_time_at_which_it_is_due(rows: Rows, payment_id: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        rows(
            "INSERT INTO payment_attempt (payment_id, number, action, path, parameters, idempotency_key, status,"
            " first_sent_at, sent_until, created_at)"
            " VALUES (%s, 1, 'charge', '/', '{}', 'k', 'OPEN', now(), now(), now())",
            payment_id,
        )


@pytest.mark.parametrize(
    "errors",
    ['{"field": "x", "code": "x", "message": "x"}', '["x"]', "[null]", '[{"field": "x", "code": "x"}]']
    + [f'[{{"field": "x", "code": "x", "message": {value}}}]' for value in ("null", "7", '["x"]')]
    + ['[[{"field": "x", "code": "x", "message": "x"}]]'],
)
def test_an_error_of_a_rejected_request_has_a_field_a_code_and_a_message(rows: Rows, errors: str) -> None:
    rejected = """INSERT INTO rejected_request (request_id, task, arguments, errors, ids, is_complete, received_at)
                  VALUES (gen_random_uuid(), 'x', '{}', %s, '{}', true, now())"""
    rows(rejected, '[{"field": "x", "code": "x", "message": "x"}]')
    with pytest.raises(psycopg2.errors.CheckViolation):
        rows(rejected, errors)
