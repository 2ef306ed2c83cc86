"""Every state that is not final has a deadline, and whoever meets it is told what to do (S2)."""

from datetime import timedelta

from payment_worker.cli.doctor.backlog import REMEDIES
from payment_worker.domain.deadlines import PAYMENT_DEADLINES, REFUND_DEADLINES
from payment_worker.domain.payment import PaymentStatus
from payment_worker.domain.refund import RefundStatus

ENDS_OF_PAYMENTS = {PaymentStatus.SUCCEEDED, PaymentStatus.FAILED, PaymentStatus.CANCELED}
ENDS_OF_REFUNDS = {RefundStatus.PROCESSED, RefundStatus.FAILED, RefundStatus.CANCELED}


def test_every_state_that_a_payment_or_a_refund_may_leave_has_a_deadline() -> None:
    assert set(PAYMENT_DEADLINES) == set(PaymentStatus) - ENDS_OF_PAYMENTS
    assert set(REFUND_DEADLINES) == set(RefundStatus) - ENDS_OF_REFUNDS
    assert all(
        timedelta() < patience for patience in [*PAYMENT_DEADLINES.values(), *REFUND_DEADLINES.values()]
    )


def test_every_deadline_has_its_remedy() -> None:
    payments = {("payment", str(status)) for status in PAYMENT_DEADLINES}
    refunds = {("refund", str(status)) for status in REFUND_DEADLINES}
    assert set(REMEDIES) == payments | refunds
