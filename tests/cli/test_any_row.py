"""No row that the database can hold ends in a bug: what an older or newer version, or a person, wrote is shown.

`make test-long` plants 2,000 values; by default there are fewer.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import sql
from psycopg2.extras import Json
from sqlalchemy import BigInteger, Boolean, DateTime, Integer, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from payment_worker.devstack.processes import Process
from payment_worker.store import tables
from tests.cli.conftest import Run
from tests.harness.length import LONG, examples
from tests.harness.producer import Producer, a_charge
from tests.harness.rows import Rows

PLANTED = examples(30, long=2000)
PAYMENT = "11111111-1111-4111-8111-111111111111"
REJECTED = "22222222-2222-4222-8222-222222222222"
FINDING = """
INSERT INTO reconciliation_finding (kind, object_id, payment_id, status, detail, found_at)
VALUES ('payment_missing_there', 'pi_1', %s, 'OPEN', '{}', now()) RETURNING finding_id
"""
COMMANDS = (
    ("show", PAYMENT),
    ("show", PAYMENT, "--json"),
    ("report",),
    ("report", "--json"),
    ("report", "--csv"),
    ("doctor", "--json"),
    ("events", "list"),
    ("findings", "list"),
    ("requests", "rejected", "list"),
    ("requests", "rejected", "show", REJECTED),
    ("list",),
)
TEXTS = st.sampled_from(
    [
        "",
        " ",
        "SOMETHING_NEW",
        "None",
        "{}",
        "-1",
        "é\u202e\x1b[31m[red]",
        "💥",
        "x" * 9000,
        "pi_1\n2",
        "%s{0}",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
INSTANTS = st.sampled_from(
    ["infinity", "-infinity", "294276-12-31 23:59:59Z", "0044-03-15 BC", "1970-01-01Z"]
)
INTEGERS = st.sampled_from([0, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)])
VALUES: tuple[tuple[Any, st.SearchStrategy[Any]], ...] = (
    (JSONB, JSON.map(Json)),
    (Text, TEXTS),
    (DateTime, INSTANTS),
    (Boolean, st.booleans()),
    (BigInteger | Integer | Numeric, INTEGERS),
)
KEYS = {
    "payment_id",
    "refund_id",
    "attempt_id",
    "event_id",
    "run_id",
    "finding_id",
    "id",
    "request_id",
}
FILLED = (
    *(tables.payment, tables.refund, tables.payment_attempt, tables.payment_history, tables.outbox),
    *(tables.rejected_request, tables.reconciliation_run, tables.reconciliation_finding, tables.event_poll),
)
COLUMNS = [
    (table, column.name, values)
    for table in FILLED
    for column in table.columns
    for kind, values in VALUES
    if isinstance(column.type, kind) and column.name not in KEYS
]


@pytest.fixture
def story(run: Run, worker: Callable[..., Process], producer: Producer, rows: Rows, database_url: str) -> str:
    """The database of a payment with a refund, a rejected request, a finding and a reconciliation."""
    worker(pool="threads")
    producer.charge(**a_charge(payment_id=PAYMENT))
    rows.wait_for("SELECT 1 FROM payment WHERE status = 'SUCCEEDED'")
    producer.charge(**a_charge(amount="ten"))
    run("refund", PAYMENT, "--amount", "200")
    rows.wait_for("SELECT 1 FROM refund WHERE status = 'PROCESSED'")
    rows.wait_for("SELECT 1 FROM rejected_request")
    rows("UPDATE rejected_request SET request_id = %s", REJECTED)
    assert run("reconcile", "--since", (datetime.now(tz=UTC) - timedelta(hours=1)).isoformat()).status == 0
    rows(FINDING, PAYMENT)
    return database_url


def test_none_ends_in_a_bug_or_a_traceback(story: str, run: Run) -> None:
    planted: list[str] = []
    bugs: list[str] = []

    @given(column=st.sampled_from(COLUMNS), command=st.sampled_from(COMMANDS), data=st.data())
    @settings(
        max_examples=PLANTED,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=not LONG,  # the long run finds what is new
    )
    def any_row(
        column: tuple[Table, str, st.SearchStrategy[Any]], command: tuple[str, ...], data: st.DataObject
    ) -> None:
        table, name, values = column
        value = data.draw(values)
        with _planted(story, table, name, value) as is_planted:
            if is_planted:
                planted.append(name)
                ran = run(*command)
                if ran.status not in {0, 1, 2} or "This is a bug" in ran.err or "Traceback" in ran.err:
                    bugs.append(
                        f"{table.name}.{name} = {value!r:.60}: {' '.join(command)}: {ran.status} {ran.err[-300:]}"
                    )

    any_row()

    assert len(planted) > PLANTED / 5
    assert bugs == []


@contextmanager
def _planted(database_url: str, table: Table, column: str, value: object) -> Iterator[bool]:
    """Each row of a table has the value meanwhile, whatever triggers say; whether the table's checks let it."""
    keys = [key.name for key in table.primary_key]
    names = sql.SQL(", ").join(map(sql.Identifier, [*keys, column]))
    where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(key)) for key in keys)
    put = sql.SQL("UPDATE {} SET {} = %s").format(sql.Identifier(table.name), sql.Identifier(column))
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(table.name)))
        before = cursor.fetchall()
        try:
            cursor.execute(put, [value])
        except psycopg2.Error:
            yield False
            return
        yield bool(before)
        for *key, old in before:
            cursor.execute(
                put + sql.SQL(" WHERE ") + where, [Json(old) if isinstance(old, dict | list) else old, *key]
            )
