"""Combines inserts and updates of several tables into one SQL statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    ColumnElement,
    Connection,
    CursorResult,
    Insert,
    Table,
    Update,
    bindparam,
)
from sqlalchemy.dialects.postgresql import psycopg2

_DIALECT: Final = psycopg2.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's


class Compiled:
    """A statement that is text from then on: SQLAlchemy sets up one of its own in the time in which the driver runs it.

    For what returns a value or nothing: rows are told of in the driver's types.
    """

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self._text = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        encoders = {
            name: each.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
            for name, each in compiled.binds.items()
        }
        self._encoders = {name: encode for name, encode in encoders.items() if encode}

    def execute(self, connection: Connection, parameters: Mapping[str, Any]) -> CursorResult[Any]:
        """Run it with these values of its parameters."""
        values = {**self._fixed, **parameters}
        for name, encode in self._encoders.items():
            values[name] = encode(values[name])
        return connection.exec_driver_sql(self._text, values)


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
    if not writes:
        return
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
    )
    statement.execute(connection, parameters)


@lru_cache(maxsize=500)
def _statement(inserted: tuple[RowsShape, ...], changed: tuple[ChangeShape, ...]) -> Compiled:
    """The same shapes come again and again: their statement is made once, which is most of its cost."""
    numbers = count()
    parts: list[Insert | Update] = [
        table.insert().values([_parameters(f"row{next(numbers)}", table, columns) for _ in range(row_count)])
        for table, columns, row_count in inserted
    ]
    for n, (table, columns, keys, only) in enumerate(changed):
        keys_match = [table.c[name] == key for name, key in _parameters(f"key{n}", table, keys).items()]
        condition = [] if only is None else [only]
        parts.append(
            table.update().where(*keys_match, *condition).values(_parameters(f"set{n}", table, columns))
        )
    *other_parts, last_part = parts
    return Compiled(last_part.add_cte(*(each.cte(f"write_{n}") for n, each in enumerate(other_parts))))


def _parameters(prefix: str, table: Table, columns: Sequence[str]) -> dict[str, BindParameter[Any]]:
    return {name: bindparam(f"{prefix}_{name}", type_=table.c[name].type) for name in columns}
