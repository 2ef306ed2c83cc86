"""What a database has lost that was restored to an older point, a reconciliation of the period brings back.

What is asked for again then is done already. A run that nobody named a period for brings nothing back: another
installation may use the same account.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from payment_worker.contracts.requests import ChargeRequest, RefundRequest, parse
from payment_worker.flows.commands.charge import charge
from payment_worker.flows.commands.refund import continue_refund, refund
from payment_worker.flows.context import Context
from payment_worker.flows.pauses import pause, resume
from payment_worker.flows.reconciliation.run import reconcile
from payment_worker.flows.result import CommandResult, Conflict
from payment_worker.gateway.webhook import event_from
from payment_worker.store.events.inbox import EventStatus
from tests.flows.reconciliation.lost_rows import lose
from tests.flows.scene import Scene
from tests.harness.rows import Rows

KEY_FORGOTTEN_SECONDS = 25 * 3600
POOR = "pm_card_visa_chargeDeclinedInsufficientFunds"
# In the order in which they name each other.
TABLES = ("payment", "refund", "payment_attempt", "payment_history", "outbox", "pause")

Reconcile = Callable[[], list[tuple[str, str]]]


class Backup:
    """What the tables hold when it is made; `restore` has them hold that again, and nothing else."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        rows("CREATE SCHEMA backup")
        for table in TABLES:
            rows(f"CREATE TABLE backup.{table} AS TABLE public.{table}")

    def restore(self) -> None:
        lose(self._rows, f"TRUNCATE {', '.join(TABLES)} CASCADE")
        for table in TABLES:
            overriding = "OVERRIDING SYSTEM VALUE"
            self._rows(f"INSERT INTO public.{table} {overriding} TABLE backup.{table}")


@pytest.fixture
def reconciled(context: Context, rows: Rows) -> Reconcile:
    """Reconciles the whole time, and returns what was found."""

    def run() -> list[tuple[str, str]]:
        now = context.clock()
        done = reconcile(context, since=now - timedelta(days=20), until=None, on_page=lambda _: True)
        assert done is not None
        assert done.run.is_finished
        found = rows("SELECT kind, status FROM reconciliation_finding ORDER BY kind")
        return [(row["kind"], row["status"]) for row in found]

    return run


@pytest.fixture
def empty(rows: Rows) -> Backup:
    """A backup from before anything happened."""
    return Backup(rows)


def a_request(**changes: object) -> dict[str, object]:
    return {
        "payment_id": str(uuid4()),
        "order_id": str(uuid4()),
        "customer_id": str(uuid4()),
        "amount": 5000,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
        "metadata": {"basket": "7"},
        **changes,
    }


def ledger(scene: Scene) -> list[Any]:
    """What each PaymentIntent came to."""
    return list(scene.simulator.ledger()["payment_intents"])


def story(rows: Rows, payment_id: object) -> list[dict[str, object]]:
    return rows(
        "SELECT message_id, type FROM outbox WHERE payment_id = %s ORDER BY position", str(payment_id)
    )


def test_a_payment_is_restored_as_it_was_and_published_under_the_ids_that_readers_know(
    scene: Scene, rows: Rows, reconciled: Reconcile, empty: Backup
) -> None:
    split = {"application_fee_amount": 100, "transfer_data": {"destination": "acct_seller"}}
    asked = a_request(description="Order 7", **split)
    scene.charge(**asked)
    scene.advance(60)  # until then nothing is booked
    before, told = rows.one("SELECT * FROM payment"), story(rows, asked["payment_id"])
    empty.restore()

    assert reconciled() == [("payment_missing_here", "REPAIRED")]

    after = rows.one("SELECT * FROM payment")
    ours = {"customer_id", "fingerprint", "created_at", "updated_at"}
    with_balance_transaction = {
        "fee",
        "net",
        "settlement_currency",
        "stripe_balance_transaction_id",
        "payment_method",
    }
    assert {name for name in after if after[name] != before[name]} <= ours | with_balance_transaction
    assert after["fee"] is not None
    assert story(rows, asked["payment_id"]) == told
    causes = [row["cause"] for row in rows("SELECT cause FROM payment_history ORDER BY history_id")]
    assert causes == ["brought back: reconciliation", "reconciliation"]


