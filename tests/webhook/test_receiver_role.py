"""A receiver with the role of deploy/postgresql/receiver.sql stores events, and could do nothing else if it were taken.

It holds no key of Stripe's either.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from payment_worker.store import tables
from tests.harness.rows import Rows
from tests.webhook.conftest import Start
from tests.webhook.sending import an_event, written

SQL = (Path(__file__).parents[2] / "deploy" / "postgresql" / "receiver.sql").read_text(encoding="utf-8")
PROBES = (
    "SELECT * FROM {table}",
    "SELECT count(*) FROM {table}",
    "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "TRUNCATE {table}",
    "LOCK TABLE {table}",
    "ALTER TABLE {table} ADD COLUMN planted text",
    "DROP TABLE {table}",
    "CREATE INDEX ON {table} ({column})",
    "COPY {table} TO STDOUT",
    "GRANT ALL ON {table} TO PUBLIC",
)
ALLOWED_ON_THE_INBOX = {"SELECT count(*) FROM {table}", "INSERT INTO {table} DEFAULT VALUES"}
REFUSED_ANYWHERE = (
    "CREATE TABLE planted ()",
    "CREATE TEMPORARY TABLE planted ()",
    "CREATE FUNCTION planted() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE planted",
    "SET ROLE pg_read_all_data",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT rolpassword FROM pg_authid",
    "SELECT payload FROM stripe_event",
    "UPDATE alembic_version SET version_num = 'x'",
    "INSERT INTO stripe_event (event_id, outcome, finished_at) VALUES ('e', 'x', now())",
)


@pytest.fixture
def role_url(database_url: str, rows: Rows) -> Iterator[str]:
    """The database as a login sees it that has the role and nothing else."""
    name, password = f"webhook_{uuid4().hex[:8]}", uuid4().hex
    for _ in range(2):  # it may be run again
        with closing(psycopg2.connect(database_url)) as owner, owner.cursor() as cursor:
            cursor.execute(SQL)
            owner.commit()
    rows(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE payment_worker_receiver")
    url = make_url(database_url).set(username=name, password=password)
    yield url.render_as_string(hide_password=False)
    rows(f"DROP ROLE {name}")


def test_it_serves_with_that_role_and_no_key_of_stripes(role_url: str, receiver: Start, rows: Rows) -> None:
    sender = receiver(
        settings={
            "DATABASE_URL": role_url,
            "STRIPE_API_KEY": "",
            "STRIPE_API_KEY_FILE": "/nowhere/stripe_api_key",
            "STRIPE_API_KEYS_FILE": "/nowhere/stripe_api_keys",
            "PAYMENT_WORKER_STRIPE_MODE": "live",
        }
    )
    event = an_event()

    assert sender.get("/readyz").status == 200
    assert [sender.send(written(event)).outcome for _ in range(2)] == ["stored", "known"]
    assert rows("SELECT event_id, status FROM stripe_event") == [
        {"event_id": event["id"], "status": "RECEIVED"}
    ]
    assert '"mode": "test"' in sender.process.output()
    metrics = sender.get("/metrics").body
    assert "payment_worker_database_up 1.0" in metrics
    assert "payment_worker_payments{" not in metrics
    assert "error" not in sender.process.output()


def test_whoever_takes_it_can_do_nothing_else(role_url: str) -> None:
    everything = [
        probe.format(table=table.name, column=list(table.columns)[-1].name)
        for table in tables.metadata.sorted_tables
        for probe in PROBES
        if table.name != "stripe_event" or probe not in ALLOWED_ON_THE_INBOX
    ]
    assert len(everything) > 200

    outcomes = {}
    with closing(psycopg2.connect(role_url)) as taken:
        for command in [*everything, *REFUSED_ANYWHERE]:
            outcomes[command] = _sqlstate(taken, command)
    assert {command: code for command, code in outcomes.items() if code != "42501"} == {}


def _sqlstate(connection: Any, command: str) -> str | None:  # noqa: ANN401 - psycopg2 has no types
    try:
        with connection.cursor() as cursor:
            cursor.execute(command)
    except psycopg2.Error as error:
        return str(error.pgcode)
    finally:
        connection.rollback()
    return None
