"""The reference of the tables, read from a database that the migrations have just made: columns, checks, comments."""

import re
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import psycopg2
from pages.columns import told
from psycopg2.extras import RealDictCursor

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.store.connection.migrate import upgrade
from payment_worker.store.tables import metadata

PAGE = """# Tables

Read from a freshly migrated database by `tools/generate.py`; `\\d+ payment` in `psql` shows the same. Money is `bigint`
in minor units, instants are `timestamptz`. Other apps may read, but not write. Every row satisfies the
constraints below its table.

## Tables that others may read

Their columns are a contract: columns may be added, and none is removed without a migration path.

{shared}

## Tables of the worker's own

They may change with any version. The [runbook](../how-to/runbook.md) reads them; your apps should not. Only columns
that need words are listed.

{own}
"""

SHARED = (
    "payment",
    "refund",
    "payment_history",
    "dispute",
    "early_fraud_warning",
    "stripe_event",
    "rejected_request",
    "reconciliation_run",
    "reconciliation_finding",
)

COLUMNS = """
SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS needed, col_description(c.oid, a.attnum) AS means
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
"""
TABLES = """
SELECT relname AS name, obj_description(oid) AS means
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text AS table, conname AS name, pg_get_constraintdef(oid, true) AS holds
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u')
UNION ALL
SELECT tablename, indexname, 'UNIQUE ' || substring(indexdef FROM '\\(.*')
FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE 'CREATE UNIQUE%'
    AND indexname NOT IN (SELECT conname FROM pg_constraint)
ORDER BY 1, 2
"""

Rows = list[Mapping[str, Any]]


def page() -> str:
    """The page as it must be."""
    with PostgreSQL(durable=False) as server:
        url = server.create_database("docs")
        upgrade(url)
        with closing(psycopg2.connect(url, cursor_factory=RealDictCursor)) as connection:
            columns, tables, constraints = (_rows(connection, sql) for sql in (COLUMNS, TABLES, CONSTRAINTS))
    means = {row["name"]: row["means"] for row in tables}
    parts = {
        name: _table(name, means[name], _columns(name, columns), _of(name, constraints))
        for name in metadata.tables
    }
    own = [name for name in metadata.tables if name not in SHARED]
    return PAGE.format(
        shared="\n\n".join(parts[name] for name in SHARED), own="\n\n".join(parts[name] for name in own)
    )


def _rows(connection: Any, sql: str) -> Rows:  # noqa: ANN401 - psycopg2 has no types
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _of(table: str, rows: Rows) -> Rows:
    return [row for row in rows if row["table"] == table]


def _columns(table: str, rows: Rows) -> Rows:
    """In the order of the code, which is by meaning and not by migration."""
    by_name = {row["name"]: row for row in _of(table, rows)}
    return [by_name[column.name] for column in metadata.tables[table].columns]


def _table(name: str, means: str | None, columns: Rows, constraints: Rows) -> str:
    shown = [row for row in columns if name in SHARED or row["means"]]
    lines = [f"### {name}", "", means or ""]
    if shown:
        lines += ["", "| column | type | meaning |", "|---|---|---|", *map(_column, shown)]
    if constraints:
        lines += ["", "Constraints:", "", *map(_constraint, constraints)]
    return "\n".join(lines)


def _column(column: Mapping[str, Any]) -> str:
    kind = column["type"].replace("timestamp with time zone", "timestamptz")
    optional = "" if column["needed"] else ", may be null"
    means = column["means"] or told(column["table"], column["name"])
    return f"| `{column['name']}` | {kind}{optional} | {means} |"


def _constraint(constraint: Mapping[str, Any]) -> str:
    return f"- `{constraint['name']}`: `{_plain(constraint['holds'])}`"


def _plain(definition: str) -> str:
    """The definition as one would write it, without what PostgreSQL makes of it."""
    listed = re.sub(r"= ANY \(ARRAY\[(.*?)\]\)", r"IN (\1)", definition.replace("::text", ""))
    return " ".join(listed.split())