@pytest.mark.parametrize("method", ["pm_card_visa", "pm_card_chargeDeclined"])
def test_the_same_charge_again_after_the_key_was_forgotten_takes_no_money(
    scene: Scene, rows: Rows, reconciled: Reconcile, empty: Backup, method: str
) -> None:
    asked = a_request(payment_method=method)
    scene.charge(**asked)
    status = rows.one("SELECT status FROM payment")["status"]
    empty.restore()
    scene.advance(KEY_FORGOTTEN_SECONDS)
    reconciled()
    posts = len(scene.simulator.journal())

    for _ in range(2):  # the second finds its own fingerprint
        answer = charge(scene.context, parse(ChargeRequest, asked))
        assert isinstance(answer, CommandResult)
        assert answer.status == status

    assert len(scene.simulator.journal()) == posts
    assert str(rows.one("SELECT customer_id FROM payment")["customer_id"]) == asked["customer_id"]


@pytest.mark.parametrize("change", [{"amount": 5001}, {"order_id": str(uuid4())}, {"currency": "USD"}])
def test_another_charge_under_the_id_of_one_that_was_brought_back_is_a_conflict(
    scene: Scene, reconciled: Reconcile, empty: Backup, change: dict[str, object]
) -> None:
    asked = a_request()
    scene.charge(**asked)
    empty.restore()
    reconciled()
    assert charge(scene.context, parse(ChargeRequest, {**asked, **change})) == Conflict("payment_id")


def test_a_refund_is_brought_back_under_its_own_id_and_not_given_again(
    scene: Scene, rows: Rows, reconciled: Reconcile, empty: Backup
) -> None:
    payment_id, refund_id = scene.charge(), str(uuid4())
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    told = story(rows, payment_id)[-1]
    empty.restore()
    scene.advance(KEY_FORGOTTEN_SECONDS)

    assert reconciled() == [("payment_missing_here", "REPAIRED"), ("refund_not_ours", "REPAIRED")]

    again = {"refund_id": refund_id, "payment_id": str(payment_id)}
    for amount in ({"amount": 700}, {}):
        answer = refund(scene.context, parse(RefundRequest, {**again, **amount}))
        assert isinstance(answer, CommandResult)
        assert (answer.identity, answer.status) == (refund_id, "PROCESSED")
    assert refund(scene.context, parse(RefundRequest, {**again, "amount": 701})) == Conflict("refund_id")
    assert rows.one("SELECT amount_refunded FROM payment")["amount_refunded"] == 700
    assert story(rows, payment_id)[-1] == told
    assert ledger(scene)[0]["refunded"] == 700


@pytest.mark.parametrize("status", ["AUTHORIZED", "CANCELED", "SUCCEEDED"])
def test_every_outcome_of_an_authorization_is_brought_back(
    scene: Scene, rows: Rows, reconciled: Reconcile, empty: Backup, status: str
) -> None:
    payment_id = scene.charge(capture_method="manual")
    if status == "CANCELED":
        scene.cancel(payment_id)
    if status == "SUCCEEDED":
        scene.capture(payment_id, amount=4000)
    empty.restore()
    assert reconciled() == [("payment_missing_here", "REPAIRED")]
    row = rows.one("SELECT status, capture_method, amount_captured FROM payment")
    assert row == {
        "status": status,
        "capture_method": "manual",
        "amount_captured": 4000 if status == "SUCCEEDED" else 0,
    }


def test_a_run_for_which_nobody_named_a_period_brings_nothing_back(
    scene: Scene, rows: Rows, empty: Backup
) -> None:
    scene.charge()
    empty.restore()
    scene.charge()  # without any there is nothing to compare
    done = reconcile(scene.context, since=None, until=None, on_page=lambda _: True)
    assert done is not None
    assert done.run.left_open == 1
    assert len(rows("SELECT 1 FROM payment")) == 1


