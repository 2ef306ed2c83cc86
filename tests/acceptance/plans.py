"""Checks what PostgreSQL reads for each statement that processes have executed, in a large database with a backlog.

The server logs the statements with their values. Afterwards each is executed again and rolled back, both in the
database that it is from and in the large one, to which that database's rows are added.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import psycopg2

from payment_worker.devstack.servers.postgresql import PostgreSQL
from tests.harness.backlog import GROWING, fill
from tests.harness.length import LONG
from tests.harness.rows import Rows

OVER, WAITING = (1_000_000, 20_000) if LONG else (5_000, 5_000)

MOST_BUFFERS: Final = 120 if LONG else 60
"""A few rows of a few tables by indexes of three or four levels, with the indexes of what is written; a walk takes more
than that of 5,000 rows, and thousands of 20,000."""

MOST_BUFFERS_PER_KEY: Final = 4
"""It is looked for in an index, and perhaps no row has it."""

MOST_BUFFERS_PER_ROW: Final = 150
"""Ten refunds and their payments are looked at for each that is claimed."""

PROPORTIONAL: Final[Mapping[str, str]] = {
    r"count\(\*\) AS count_1, min\(": "what waits is counted, for `doctor` and /metrics",
    r"^SELECT DISTINCT payment_attempt.action, payment_attempt.error_code": "likewise, if Stripe refuses our key",
    r"^SELECT payment_attempt.payment_id, payment_attempt.action, payment_attempt.unknown_reason": "likewise, listed",
    r"^SELECT refund.currency, stripe_account, sum\(": "likewise, the amount of refunds that are pending",
    r"^WITH held AS ": "the uncleared amount is the sum of all that is not cleared; for `balance` and /metrics",
    r"FROM reconciliation_match": "a reconciliation, once a day, passes over all that is unfinished",
    r"^SELECT ledger_uncleared.stripe_account": "each import compares all that is not cleared with the findings",
    r"^UPDATE payment_attempt SET next_action_at=.* AND payment_attempt.error_code = \?": "`resume`: all that waited",
    r"^UPDATE refund SET waits_until=.* WHERE refund.waits_until IS NOT ": "likewise, refunds",
    r"^UPDATE reconciliation_finding SET .* NOT \(EXISTS": "likewise, all findings that are open",
    r"stripe_event.received_at BETWEEN": "any event of a quarter of an hour may tell of an unknown outcome",
    r"OFFSET \?$": "once a stream has lost messages, those that it has kept are counted",
    r"^UPDATE outbox SET published_at=.* WHERE outbox.position IN \(SELECT": "likewise, thousands of what it lost",
}
"""Statements that may read more when more waits, and why."""

_LOGGED: Final = re.compile(
    r"^\S+ \S+ \S+ \[\d+\] (\S+) payment-worker LOG:  statement: (.*(?:\n\t.*)*)", re.MULTILINE
)
_IS_PLANNED: Final = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_VALUE: Final = re.compile(r"'(?:[^']|'')*'|\b\d+(\.\d+)?\b|\b(NULL|true|false)\b")
_VALUES: Final = re.compile(r"\(*\?(::\w+(\[\])?)*\)*(, ?\(*\?(::\w+(\[\])?)*\)*)*")
_AUTO_EXPLAIN: Final = """
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET auto_explain.log_analyze = on;
SET auto_explain.log_buffers = on;
SET auto_explain.log_timing = off;
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_format = json;
SET auto_explain.log_level = notice;
SET lock_timeout = '5s';
"""

Node = dict[str, Any]
"""A node of a plan, as PostgreSQL shows it in JSON."""


class LargeDatabase:
    """A million rows in each table that grows and 20,000 more that wait; in a short run, 5,000 of each."""

    def __init__(self, server: PostgreSQL, *, name: str, template: str) -> None:
        self.url = server.create_database(name, template=template)
        with closing(Rows(self.url)) as rows:
            for table in ("metadata_secret", "alembic_version"):
                rows(f"DELETE FROM {table}")  # noqa: S608 ours
            for each in rows("SELECT sequencename AS name FROM pg_sequences"):
                rows(f"ALTER SEQUENCE {each['name']} RESTART 1000000000")  # apart from the ids that are added
            fill(rows, over=OVER, waiting=WAITING)

    @contextmanager
    def compared(self, server: PostgreSQL, name: str) -> Iterator[None]:
        """Check all statements that are executed in a database in the block. Their processes end in it.

        Raises:
            AssertionError: some read more here than their rows need.
        """
        server.execute(f"ALTER DATABASE {name} SET log_statement = 'all'")
        begin = server.log.stat().st_size
        yield
        with server.log.open("rb") as file:
            file.seek(begin)
            logged = _LOGGED.findall(file.read().decode(errors="replace"))
        # The last of each shape: its rows have changed least since.
        texts = [text.replace("\n\t", "\n") for database, text in logged if database == name]
        statements = {_shape(text): text for text in texts if _IS_PLANNED.match(text)}
        greedy = self._greedy(statements, server.url(name))
        assert not greedy, "\n".join(greedy)

    def _greedy(self, statements: Mapping[str, str], url: str) -> list[str]:
        found: list[str] = []
        with closing(_connect(url)) as own, closing(_connect(self.url)) as large:
            _copy(own, large)
            for shape, text in statements.items():
                if not any(re.search(each, shape) for each in PROPORTIONAL):
                    found += _complaints(text, _plans(own, text), _plans(large, text))
        return found


def _shape(text: str) -> str:
    """A statement without its values."""
    return _VALUES.sub("?", _VALUE.sub("?", " ".join(text.split())))


def _connect(url: str) -> Any:  # noqa: ANN401 - psycopg2's
    connection = psycopg2.connect(url)
    connection.notices = []  # psycopg2's own forgets all but fifty
    with connection.cursor() as cursor:
        cursor.execute(_AUTO_EXPLAIN)
    connection.commit()
    return connection


def _copy(own: Any, large: Any) -> None:  # noqa: ANN401 - psycopg2's
    """Add all rows of a database, whose schema may be an older or newer one."""
    with own.cursor() as read, large.cursor() as write:
        write.execute("SET session_replication_role = replica")
        for table, named in groupby(sorted(_columns(read) & _columns(write)), key=itemgetter(0)):
            columns = ", ".join(f'"{column}"' for _, column in named)
            rows = io.BytesIO()
            read.copy_expert(f"COPY {table} ({columns}) TO STDOUT", rows)
            rows.seek(0)
            write.copy_expert(f"COPY {table} ({columns}) FROM STDIN", rows)
        write.execute("SET session_replication_role = origin")


def _columns(cursor: Any) -> set[tuple[str, str]]:  # noqa: ANN401 - psycopg2's
    cursor.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    return set(cursor.fetchall())


def _plans(connection: Any, text: str) -> list[Node]:  # noqa: ANN401 - psycopg2's
    """The plans of a statement and of what its triggers execute.

    What cannot be executed twice, like an insert, has a plan without figures; what never could has none.
    """
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        connection.notices.clear()
        try:
            cursor.execute(text)
            plans = [json.loads(each[each.index("{") :]) for each in connection.notices if "plan:" in each]
        except psycopg2.Error:
            cursor.execute("ROLLBACK TO before")
            try:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {text}")
                plans = [{"Query Text": text, **cursor.fetchone()[0][0]}]
            except psycopg2.Error:
                plans = []
        cursor.execute("ROLLBACK TO before")
    return plans


def _complaints(text: str, own: list[Node], large: list[Node]) -> Iterator[str]:
    keys = max((each[0].count("?") for each in _VALUES.finditer(_VALUE.sub("?", text))), default=0)
    for plan in large:
        alike = large if " LIMIT " in text else own
        most = max(
            (_rows(each["Plan"]) for each in alike if each["Query Text"] == plan["Query Text"]), default=0
        )
        buffers = int(plan["Plan"].get("Shared Hit Blocks", 0) + plan["Plan"].get("Shared Read Blocks", 0))
        if buffers > MOST_BUFFERS + MOST_BUFFERS_PER_KEY * keys + MOST_BUFFERS_PER_ROW * most:
            yield f"{buffers} buffers for {most} rows: {plan['Query Text']}"
        for walk in filter(_is_walk, _nodes(plan["Plan"])):
            yield f"all of {walk.get('Index Name') or walk['Relation Name']} is read: {plan['Query Text']}"


def _rows(plan: Node) -> int:
    """How many rows it returns or writes."""
    writes = [child for node in _nodes(plan) if node["Node Type"] == "ModifyTable" for child in node["Plans"]]
    return int(max(each.get("Actual Rows", 0) for each in (plan, *writes)))


def _is_walk(node: Node) -> bool:
    """Whether it reads a table or an index from end to end, perhaps only with other values than these."""
    if node["Node Type"] == "Seq Scan":
        # Of a few thousand rows that is sometimes cheapest.
        return node["Relation Name"] in GROWING and (LONG or not node.get("Actual Loops"))
    return "Index Name" in node and "Index Cond" not in node and not node.get("Actual Loops")


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
