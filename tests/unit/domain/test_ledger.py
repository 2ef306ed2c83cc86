"""Every entry of the ledger sums to zero in each currency, and what Stripe did clears what we expected."""

import inspect
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import get_args
from uuid import UUID

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from payment_worker.domain.balance_transaction import BalanceTransaction, Source
from payment_worker.domain.dispute import DisputeStatus
from payment_worker.domain.ledger import balance_transactions, payouts, records
from payment_worker.domain.ledger.balance_transactions import is_unexplained, post_transaction, reclassify
from payment_worker.domain.ledger.double_entry import EntryKind, LedgerAccount, Posting
from payment_worker.domain.ledger.payouts import Payout, PayoutStatus, post_opening, post_payout
from payment_worker.domain.ledger.records import RecordChange, post_change
from payment_worker.domain.payment import CAPTURING, PaymentStatus
from payment_worker.domain.refund import RefundStatus

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PAYMENT, REFUND = UUID(int=1), UUID(int=2)
KNOWN = (
    balance_transactions.CUSTOMER_TYPES,
    balance_transactions.FEE_TYPES,
    balance_transactions.PAYOUT_TYPES,
    balance_transactions.OTHER_TYPES,
    {balance_transactions.ADJUSTMENT},
)

AMOUNTS = st.integers(-(10**12), 10**12)
CURRENCIES = st.sampled_from(["EUR", "USD", "JPY"])
TYPES = st.sampled_from(sorted({each for group in KNOWN for each in group} | {"of_next_year"}))
SOURCES = (
    st.builds(Source, object_id=st.just("pi_1"), amount=st.integers(0, 10**12), currency=CURRENCIES)
    | st.none()
)


def a_transaction(**differing: object) -> BalanceTransaction:
    """A charge of 10.00 euros, of which Stripe keeps 59 cents."""
    charge = BalanceTransaction(
        stripe_balance_transaction_id="txn_1",
        type="charge",
        status="pending",
        amount=1000,
        fee=59,
        net=941,
        currency="EUR",
        source_id="ch_1",
        source=Source(object_id="pi_1", amount=1000, currency="EUR"),
        available_on=NOON,
        created_at=NOON,
    )
    return replace(charge, **differing)  # type: ignore[arg-type] # fields of its own


def a_change(from_status: str | None, to_status: str, **differing: object) -> RecordChange:
    """A step of a payment of 10.00 euros."""
    step = RecordChange(
        history_id=1,
        payment_id=PAYMENT,
        from_status=from_status,
        to_status=to_status,
        object_id="pi_1",
        amount=1000,
        currency="EUR",
        stripe_account="",
        recorded_at=NOON,
    )
    return replace(step, **differing)  # type: ignore[arg-type] # fields of its own


def a_payout(**differing: object) -> Payout:
    sent = Payout(
        stripe_payout_id="po_1",
        amount=941,
        currency="EUR",
        status=PayoutStatus.PAID,
        is_automatic=True,
        is_itemizable=True,
        arrival_date=date(2026, 11, 24),
        created_at=NOON,
    )
    return replace(sent, **differing)  # type: ignore[arg-type] # fields of its own


def sums(postings: Iterable[Posting]) -> dict[str, int]:
    """What is left in each currency."""
    left: Counter[str] = Counter()
    for posting in postings:
        left[posting.currency] += posting.amount
    return {currency: amount for currency, amount in left.items() if amount}


def of(account: LedgerAccount, postings: Iterable[Posting]) -> dict[str, int]:
    """What these post on an account."""
    return sums(posting for posting in postings if posting.ledger_account is account)


@given(
    type_=TYPES,
    amount=AMOUNTS,
    fee=AMOUNTS,
    net=AMOUNTS,
    currency=CURRENCIES,
    source=SOURCES,
    old=st.booleans(),
)
def test_whatever_stripe_says_an_entry_sums_to_zero_in_each_currency(
    *, type_: str, amount: int, fee: int, net: int, currency: str, source: Source | None, old: bool
) -> None:
    said = a_transaction(type=type_, amount=amount, fee=fee, net=net, currency=currency, source=source)
    postings = post_transaction(said, is_in_opening=old)
    balance = LedgerAccount.OPENING_BALANCE if old else LedgerAccount.STRIPE_BALANCE
    assert sums(postings) == {}
    assert of(balance, postings) == ({currency: net} if net else {})


