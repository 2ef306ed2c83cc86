"""A refund whose charge still waits in a long queue is not refused: it waits as long as charges are queued."""

from collections.abc import Callable
from uuid import uuid4

from payment_worker.devstack.processes import Process
from tests.harness.producer import Producer
from tests.harness.rows import Rows

LOOKS = 6
"""More than a refund makes for a payment that nobody may be about to bring."""

QUICK = {"PAYMENT_WORKER_VISIBILITY_TIMEOUT": "16", "PAYMENT_WORKER_RESUME_EVERY": "1"}
"""A quarter of the timeout is the longest that a task waits for its next run."""


def test_a_refund_waits_while_charges_are_queued(
    worker: Callable[..., Process], beat: Callable[..., Process], producer: Producer, rows: Rows
) -> None:
    payment_id, refund_id = str(uuid4()), str(uuid4())
    producer.charge(
        payment_id=payment_id,
        order_id=str(uuid4()),
        amount=1099,
        currency="EUR",
        payment_method="pm_card_visa",
    )
    producer.refund(refund_id=refund_id, payment_id=payment_id, amount=99)
    refunding = worker(queues="refunds", settings=QUICK)
    refunding.wait_for_output(rf"(?s)(\"outcome\": \"retried\".*){{{LOOKS}}}", seconds=60)
    assert rows("SELECT * FROM rejected_request") == []
    worker(queues="charges,maintenance", settings=QUICK)
    # It may have looked while the charge was being made: such a refund is a row that waits, and no task.
    beat(settings=QUICK)
    rows.wait_for("SELECT 1 FROM refund WHERE refund_id = %s AND status = 'PROCESSED'", refund_id)
