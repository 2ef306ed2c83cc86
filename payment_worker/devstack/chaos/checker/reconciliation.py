"""Runs the worker's own reconciliation over a finished chaos run: it must report no findings."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, text

from payment_worker.devstack.chaos.checker.records import Records
from payment_worker.devstack.waiting import wait_until

_TIMEOUT_SECONDS: Final = 120.0
_TIMEOUT_PER_PAYMENT_SECONDS: Final = 0.02
_MARGIN: Final = timedelta(minutes=10)
"""More than the clocks were apart."""

_FINISHED = text("SELECT * FROM reconciliation_run WHERE status = 'FINISHED' AND NOT is_scheduled")
_FINDINGS = text(
    "SELECT kind, object_id, payment_id::text, status FROM reconciliation_finding"
    " WHERE status = 'OPEN' OR run_id = :run_id ORDER BY finding_id"
)


def findings(
    database: Engine,
    *,
    send: Callable[..., None],
    since: datetime,
    payments: int,
    records: Records,
    cleared: Collection[str],
) -> tuple[str, list[str]]:
    """Reconcile everything since then. Returns a summary of what was compared, and a line for each finding.

    Of what a forger made, a line for each PaymentIntent that was not found: of all others each finding is wrong. Only
    what was `cleared` of its MAC may have been found before our record had its id, which closes the finding.
    """
    until = datetime.now(tz=UTC)
    send("payment_worker.reconcile", since=(since - _MARGIN).isoformat(), until=until.isoformat())
    timeout = _TIMEOUT_SECONDS + _TIMEOUT_PER_PAYMENT_SECONDS * payments

    def finished() -> Any:  # noqa: ANN401 a row has no type of its own
        with database.connect() as connection:
            return connection.execute(_FINISHED).mappings().first()

    run = wait_until(finished, seconds=timeout, what="a finished reconciliation", every_seconds=0.1)
    with database.connect() as connection:
        found = connection.execute(_FINDINGS, {"run_id": run["run_id"]}).mappings().all()
    compared = f"{run['payments']} payments, {run['refunds']} refunds, {run['disputes']} disputes reconciled"
    wrong = [
        f"{row['kind']} {row['object_id']} of {row['payment_id']} {row['status']}"
        for row in found
        if row["object_id"] not in records.forged | records.forged_refunds
        and not (row["object_id"] in cleared and row["status"] == "CLOSED")
    ]
    unseen = records.forged - {row["object_id"] for row in found}
    return compared, [*wrong, *(f"{each} was made by a forger and not found" for each in sorted(unseen))]