@given(
    before=st.booleans(),
    after=st.booleans(),
    was=TYPES,
    amount=AMOUNTS,
    currency=CURRENCIES,
    source=SOURCES,
)
def test_what_is_reclassified_comes_to_what_it_would_be_posted_as_now(
    *, before: bool, after: bool, was: str, amount: int, currency: str, source: Source | None
) -> None:
    said = a_transaction(amount=amount, net=amount - 59, currency=currency, source=source)
    posted = post_transaction(replace(said, type=was), is_ours=before)
    placed = post_transaction(said, is_ours=after)
    changed = reclassify(posted, placed)
    assert sums(changed) == {}
    assert reclassify((*posted, *changed), placed) == ()
    assert of(LedgerAccount.STRIPE_BALANCE, changed) == {}


@pytest.mark.parametrize("type_", ["charge", "refund", "adjustment"])
def test_what_another_app_moved_is_another_movement_under_its_own_id(type_: str) -> None:
    said = a_transaction(type=type_)
    (other,) = [each for each in post_transaction(said, is_ours=False) if each.object_id]
    assert (other.ledger_account, other.amount, other.object_id) == ("other_movements", -1000, "pi_1")


def test_every_type_that_the_pinned_api_version_has_is_placed_once() -> None:
    named = get_args(get_args(stripe.BalanceTransaction.__annotations__["type"])[0])
    assert len(named) > 50
    assert set(named) == {each for group in KNOWN for each in group}
    assert sum(map(len, KNOWN)) == len(named)
    assert [each for each in named if is_unexplained(post_transaction(a_transaction(type=each)))] == []


def test_a_type_of_tomorrow_is_kept_in_suspense() -> None:
    said = a_transaction(type="of_next_year", source=None, fee=0, net=1000)
    postings = post_transaction(said)
    assert is_unexplained(postings)
    assert of(LedgerAccount.UNEXPLAINED, postings) == {"EUR": -1000}
    assert [each.object_id for each in postings] == [None, "txn_1"]


def test_a_charge_clears_the_payment_that_succeeded() -> None:
    postings = [*post_change(a_change("PROCESSING", "SUCCEEDED")), *post_transaction(a_transaction())]
    assert of(LedgerAccount.CUSTOMERS, postings) == {}
    assert {posting.object_id for posting in postings} == {"pi_1", None}
    assert of(LedgerAccount.FEES, postings) == {"EUR": 59}
    assert of(LedgerAccount.SALES, postings) == {"EUR": -1000}


def test_a_charge_that_settles_in_another_currency_balances_in_both() -> None:
    paid = Source(object_id="pi_1", amount=1000, currency="EUR")
    said = a_transaction(
        amount=1103, fee=62, net=1041, currency="USD", exchange_rate=Decimal("1.103"), source=paid
    )
    postings = [*post_change(a_change(None, "SUCCEEDED")), *post_transaction(said)]
    assert of(LedgerAccount.CUSTOMERS, postings) == {}
    assert of(LedgerAccount.CURRENCY_EXCHANGE, postings) == {"EUR": 1000, "USD": -1103}
    assert of(LedgerAccount.STRIPE_BALANCE, postings) == {"USD": 1041}


@pytest.mark.parametrize("source", [None, Source(object_id="re_1", amount=300, currency="EUR")])
def test_a_refund_whose_source_is_not_shown_is_never_guessed(source: Source | None) -> None:
    said = a_transaction(type="refund", amount=-300, fee=0, net=-300, source=source)
    assert is_unexplained(post_transaction(said)) is (source is None)
    account = LedgerAccount.CUSTOMERS if source else LedgerAccount.UNEXPLAINED
    assert of(account, post_transaction(said)) == {"EUR": 300}


