"""Combines inserts and updates of several tables into one SQL statement."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from psycopg2.extensions import adapt
from pydantic_core import to_json
from sqlalchemy import (
    CTE,
    BindParameter,
    ClauseElement,
    ColumnElement,
    Connection,
    CursorResult,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    exists,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import psycopg2

from payment_worker.domain.attempts.attempt import Action, AttemptStatus
from payment_worker.domain.payment import PaymentStatus
from payment_worker.store.connection.database import Database

_DIALECT: Final = psycopg2.dialect(  # type: ignore[no-untyped-call] # SQLAlchemy's
    json_serializer=lambda value: to_json(value).decode()
)
"""JSON is written by Pydantic, in a fifth of the time that `json` takes; 254 levels of it (pydantic-core 2.50), where a
request may have 50 (`broker/envelope.py`)."""


class Compiled:
    """A statement that is text from then on: SQLAlchemy sets up one of its own in the time in which the driver runs it.

    Its rows are in the driver's types: an enumeration is its text.
    """

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self._text = str(compiled)
        for name, value in compiled.params.items():
            if value is not None:
                self._text = self._text.replace(f"%({name})s", _literal(value))
        encoders = {
            name: each.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
            for each, name in compiled.bind_names.items()
            if each.value is None
        }
        self._encoders = {name: encode for name, encode in encoders.items() if encode}

    def execute(
        self, connection: Connection, parameters: Mapping[str, Any]
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run it in a transaction with these values of its parameters."""
        return connection.exec_driver_sql(self._text, self._values(parameters))

    def run(self, database: Database, parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Run it as a transaction of its own; the first row that it returns, if there is one."""
        return database.run(self._text, self._values(parameters))

    def rows(self, database: Database, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """Run it as a transaction of its own; all rows that it returns."""
        return database.rows(self._text, self._values(parameters))

    def _values(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        encoded = {name: encode(parameters[name]) for name, encode in self._encoders.items()}
        return {**parameters, **encoded}


def _literal(value: object) -> str:
    quoted: bytes = adapt(value).getquoted()
    return quoted.decode().replace("%", "%%")


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is to be inserted."""

    table: Table
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the rows that have these values in these columns, and meet the condition if there is one."""

    table: Table
    where: Mapping[str, Any]
    values: Mapping[str, Any]
    only: ColumnElement[bool] | None = None


Write = Row | Change
"""One thing that is to be written."""

Columns = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of columns, and of the parameters that are their values."""

RowsShape = tuple[Table, tuple[Columns, ...]]
"""A table, and the columns of each row that is inserted."""

ChangeShape = tuple[Table, Columns, Columns, ColumnElement[bool] | None]
"""A table, the columns written, the columns that its rows are found by, and its condition."""


class Parameters:
    """The parameters of a statement.

    What takes the driver longest to encode is its text already, from which PostgreSQL reads the same value, and one
    parameter if it stands in several columns. A status is none, but part of the statement: there are few.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def add(self, prefix: str, values: Mapping[str, Any]) -> Columns:
        """Add the values of these columns."""
        names = []
        for column, value in values.items():
            if type(value) in _STATES:
                names.append(value)
                continue
            name = f"{prefix}_{column}"
            if as_text := _AS_TEXT.get(type(value)):
                name = self._names.setdefault(id(value), name)
                if name not in self.values:
                    self.values[name] = as_text(value)
            else:
                self.values[name] = value
            names.append(name)
        return tuple(values), tuple(names)


_STATES: Final = frozenset({PaymentStatus, AttemptStatus, Action})
_AS_TEXT: Final[Mapping[type, Callable[[Any], str]]] = {datetime: datetime.isoformat, UUID: str}


def write(connection: Connection, writes: Sequence[Write]) -> None:
    """Several inserts and updates of different rows as one statement, for one round trip instead of many.

    PostgreSQL runs the parts of such a statement in any order. Rows of one table are one part of it, so that
    they are numbered in the order given.
    """
    if writes:
        statement, parameters = _statement_of(writes)
        statement.execute(connection, parameters)


def write_if_found(
    database: Database, query: Select[Any], key: Mapping[str, Any], writes: Sequence[Write]
) -> bool:
    """The same as a transaction of its own, if the query finds the row that it locks; whether it did.

    Raises:
        AssertionError: there is more than one row for a table, which would have to be numbered in their order.
    """
    statement, parameters = _statement_of(writes, query)
    return bool(statement.rows(database, {**parameters, **key}))


def _statement_of(
    writes: Sequence[Write], query: Select[Any] | None = None
) -> tuple[Compiled, Mapping[str, Any]]:
    parameters = Parameters()
    rows: dict[tuple[Table, tuple[str, ...]], list[Columns]] = {}
    changes: list[ChangeShape] = []
    for n, each in enumerate(writes):
        written = parameters.add(f"set{n}", each.values)
        if isinstance(each, Row):
            rows.setdefault((each.table, written[0]), []).append(written)
        else:
            changes.append((each.table, written, parameters.add(f"key{n}", each.where), each.only))
    inserted = tuple((table, tuple(columns)) for (table, _), columns in rows.items())
    return _statement(inserted, tuple(changes), query), parameters.values


@lru_cache(maxsize=500)
def _statement(
    inserted: tuple[RowsShape, ...], changed: tuple[ChangeShape, ...], query: Select[Any] | None
) -> Compiled:
    """The same shapes come again and again: their statement is made once, which is most of its cost."""
    found = None if query is None else query.cte("found")
    if found is not None and any(len(rows) > 1 for _, rows in inserted):
        raise AssertionError("rows of one table cannot depend on what is found")
    parts: list[Insert | Update] = [
        insert_if(found, table, rows[0])
        if found is not None
        else table.insert().values([parameters_of(table, columns) for columns in rows])
        for table, rows in inserted
    ]
    is_found = [] if found is None else [exists(select(literal_column("1")).select_from(found))]
    for table, written, keys, only in changed:
        keys_match = [table.c[name] == key for name, key in parameters_of(table, keys).items()]
        condition = [] if only is None else [only]
        parts.append(
            table.update().where(*keys_match, *condition, *is_found).values(parameters_of(table, written))
        )
    last_part = parts.pop() if found is None else select(found)
    return Compiled(last_part.add_cte(*(each.cte(f"write_{n}") for n, each in enumerate(parts))))


def insert_if(found: CTE, table: Table, columns: Columns) -> Insert:
    """The insert of a row for every row of `found`: one, or none."""
    values = parameters_of(table, columns)
    return table.insert().from_select(list(values), select(*values.values()).select_from(found))


def parameters_of(table: Table, columns: Columns) -> dict[str, BindParameter[Any]]:
    """A parameter for each of these columns."""
    return {
        name: bindparam(None, parameter, table.c[name].type)
        if type(parameter) in _STATES
        else bindparam(parameter, type_=table.c[name].type)
        for name, parameter in zip(*columns, strict=True)
    }
