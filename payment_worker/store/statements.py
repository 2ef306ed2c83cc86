"""Combines inserts and updates of several tables into one SQL statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from typing import Any, Final

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

from payment_worker.store.connection.database import Database

_DIALECT: Final = psycopg2.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's


class Compiled:
    """A statement that is text from then on: SQLAlchemy sets up one of its own in the time in which the driver runs it.

    Its rows are in the driver's types: an enumeration is its text.
    """

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self._text = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        encoders = {
            name: each.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
            for each, name in compiled.bind_names.items()
        }
        self._encoders = {name: encode for name, encode in encoders.items() if encode}

    def execute(self, connection: Connection, parameters: Mapping[str, Any]) -> CursorResult[Any]:
        """Run it in a transaction with these values of its parameters."""
        return connection.exec_driver_sql(self._text, self._values(parameters))

    def run(self, database: Database, parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Run it as a transaction of its own; the first row that it returns, if there is one."""
        return database.run(self._text, self._values(parameters))

    def _values(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        values = {**self._fixed, **parameters}
        for name, encode in self._encoders.items():
            values[name] = encode(values[name])
        return values


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

RowsShape = tuple[Table, tuple[str, ...], int]
"""Table, columns written, and how many rows."""

ChangeShape = tuple[Table, tuple[str, ...], tuple[str, ...], ColumnElement[bool] | None]
"""Table, columns written, the columns that its rows are found by, and its condition."""


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
    return statement.run(database, {**parameters, **key}) is not None


def _statement_of(
    writes: Sequence[Write], query: Select[Any] | None = None
) -> tuple[Compiled, Mapping[str, Any]]:
    rows: dict[tuple[Table, tuple[str, ...]], list[Mapping[str, Any]]] = {}
    for each in writes:
        if isinstance(each, Row):
            rows.setdefault((each.table, tuple(each.values)), []).append(each.values)
    changes = [each for each in writes if isinstance(each, Change)]
    parameters: dict[str, Any] = {}
    for n, values in enumerate(chain.from_iterable(rows.values())):
        parameters |= {f"row{n}_{name}": value for name, value in values.items()}
    for n, change in enumerate(changes):
        parameters |= {f"set{n}_{name}": value for name, value in change.values.items()}
        parameters |= {f"key{n}_{name}": value for name, value in change.where.items()}
    statement = _statement(
        tuple((table, columns, len(rows_of_table)) for (table, columns), rows_of_table in rows.items()),
        tuple((each.table, tuple(each.values), tuple(each.where), each.only) for each in changes),
        query,
    )
    return statement, parameters


@lru_cache(maxsize=500)
def _statement(
    inserted: tuple[RowsShape, ...], changed: tuple[ChangeShape, ...], query: Select[Any] | None
) -> Compiled:
    """The same shapes come again and again: their statement is made once, which is most of its cost."""
    found = None if query is None else query.cte("found")
    numbers = count()
    if found is not None and any(row_count > 1 for *_, row_count in inserted):
        raise AssertionError("rows of one table cannot depend on what is found")
    parts: list[Insert | Update] = [
        insert_if(found, table, columns, f"row{next(numbers)}")
        if found is not None
        else table.insert().values(
            [parameters_of(f"row{next(numbers)}", table, columns) for _ in range(row_count)]
        )
        for table, columns, row_count in inserted
    ]
    is_found = [] if found is None else [exists(select(literal_column("1")).select_from(found))]
    for n, (table, columns, keys, only) in enumerate(changed):
        keys_match = [table.c[name] == key for name, key in parameters_of(f"key{n}", table, keys).items()]
        condition = [] if only is None else [only]
        parts.append(
            table.update()
            .where(*keys_match, *condition, *is_found)
            .values(parameters_of(f"set{n}", table, columns))
        )
    last_part = parts.pop() if found is None else select(found)
    return Compiled(last_part.add_cte(*(each.cte(f"write_{n}") for n, each in enumerate(parts))))


def insert_if(found: CTE, table: Table, columns: Sequence[str], prefix: str) -> Insert:
    """The insert of a row for every row of `found`: one, or none."""
    values = parameters_of(prefix, table, columns).values()
    return table.insert().from_select(list(columns), select(*values).select_from(found))


def parameters_of(prefix: str, table: Table, columns: Sequence[str]) -> dict[str, BindParameter[Any]]:
    """A parameter for each of these columns, named after it."""
    return {name: bindparam(f"{prefix}_{name}", type_=table.c[name].type) for name in columns}