@given(st.lists(st.sampled_from(RefundStatus), min_size=1))
def test_a_refund_is_owed_exactly_while_it_is_on_its_way_or_done(path: list[RefundStatus]) -> None:
    steps = [None, *path]
    postings = [
        posting
        for before, after in pairwise(steps)
        for posting in post_change(
            a_change(before, str(after), refund_id=REFUND, amount=300, object_id="re_1")
        )
    ]
    is_owed = path[-1] in {RefundStatus.PENDING, RefundStatus.PROCESSED}
    assert of(LedgerAccount.REFUNDS, postings) == ({"EUR": 300} if is_owed else {})
    assert of(LedgerAccount.CUSTOMERS, postings) == ({"EUR": -300} if is_owed else {})


@given(st.lists(st.sampled_from(DisputeStatus), min_size=1))
def test_a_dispute_holds_the_money_exactly_while_the_bank_does(path: list[DisputeStatus]) -> None:
    steps = [None, *path]
    postings = [
        posting
        for before, after in pairwise(steps)
        for posting in post_change(a_change(before, str(after), stripe_dispute_id="du_1", object_id="du_1"))
    ]
    gives_back = {DisputeStatus.WON, DisputeStatus.PREVENTED}
    is_held = path[-1] not in gives_back and not path[-1].startswith("WARNING")
    assert of(LedgerAccount.DISPUTES, postings) == ({"EUR": 1000} if is_held else {})


@pytest.mark.parametrize("status", sorted(set(PaymentStatus) - CAPTURING))
def test_only_a_payment_that_may_be_captured_moves_money(status: str) -> None:
    assert post_change(a_change(None, status)) == ()


def test_a_dispute_takes_the_amount_and_its_fee() -> None:
    source = Source(object_id="du_1", amount=1000, currency="EUR")
    said = a_transaction(type="adjustment", amount=-1000, fee=1500, net=-2500, source=source)
    assert of(LedgerAccount.CUSTOMERS, post_transaction(said)) == {"EUR": 1000}
    assert of(LedgerAccount.FEES, post_transaction(said)) == {"EUR": 1500}


def test_an_adjustment_of_something_else_is_another_movement() -> None:
    said = a_transaction(type="adjustment", source=None, fee=0, net=1000)
    assert not is_unexplained(post_transaction(said))
    assert of(LedgerAccount.OTHER_MOVEMENTS, post_transaction(said)) == {"EUR": -1000}


def test_a_payout_is_in_transit_until_the_bank_has_it_and_when_it_comes_back_is_ours_again() -> None:
    sent = a_transaction(type="payout", amount=-941, fee=0, net=-941, source=None)
    postings = [*post_transaction(sent)]
    assert of(LedgerAccount.PAYOUTS_IN_TRANSIT, postings) == {"EUR": 941}
    postings += post_payout(a_payout(), EntryKind.PAYOUT_PAID)
    assert (of(LedgerAccount.PAYOUTS_IN_TRANSIT, postings), of(LedgerAccount.BANK, postings)) == (
        {},
        {"EUR": 941},
    )
    postings += post_payout(a_payout(), EntryKind.PAYOUT_RETURNED)
    postings += post_transaction(
        a_transaction(type="payout_failure", amount=941, fee=0, net=941, source=None)
    )
    assert sums(postings) == {}
    assert of(LedgerAccount.BANK, postings) == of(LedgerAccount.PAYOUTS_IN_TRANSIT, postings) == {}


def test_an_opening_balance_of_nothing_posts_nothing() -> None:
    assert post_opening(0, "EUR") == ()
    assert sums(post_opening(-5, "EUR")) == {}


def test_every_function_that_posts_is_tested_here() -> None:
    rooms = (balance_transactions, records, payouts)
    names = {name for room in rooms for name, _ in inspect.getmembers(room, inspect.isfunction)}
    posts = {name for name in names if name.startswith("post_")}
    assert posts == {"post_change", "post_transaction", "post_opening", "post_payout"}