def test_what_was_paused_when_the_backup_was_made_and_done_since_is_not_done_again(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    """The restored attempts say that nothing of them was ever sent, so that their keys would have no age."""
    paid = scene.charge()
    pause(scene.context.database, "all", reason=None, actor="test", now=scene.context.clock())
    _obeyed(scene)
    charged, refunded = scene.charge(), scene.refund(paid, amount=700).identity
    assert len(rows("SELECT 1 FROM payment_attempt WHERE never_sent")) == 2
    backup = Backup(rows)
    scene.clock.advance(10)
    resume(scene.context.database, [], actor="test", now=scene.context.clock())
    _obeyed(scene)
    scene.resume()
    made = ledger(scene)
    assert [each["captured"] for each in made] == [5000, 5000]
    backup.restore()
    resume(scene.context.database, [], actor="test", now=scene.context.clock())
    scene.simulator.advance(KEY_FORGOTTEN_SECONDS)

    reconciled()
    scene.resume()

    assert ledger(scene) == made
    assert _statuses(rows, charged, refunded) == ("SUCCEEDED", "PROCESSED")
    assert rows("SELECT 1 FROM payment_attempt WHERE finished_at IS NULL") == []


def test_what_was_unknown_when_the_backup_was_made_and_done_long_after_is_found(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    """By the restored attempt's times Stripe would be asked for what was made hours before it was."""
    payment_id = scene.charge_unanswered(when="before")
    backup = Backup(rows)
    scene.advance(3600)
    scene.resume()
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"
    backup.restore()
    scene.advance(KEY_FORGOTTEN_SECONDS)

    reconciled()
    scene.resume()

    assert _statuses(rows, payment_id) == ("SUCCEEDED",)
    assert len(ledger(scene)) == 1


def test_a_refund_that_waited_for_its_payment_when_the_backup_was_made_is_counted(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id = scene.charge_unanswered()
    refund_id = scene.refund(payment_id, amount=700).identity
    backup = Backup(rows)
    assert rows.one("SELECT waits_until FROM refund")["waits_until"]
    scene.resume()
    continue_refund(scene.context, UUID(refund_id))
    assert ledger(scene)[0]["refunded"] == 700
    backup.restore()
    scene.advance(KEY_FORGOTTEN_SECONDS)

    reconciled()
    scene.resume()
    continue_refund(scene.context, UUID(refund_id))

    assert _statuses(rows, payment_id, refund_id) == ("SUCCEEDED", "PROCESSED")
    assert rows.one("SELECT amount_refunded AS given FROM payment")["given"] == 700
    assert ledger(scene)[0]["refunded"] == 700


@pytest.mark.parametrize("words", ["A-1001", "9b1f6c2e-5d0b-4c43-8f0e-3d2b7a6c1e55"])
def test_a_callers_own_order_id_names_no_other_order(
    scene: Scene, rows: Rows, reconciled: Reconcile, empty: Backup, words: str
) -> None:
    asked = a_request(metadata={"order_id": words, "basket": "7"})
    scene.charge(**asked)
    (at_stripe,) = ledger(scene)
    assert at_stripe["metadata"]["order_id"] == words
    empty.restore()
    assert reconciled() == [("payment_missing_here", "REPAIRED")]
    row = rows.one("SELECT order_id, metadata FROM payment")
    assert row == {"order_id": asked["order_id"], "metadata": asked["metadata"]}


@pytest.mark.parametrize("how", ["named", "heard of"])
def test_an_account_whose_payments_were_all_lost_is_compared_once_it_is_named_or_sends_an_event(
    scene: Scene, rows: Rows, reconciled: Reconcile, empty: Backup, how: str
) -> None:
    scene.charge(stripe_account="acct_new")
    empty.restore()
    assert reconciled() == []
    if how == "heard of":
        (event, *_) = scene.simulator.get("events", account="acct_new")["data"]
        assert scene.deliver([event_from(event)]) == [EventStatus.IGNORED]
        reconciled()
    else:
        since = scene.context.clock() - timedelta(days=20)
        assert reconcile(
            scene.context, since=since, until=None, on_page=lambda _: True, accounts=["acct_new"]
        )
    assert rows.one("SELECT stripe_account FROM payment")["stripe_account"] == "acct_new"


def test_that_an_account_is_closed_on_which_we_know_of_no_payment_is_no_finding(
    scene: Scene, reconciled: Reconcile, empty: Backup
) -> None:
    scene.charge(stripe_account="acct_left")
    (event, *_) = scene.simulator.get("events", account="acct_left")["data"]
    empty.restore()
    scene.deliver([event_from(event)])
    scene.simulator.post("accounts/disconnect", {"account": "acct_left"})
    assert reconciled() == []


def test_an_old_decline_that_stripe_repeats_is_not_taken_for_the_present(
    scene: Scene, rows: Rows, empty: Backup
) -> None:
    asked = a_request(payment_method=POOR)
    payment_id = scene.charge(**asked)
    scene.retry(payment_id, payment_method="pm_card_visa")
    empty.restore()
    answer = charge(scene.context, parse(ChargeRequest, asked))
    assert isinstance(answer, CommandResult)
    assert (answer.status, answer.reason) == ("SUCCEEDED", None)
    assert "PaymentFailed" not in [row["type"] for row in rows("SELECT type FROM outbox")]
    assert len(ledger(scene)) == 1


def test_another_try_is_not_taken_for_one_that_was_lost(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(payment_method=POOR)
    backup = Backup(rows)
    scene.retry(payment_id, payment_method="pm_card_visa_chargeDeclinedStolenCard")
    backup.restore()
    answer = scene.retry(payment_id, payment_method="pm_card_visa")
    assert (answer.status, answer.reason) == ("SUCCEEDED", None)
    assert len(ledger(scene)) == 1


def test_while_all_is_paused_no_refund_is_refused_that_stripe_has_given(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id, refund_id = scene.charge(capture_method="manual"), str(uuid4())
    backup = Backup(rows)
    scene.capture(payment_id)
    scene.refund(payment_id, refund_id=refund_id, amount=700)
    backup.restore()
    _pause(scene)

    assert scene.refund(payment_id, refund_id=refund_id, amount=700).status == "REQUESTED"
    reconciled()
    _resume(scene, refund_id)

    assert _statuses(rows, payment_id, refund_id) == ("SUCCEEDED", "PROCESSED")
    assert rows.one("SELECT amount_refunded AS given FROM payment")["given"] == 700
    assert ledger(scene)[0]["refunded"] == 700


def test_while_all_is_paused_the_rest_is_not_more_than_stripe_gave(
    scene: Scene, rows: Rows, reconciled: Reconcile
) -> None:
    payment_id, part, rest = scene.charge(), str(uuid4()), str(uuid4())
    backup = Backup(rows)
    scene.refund(payment_id, refund_id=part, amount=1000)
    scene.refund(payment_id, refund_id=rest)
    backup.restore()
    _pause(scene)

    for asked in ({"refund_id": rest}, {"refund_id": part, "amount": 1000}):
        assert scene.refund(payment_id, **asked).status == "REQUESTED"
    scene.advance(KEY_FORGOTTEN_SECONDS)
    # The paused attempt has waited for a day: that is told, too.
    assert reconciled() == [("refund_status_differs", "REPAIRED")] * 2 + [("unknown_too_long", "OPEN")]
    _resume(scene, rest, part)

    amounts = {row["refund_id"]: row["amount"] for row in rows("SELECT refund_id, amount FROM refund")}
    assert amounts == {part: 1000, rest: 4000}
    assert _statuses(rows, payment_id, rest) == ("SUCCEEDED", "PROCESSED")
    assert rows.one("SELECT amount_refunded AS given FROM payment")["given"] == 5000
    assert rows("SELECT 1 FROM payment_attempt WHERE finished_at IS NULL") == []


def test_a_refund_that_cannot_be_is_refused_once_the_pause_is_over(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge(payment_method=POOR)
    _pause(scene)
    refund_id = scene.refund(payment_id).identity
    assert _statuses(rows, payment_id, refund_id) == ("FAILED", "REQUESTED")
    _resume(scene, refund_id)
    row = rows.one("SELECT status, failure_reason FROM refund")
    assert row == {"status": "FAILED", "failure_reason": "payment_failed"}


def _pause(scene: Scene) -> None:
    pause(scene.context.database, "all", reason=None, actor="test", now=scene.context.clock())
    _obeyed(scene)


def _resume(scene: Scene, *refund_ids: str) -> None:
    resume(scene.context.database, [], actor="test", now=scene.context.clock())
    _obeyed(scene)
    scene.resume()
    for each in refund_ids:
        continue_refund(scene.context, UUID(each))


def _obeyed(scene: Scene) -> None:
    """Read the pauses anew: they are read every two seconds."""
    scene.context.pauses._read_at = None  # noqa: SLF001 - rather than to wait


def _statuses(rows: Rows, payment_id: object, refund_id: object = None) -> tuple[str, ...]:
    found = rows("SELECT status FROM payment WHERE payment_id = %s", str(payment_id))
    if refund_id:
        found += rows("SELECT status FROM refund WHERE refund_id = %s", str(refund_id))
    return tuple(row["status"] for row in found)


def test_what_was_scheduled_in_the_backup_and_charged_since_is_not_canceled(
    scene: Scene, rows: Rows, context: Context
) -> None:
    payment_id = scene.charge(not_before=(context.clock() + timedelta(seconds=60)).isoformat())
    backup = Backup(rows)
    scene.advance(61)
    scene.resume()
    backup.restore()
    scene.deliver(scene.events())
    assert scene.cancel(payment_id).reason == "attempt_unanswered"
    assert rows.one("SELECT status FROM payment") == {"status": "SUCCEEDED"}
    scene.resume()
    assert scene.cancel(payment_id).reason == "payment_succeeded"
