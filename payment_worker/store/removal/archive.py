"""Archives the history of payments that are past their retention; the payments stay: see decision 5."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, exists, func, select, true

from payment_worker.domain.dispute import DisputeStatus
from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.refund import UNFINISHED as UNFINISHED_REFUNDS
from payment_worker.store import tables
from payment_worker.store.ledger import ledger_entries
from payment_worker.store.reconciliation.findings import FindingStatus

_PAYMENT: Final = tables.payment
_HISTORY: Final = tables.payment_history

OVER: Final = (PaymentStatus.SUCCEEDED, PaymentStatus.FAILED, PaymentStatus.CANCELED)
OPEN_DISPUTES: Final = (
    DisputeStatus.WARNING_NEEDS_RESPONSE,
    DisputeStatus.WARNING_UNDER_REVIEW,
    DisputeStatus.NEEDS_RESPONSE,
    DisputeStatus.UNDER_REVIEW,
    DisputeStatus.APPEAL_NEEDS_RESPONSE,
    DisputeStatus.APPEAL_UNDER_REVIEW,
)


@dataclass(frozen=True, slots=True)
class Oldest:
    """A stretch of history, from its oldest end on."""

    payment_ids: Collection[UUID]
    last: int | None
    """The place that it was read to; None where everything after it is younger."""


def oldest(connection: Connection, *, after: int, before: datetime, limit: int) -> Oldest:
    """Whose history is the oldest of what is still here: it was written in the order of its ids."""
    rows = connection.execute(
        select(_HISTORY.c.history_id, _HISTORY.c.payment_id, _HISTORY.c.recorded_at)
        .where(_HISTORY.c.history_id > after)
        .order_by(_HISTORY.c.history_id)
        .limit(limit)
    ).all()
    old = [row for row in rows if row.recorded_at < before]
    is_all_old = len(old) == len(rows) == limit
    return Oldest({row.payment_id for row in old}, rows[-1].history_id if is_all_old else None)


def lock_quiet(connection: Connection, payment_ids: Collection[UUID], *, before: datetime) -> Sequence[UUID]:
    """Lock those of these payments that are finished and unchanged since then.

    None that may still change by itself: no attempt without an outcome, no automatic retry, no pending refund, no open
    dispute, no unpublished message and no open finding. None whose money is not cleared in the ledger, or whose history
    is not posted there yet.
    """
    refund, dispute, attempt = tables.refund, tables.dispute, tables.payment_attempt
    outbox, finding = tables.outbox, tables.reconciliation_finding
    is_unposted = _HISTORY.c.history_id > ledger_entries.posted_until(connection)
    obstacles = [
        _exists_for_payment(_HISTORY, (_HISTORY.c.recorded_at >= before) | is_unposted),
        _exists_for_payment(attempt, attempt.c.finished_at.is_(None) | attempt.c.retry_at.is_not(None)),
        _exists_for_payment(refund, refund.c.status.in_(UNFINISHED_REFUNDS)),
        _exists_for_payment(dispute, dispute.c.status.in_(OPEN_DISPUTES)),
        _exists_for_payment(outbox, outbox.c.published_at.is_(None)),
        _exists_for_payment(finding, finding.c.status == FindingStatus.OPEN),
        _is_uncleared(_PAYMENT, _PAYMENT.c.stripe_payment_intent_id),
        _exists_for_payment(refund, _is_uncleared(refund, refund.c.stripe_refund_id)),
        _exists_for_payment(dispute, _is_uncleared(dispute, dispute.c.stripe_dispute_id)),
    ]
    query = (
        select(_PAYMENT.c.payment_id)
        .where(
            _PAYMENT.c.payment_id.in_(payment_ids),
            _PAYMENT.c.status.in_(OVER),
            _PAYMENT.c.updated_at < before,
            *(~each for each in obstacles),
        )
        .order_by(_PAYMENT.c.payment_id)
        .with_for_update(skip_locked=True, of=_PAYMENT)
    )
    return connection.execute(query).scalars().all()


def _exists_for_payment(table: Table, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a row of the payment meets the condition. Not EXISTS, which may read a partial index of all who do."""
    rows = select(func.bool_or(condition)).where(table.c.payment_id == _PAYMENT.c.payment_id)
    return rows.scalar_subquery().is_(true())


def _is_uncleared(table: Table, object_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether our records and Stripe's balance do not agree on an object of Stripe's."""
    uncleared = tables.ledger_uncleared.c
    is_same_object = (uncleared.object_id == object_id) & (
        uncleared.stripe_account == func.coalesce(_PAYMENT.c.stripe_account, "")
    )
    return exists(select(uncleared.object_id).where(is_same_object).correlate(_PAYMENT, table))


def archive(connection: Connection, payment_ids: Collection[UUID]) -> None:
    """Move the attempts and the history of these payments, and clear the texts that their customers provided.

    The requests to Stripe stay readable in the archived attempts.
    """
    _move_rows(connection, tables.payment_attempt, tables.payment_attempt_archive, payment_ids)
    _move_rows(connection, tables.payment_history, tables.payment_history_archive, payment_ids)
    connection.execute(
        _PAYMENT.update()
        .where(_PAYMENT.c.payment_id.in_(payment_ids))
        .values(metadata={}, description=None, statement_descriptor_suffix=None)
    )
    connection.execute(
        tables.refund.update()
        .where(tables.refund.c.payment_id.in_(payment_ids))
        .values(requested_by=None, note=None)
    )


def _move_rows(connection: Connection, table: Table, archive: Table, payment_ids: Collection[UUID]) -> None:
    """Copy first: history may be deleted only if it is in its archive."""
    condition = table.c.payment_id.in_(payment_ids)
    names = [column.name for column in table.columns]
    connection.execute(archive.insert().from_select(names, select(*table.columns).where(condition)))
    connection.execute(table.delete().where(condition))
