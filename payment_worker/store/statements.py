"""Combines inserts and updates of several tables into one SQL statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
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


Write = Row | Change | Update
"""One thing that is to be written."""

Shape = tuple[Table, tuple[str, ...], tuple[str, ...] | None, ColumnElement[bool] | None]
"""Table, columns written, and for a change the columns it is found by and its condition."""


def write(connection: Connection, writes: Sequence[Write]) -> None:
    """Several inserts and updates of different rows as one statement, for one round trip instead of many.

    PostgreSQL runs the parts of such a statement in any order. Rows of one table are one part of it, so that
    they are numbered in the order given.
    """
    tables = [each.table for each in writes if isinstance(each, Row)]
    if len(tables) == len(set(tables)) and not any(isinstance(each, Update) for each in writes):
        _write_cached(connection, [each for each in writes if not isinstance(each, Update)])
    else:
        _write_built(connection, writes)


def _write_cached(connection: Connection, writes: Sequence[Row | Change]) -> None:
    """The same shapes come again and again: their statement is made once, which is most of its cost."""
    if not writes:
        return
    parameters: dict[str, Any] = {}
    for n, each in enumerate(writes):
        parameters |= {f"set{n}_{name}": value for name, value in each.values.items()}
        if isinstance(each, Change):
            parameters |= {f"key{n}_{name}": value for name, value in each.where.items()}
    _statement(tuple(map(_shape, writes))).execute(connection, parameters)


def _shape(each: Row | Change) -> Shape:
    if isinstance(each, Row):
        return each.table, tuple(each.values), None, None
    return each.table, tuple(each.values), tuple(each.where), each.only


@lru_cache(maxsize=500)
def _statement(shapes: tuple[Shape, ...]) -> Compiled:
    *others, last = (_part(n, shape) for n, shape in enumerate(shapes))
    return Compiled(last.add_cte(*(each.cte(f"write_{n}") for n, each in enumerate(others))))


def _part(n: int, shape: Shape) -> Insert | Update:
    table, written, keys, only = shape
    values = {name: bindparam(f"set{n}_{name}", type_=table.c[name].type) for name in written}
    if keys is None:
        return table.insert().values(values)
    found = [table.c[name] == bindparam(f"key{n}_{name}", type_=table.c[name].type) for name in keys]
    return table.update().where(*found, *([] if only is None else [only])).values(values)


def _write_built(connection: Connection, writes: Sequence[Write]) -> None:
    rows: dict[tuple[Table, tuple[str, ...]], list[dict[str, Any]]] = {}
    for each in writes:
        if isinstance(each, Row):
            rows.setdefault((each.table, tuple(each.values)), []).append(dict(each.values))
    statements: list[Insert | Update] = [
        # SQLAlchemy does not cache multi-part statements, so a single write is not made one.
        table.insert().values(many if len(many) > 1 else many[0])
        for (table, _), many in rows.items()
    ]
    statements += [
        each if isinstance(each, Update) else _update(each) for each in writes if not isinstance(each, Row)
    ]
    if statements:
        *others, last = statements
        connection.execute(last.add_cte(*(each.cte(f"write_{n}") for n, each in enumerate(others))))


def _update(change: Change) -> Update:
    found = [change.table.c[name] == value for name, value in change.where.items()]
    condition = [] if change.only is None else [change.only]
    return change.table.update().where(*found, *condition).values(dict(change.values))
