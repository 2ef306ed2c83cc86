"""Rows of `stripe_event`: inserted once, claimed under a lease, processed, ignored or parked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    DateTime,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from payment_worker.store import tables
from payment_worker.store.connection.database import Database
from payment_worker.store.statements import Change, Compiled

table: Final = tables.stripe_event


class EventStatus(StrEnum):
    """The status of an event."""

    RECEIVED = "RECEIVED"
    PROCESSED = "PROCESSED"
    IGNORED = "IGNORED"
    PARKED = "PARKED"


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event that is processed by itself: what `payment_worker.process_event` is given."""

    stripe_account: str
    event_id: str
    lease_token: int


def key_in(payload: Mapping[str, Any]) -> str | None:
    """The idempotency key of the request that caused an event; None if Stripe or the dashboard did."""
    request = payload.get("request")
    key = request.get("idempotency_key") if isinstance(request, Mapping) else None
    return key if isinstance(key, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEvent:
    """An event as its owner holds it."""

    stripe_account: str
    event_id: str
    type: str
    api_version: str | None
    livemode: bool
    payload: Mapping[str, Any]
    tries: int
    lease_token: int

    @property
    def idempotency_key(self) -> str | None:
        """That of the request which caused it, if one did."""
        return key_in(self.payload)

    @property
    def handed_out(self) -> DueEvent:
        """It, for somebody else to process by itself."""
        return DueEvent(self.stripe_account, self.event_id, self.lease_token)


COLUMNS: Final = [table.c[name] for name in InboxEvent.__slots__]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An event as it came in."""

    event: InboxEvent
    payload: str | None
    """Its payload as JSON, where it came as a text that can be stored as it is."""
    object_id: str | None
    created_at: datetime


_ARRIVALS: Final = (
    func.unnest(
        bindparam("accounts", type_=ARRAY(Text)),
        bindparam("event_ids", type_=ARRAY(Text)),
        bindparam("types", type_=ARRAY(Text)),
        bindparam("versions", type_=ARRAY(Text)),
        bindparam("livemodes", type_=ARRAY(Boolean)),
        bindparam("objects", type_=ARRAY(Text)),
        bindparam("payloads", type_=ARRAY(Text)),
        bindparam("created", type_=ARRAY(DateTime(timezone=True))),
    )
    .table_valued(
        *("account", "id", "type", "version", "livemode", "object", "payload", "created"), name="arrivals"
    )
    .render_derived()
)
_KEPT: Final[Mapping[str, ColumnElement[Any]]] = {
    "stripe_account": _ARRIVALS.c.account,
    "event_id": _ARRIVALS.c.id,
    "type": _ARRIVALS.c.type,
    "api_version": _ARRIVALS.c.version,
    "livemode": _ARRIVALS.c.livemode,
    "object_id": _ARRIVALS.c.object,
    "payload": cast(_ARRIVALS.c.payload, JSONB),
    "status": literal(EventStatus.RECEIVED.value),
    "source": bindparam("source", type_=Text),
    "next_action_at": bindparam("now", type_=DateTime(timezone=True)),
    "created_at": _ARRIVALS.c.created,
    "received_at": bindparam("now", type_=DateTime(timezone=True)),
}
_KEEP: Final = Compiled(
    insert(table)
    .from_select(list(_KEPT), select(*_KEPT.values()))
    .on_conflict_do_nothing()
    .returning(table.c.stripe_account, table.c.event_id)
)


def keep(
    connection: Connection, arrivals: Sequence[Arrival], *, source: str, now: datetime
) -> set[tuple[str, str]]:
    """Store events in one statement: new, and due at once.

    Returns:
        Account and id of the new ones. The others exist already, leased or finished.
    """
    if not arrivals:
        return set()
    rows = _KEEP.execute(connection, _parameters_of(arrivals, source, now))
    return {(row.stripe_account, row.event_id) for row in rows}


def keep_alone(
    database: Database, arrivals: Sequence[Arrival], *, source: str, now: datetime
) -> set[tuple[str, str]]:
    """The same as a transaction of its own."""
    rows = _KEEP.rows(database, _parameters_of(arrivals, source, now))
    return {(stripe_account, event_id) for stripe_account, event_id in rows}


def _parameters_of(arrivals: Sequence[Arrival], source: str, now: datetime) -> Mapping[str, Any]:
    # In a fixed order, so that two processes that store the same events do not deadlock.
    sorted_arrivals = sorted(arrivals, key=lambda each: (each.event.stripe_account, each.event.event_id))
    events = [each.event for each in sorted_arrivals]
    return {
        "accounts": [event.stripe_account for event in events],
        "event_ids": [event.event_id for event in events],
        "types": [event.type for event in events],
        "versions": [event.api_version for event in events],
        "livemodes": [event.livemode for event in events],
        "objects": [each.object_id for each in sorted_arrivals],
        "payloads": [each.payload or json.dumps(dict(each.event.payload)) for each in sorted_arrivals],
        "created": [each.created_at for each in sorted_arrivals],
        "source": source,
        "now": now,
    }


def owned(
    connection: Connection, *, stripe_account: str, event_id: str, lease_token: int
) -> tuple[InboxEvent, datetime] | None:
    """The event and when it was received, if it waits and this token still owns it."""
    row = (
        connection.execute(
            select(*COLUMNS, table.c.received_at).where(
                table.c.stripe_account == stripe_account,
                table.c.event_id == event_id,
                table.c.lease_token == lease_token,
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    return InboxEvent(**{column.name: row[column] for column in COLUMNS}), row["received_at"]


NEW: Final = 0
"""The lease token of an event that nobody has held yet."""

KEY: Final = tuple_(table.c.stripe_account, table.c.event_id)


def _due(*, is_new: bool) -> Select[tuple[str, str]]:
    """Up to `limit` events that are due `now`, which are parameters, the oldest first."""
    # `lease_token = 0 IS true` looks odd; as `lease_token > 0` the other half would not be found by the index.
    return (
        select(table.c.stripe_account, table.c.event_id)
        .where(
            table.c.status == EventStatus.RECEIVED,
            (table.c.lease_token == literal_column(str(NEW))).is_(is_new),
            table.c.next_action_at <= bindparam("now", type_=DateTime(timezone=True)),
        )
        .order_by(table.c.next_action_at)
        .limit(bindparam("limit", type_=Integer))
    )


_CLAIM_NEW: Final = Compiled(
    table.update()
    .where(KEY.in_(_due(is_new=True).with_for_update(skip_locked=True)))
    .values(next_action_at=bindparam("leased_until", type_=DateTime(timezone=True)), lease_token=NEW + 1)
    .returning(*COLUMNS)
)


def status_of(connection: Connection, *, stripe_account: str, event_id: str) -> EventStatus | None:
    """The status of an event; None if it is unknown."""
    query = select(table.c.status).where(
        table.c.stripe_account == stripe_account, table.c.event_id == event_id
    )
    status = connection.scalar(query)
    return EventStatus(status) if status else None


def has_new(connection: Connection, *, now: datetime) -> bool:
    """Whether events wait that nobody has held yet."""
    return connection.execute(_due(is_new=True), {"now": now, "limit": 1}).first() is not None


def claim_new(
    database: Database, *, now: datetime, leased_until: datetime, limit: int
) -> Sequence[InboxEvent]:
    """Lease events that nobody has held yet, the oldest first: those are processed together. A transaction of its own.

    One that ends its worker so is found by `claim_due`, with those that were claimed beside it, and ends it alone.
    """
    parameters = {"now": now, "leased_until": leased_until, "limit": limit}
    rows = _CLAIM_NEW.rows(database, parameters)
    return [InboxEvent(**dict(zip(InboxEvent.__slots__, row, strict=True))) for row in rows]


def claim_due(
    connection: Connection, *, now: datetime, leased_until: datetime, limit: int
) -> Sequence[DueEvent]:
    """Events that are due again, or whose owner's lease has ended.

    The token stays: where messages wait longer than the lease, an event is given out again, and whichever
    message is read first is still good. Processing it twice at once does no harm.
    """
    claim = (
        table.update()
        .where(KEY.in_(_due(is_new=False).with_for_update(skip_locked=True)))
        .values(next_action_at=leased_until)
        .returning(*(table.c[name] for name in DueEvent.__slots__))
    )
    rows = connection.execute(claim, {"now": now, "limit": limit})
    return [DueEvent(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of processing an event."""

    event: InboxEvent
    status: EventStatus
    outcome: str


_ENDS: Final = (
    func.unnest(
        bindparam("accounts", type_=ARRAY(Text)),
        bindparam("event_ids", type_=ARRAY(Text)),
        bindparam("tokens", type_=ARRAY(BigInteger)),
        bindparam("statuses", type_=ARRAY(Text)),
        bindparam("outcomes", type_=ARRAY(Text)),
    )
    .table_valued("account", "id", "token", "status", "outcome", name="ends")
    .render_derived()
)
_FINISH: Final = Compiled(
    update(table)
    .where(
        table.c.stripe_account == _ENDS.c.account,
        table.c.event_id == _ENDS.c.id,
        table.c.lease_token == _ENDS.c.token,
    )
    .values(
        status=_ENDS.c.status,
        outcome=_ENDS.c.outcome,
        tries=table.c.tries + 1,
        lease_token=table.c.lease_token + 1,
        next_action_at=null(),
        finished_at=bindparam("now", type_=DateTime(timezone=True)),
    )
)


def finish(connection: Connection, ended: Sequence[Ended], *, now: datetime) -> None:
    """End the wait of many events with one statement; of those, that is, that their owner still holds."""
    events = [each.event for each in ended]
    parameters = {
        "accounts": [event.stripe_account for event in events],
        "event_ids": [event.event_id for event in events],
        "tokens": [event.lease_token for event in events],
        "statuses": [str(each.status) for each in ended],
        "outcomes": [str(each.outcome) for each in ended],
        "now": now,
    }
    _FINISH.execute(connection, parameters)


def begun(event: InboxEvent) -> Change:
    """The change that counts a try when it begins, for its owner may not live to count it."""
    return _changed(event, tries=event.tries + 1)


def finished(event: InboxEvent, *, status: EventStatus, outcome: str, now: datetime) -> Change:
    """The change that ends an event's wait, or parks it. Messages about it before are void."""
    return _changed(
        event,
        status=status,
        outcome=outcome,
        tries=event.tries + 1,
        lease_token=event.lease_token + 1,
        next_action_at=None,
        finished_at=now,
    )


def reschedule(event: InboxEvent, *, outcome: str, tries: int, next_action_at: datetime) -> Change:
    """The change that reschedules an event. Earlier task messages become void."""
    return _changed(
        event,
        outcome=outcome,
        tries=tries,
        lease_token=event.lease_token + 1,
        next_action_at=next_action_at,
    )


def _changed(event: InboxEvent, **values: object) -> Change:
    key = {
        "stripe_account": event.stripe_account,
        "event_id": event.event_id,
        # It also implies that the event waits: finishing it increments the token. With the status PostgreSQL would
        # walk the index of all waiting ones, which it estimates to be empty until the next ANALYZE.
        "lease_token": event.lease_token,
    }
    return Change(table, key, values)
