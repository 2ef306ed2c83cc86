"""Whatever is heard, in whatever order and however often, the record ends the same, and never over-refunded."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payment_worker.domain.payment import Payment, PaymentStatus, PaymentTrigger
from payment_worker.domain.refund import RELEASED, Refund, RefundStatus, RefundTrigger
from payment_worker.domain.snapshots import Decline, PaymentIntentSnapshot, RefundSnapshot
from payment_worker.domain.transitions.payments import transition_payment
from payment_worker.domain.transitions.refunds import adopt_refund, transition_refund
from payment_worker.domain.transitions.verdicts import (
    Advanced,
    Contradicted,
    Contradiction,
    PaymentBehind,
    Stale,
    Unchanged,
)
from tests.harness.length import examples
from tests.unit.domain.builders import OURS, a_payment, a_snapshot

Snapshot = PaymentIntentSnapshot | RefundSnapshot

a_request = partial(a_payment, PaymentStatus.REQUESTED, stripe_payment_intent_id=None)
a_sight = partial(a_snapshot, stripe_charge_id="ch_1")


def a_refund_sight(number: int, amount: int, news: RefundTrigger) -> RefundSnapshot:
    return RefundSnapshot(
        stripe_refund_id=f"re_{number}",
        trigger=news,
        amount=amount,
        currency="EUR",
        stripe_payment_intent_id="pi_1",
        failure_reason="expired_or_canceled_card" if news is RefundTrigger.FAILED else None,
    )


def test_success_is_recorded_with_what_was_received() -> None:
    verdict = transition_payment(a_request(), a_sight(PaymentTrigger.SUCCEEDED))
    assert isinstance(verdict, Advanced)
    assert verdict.payment.status is PaymentStatus.SUCCEEDED
    assert verdict.payment.amount_captured == 1000
    assert verdict.payment.version == 2


def test_a_decline_publishes_the_catalogues_reason_beside_stripes_code() -> None:
    decline = Decline(error_code="card_declined", decline_code="insufficient_funds")
    verdict = transition_payment(a_request(), a_sight(PaymentTrigger.FAILED, decline=decline))
    assert isinstance(verdict, Advanced)
    assert (verdict.payment.failure_reason, verdict.payment.decline_code) == (
        "INSUFFICIENT_FUNDS",
        "insufficient_funds",
    )


def test_a_snapshot_that_may_be_older_than_our_record_is_fetched_again() -> None:
    overtaken = a_payment(PaymentStatus.PROCESSING, version=2)
    assert isinstance(transition_payment(overtaken, a_sight(PaymentTrigger.FAILED, as_of_version=1)), Stale)
    assert isinstance(
        transition_payment(overtaken, a_sight(PaymentTrigger.FAILED, as_of_version=None)), Stale
    )


def test_success_is_believed_however_old_the_snapshot_is() -> None:
    failed = a_payment(PaymentStatus.FAILED, version=5, failure_reason="CARD_DECLINED")
    verdict = transition_payment(failed, a_sight(PaymentTrigger.SUCCEEDED, as_of_version=None))
    assert isinstance(verdict, Advanced)
    assert verdict.payment.failure_reason is None


def test_another_amount_another_currency_or_another_intent_is_left_for_a_person() -> None:
    known = a_payment(PaymentStatus.REQUESTED)
    unknown = a_sight(PaymentTrigger.SUCCEEDED, amount=999)
    assert transition_payment(a_request(), unknown) == Contradicted(Contradiction.AMOUNT_DIFFERS)
    for seen, contradiction in (
        (a_sight(PaymentTrigger.SUCCEEDED, currency="USD"), Contradiction.CURRENCY_DIFFERS),
        (
            a_sight(PaymentTrigger.SUCCEEDED, stripe_payment_intent_id="pi_2"),
            Contradiction.ANOTHER_PAYMENT_INTENT,
        ),
    ):
        assert transition_payment(known, seen) == Contradicted(contradiction)


@pytest.mark.parametrize("shown", [{"amount": 1500, "amount_received": 1500}, {"amount_received": 1200}])
def test_more_than_was_asked_for_is_recorded_and_left_for_a_person(shown: dict[str, int]) -> None:
    known = a_payment(PaymentStatus.AUTHORIZED)
    verdict = transition_payment(known, a_sight(PaymentTrigger.SUCCEEDED, **shown))
    assert isinstance(verdict, Advanced)
    assert verdict.contradiction is Contradiction.AMOUNT_DIFFERS
    assert verdict.payment.status is PaymentStatus.SUCCEEDED
    assert verdict.payment.amount_captured == shown["amount_received"]


@pytest.mark.parametrize(
    ("ours", "trigger"),
    [
        (PaymentStatus.CANCELED, PaymentTrigger.SUCCEEDED),
        (PaymentStatus.SUCCEEDED, PaymentTrigger.CANCELED),
        (PaymentStatus.SUCCEEDED, PaymentTrigger.FAILED),
        (PaymentStatus.SUCCEEDED, None),
    ],
)
def test_another_state_than_one_that_is_never_left_is_left_for_a_person(
    ours: PaymentStatus, trigger: PaymentTrigger | None
) -> None:
    known = a_payment(ours)
    assert transition_payment(known, a_sight(trigger)) == Contradicted(Contradiction.STATUS_DIFFERS)


def test_a_refund_that_was_believed_never_made_and_exists_is_left_for_a_person() -> None:
    payment = a_payment()
    gone = Refund(
        refund_id=OURS,
        payment_id=OURS,
        version=2,
        status=RefundStatus.FAILED,
        amount=10,
        currency="EUR",
        failure_reason="never_executed_by_stripe",
    )
    verdict = transition_refund(payment, gone, a_refund_sight(1, 10, RefundTrigger.SUCCEEDED))
    assert verdict == Contradicted(Contradiction.EXISTS_AFTER_ALL)


@dataclass
class Books:
    """A payment and its refunds, settled the way the flows do it: what has no room yet is heard again later."""

    payment: Payment = field(default_factory=a_request)
    refunds: dict[str, Refund] = field(default_factory=dict)

    def hear(self, seen: PaymentIntentSnapshot | RefundSnapshot) -> bool:
        """Settle one piece of news; False if it must be heard again later."""
        if isinstance(seen, PaymentIntentSnapshot):
            return self._hear_payment(seen)
        if self.payment.status is not PaymentStatus.SUCCEEDED and seen.trigger is not RefundTrigger.FAILED:
            return False
        known = self.refunds.get(seen.stripe_refund_id)
        verdict = (
            transition_refund(self.payment, known, seen)
            if known
            else adopt_refund(self.payment, self._new(seen), seen)
        )
        match verdict:
            case Advanced(payment, refund):
                assert refund is not None
                self.payment, self.refunds[seen.stripe_refund_id] = payment, refund
            case PaymentBehind():
                return False
            case Contradicted():
                raise AssertionError(verdict)
            case Unchanged():
                pass
        self.check()
        return True

    def _hear_payment(self, seen: PaymentIntentSnapshot) -> bool:
        match transition_payment(self.payment, seen):
            case Advanced(payment):
                self.payment = payment
            case Stale():
                # The flows fetch it again then: Stripe shows how it ended.
                return self._hear_payment(
                    a_sight(PaymentTrigger.SUCCEEDED, as_of_version=self.payment.version)
                )
            case Contradicted() as verdict:
                raise AssertionError(verdict)
            case Unchanged():
                pass
        return True

    def _new(self, seen: RefundSnapshot) -> Refund:
        return Refund(
            refund_id=uuid5(OURS, seen.stripe_refund_id),
            payment_id=OURS,
            version=0,
            status=RefundStatus.REQUESTED,
            amount=seen.amount,
            currency="EUR",
        )

    def check(self) -> None:
        """What a CHECK holds in the database."""
        payment = self.payment
        assert 0 <= payment.amount_refunded <= payment.amount_refund_reserved <= payment.amount_captured
        held = sum(each.amount for each in self.refunds.values() if each.status not in RELEASED)
        assert payment.amount_refund_reserved == held

    def hear_all(self, news: Sequence[PaymentIntentSnapshot | RefundSnapshot]) -> None:
        waiting = list(news)
        while waiting:
            later = [seen for seen in waiting if not self.hear(seen)]
            assert len(later) < len(waiting), "news that never finds its place"
            waiting = later

    def facts(self) -> tuple[object, ...]:
        refunds = {
            name: (each.status, each.amount, each.failure_reason) for name, each in self.refunds.items()
        }
        return replace(self.payment, version=0), refunds


NEWS: list[Snapshot] = [
    a_sight(PaymentTrigger.STARTED, as_of_version=None),
    a_sight(PaymentTrigger.FAILED, as_of_version=None, decline=Decline(error_code="card_declined")),
    a_sight(PaymentTrigger.SUCCEEDED, as_of_version=None),
    a_refund_sight(1, 300, RefundTrigger.PENDED),
    a_refund_sight(1, 300, RefundTrigger.SUCCEEDED),
    a_refund_sight(2, 400, RefundTrigger.SUCCEEDED),
    # Failed days after it succeeded, and only then was there room for the fourth.
    a_refund_sight(3, 300, RefundTrigger.SUCCEEDED),
    a_refund_sight(3, 300, RefundTrigger.FAILED),
    a_refund_sight(4, 300, RefundTrigger.SUCCEEDED),
]


@settings(max_examples=examples(300, long=5000), deadline=None)
@given(order=st.permutations(NEWS), again=st.lists(st.sampled_from(NEWS), max_size=6), data=st.data())
def test_any_order_of_snapshots_with_repetitions_ends_in_the_same_record(
    order: list[Snapshot],
    again: list[Snapshot],
    data: st.DataObject,
) -> None:
    heard = list(order)
    for seen in again:
        heard.insert(data.draw(st.integers(0, len(heard))), seen)
    books, straight = Books(), Books()
    books.hear_all(heard)
    straight.hear_all(NEWS)
    assert books.facts() == straight.facts()
    assert books.payment.amount_refunded == 1000
