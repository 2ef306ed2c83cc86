"""Every cent of Stripe's balance is posted, and clears what our records expect; what does not is named."""

from datetime import timedelta
from typing import Any

import pytest

from payment_worker.flows.ledger.import_balance import ImportOptions
from payment_worker.flows.ledger.run import AccountImport, import_balance
from tests.flows.scene import Scene
from tests.harness.rows import Rows

DAY = 86_400
OPTIONS = ImportOptions(overlap=timedelta(minutes=5), clear_within=timedelta(days=4))


def imported(scene: Scene, **options: Any) -> list[AccountImport]:  # noqa: ANN401 - any option
    """What an import comes to, which is let through."""
    result = import_balance(scene.context, ImportOptions(**{**vars_of(OPTIONS), **options}))
    assert result is not None
    return list(result)


def vars_of(options: ImportOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ImportOptions.__slots__}


def proven(scene: Scene, **options: Any) -> dict[str, int]:  # noqa: ANN401 - any option
    """How much the platform's balance at Stripe differs from the ledger's, by currency."""
    (platform,) = (each for each in imported(scene, **options) if not each.stripe_account)
    assert platform.is_read
    return {proof.currency: proof.difference for proof in platform.proofs}


def balance(rows: Rows, ledger_account: str) -> dict[str, int]:
    query = "SELECT currency, amount FROM ledger_balance WHERE ledger_account = %s AND amount <> 0"
    return {row["currency"]: row["amount"] for row in rows(query, ledger_account)}


def findings(rows: Rows) -> set[tuple[str, str]]:
    query = "SELECT kind, object_id FROM reconciliation_finding WHERE status = 'OPEN'"
    return {(row["kind"], row["object_id"]) for row in rows(query)}


def uncleared(rows: Rows) -> list[str]:
    return [row["object_id"] for row in rows("SELECT object_id FROM ledger_uncleared ORDER BY 1")]


def test_a_day_at_the_shop_is_explained_to_the_cent(scene: Scene, rows: Rows) -> None:
    scene.simulator.post("exchange", {"currency": "chf", "settles_in": "eur", "rate": 1.05})
    refunded, disputed = scene.charge(), scene.charge(currency="CHF", amount=1234)
    scene.refund(refunded, amount=700)
    scene.charge(payment_method="pm_card_chargeDeclined")
    intent = rows.one(
        "SELECT stripe_payment_intent_id AS id FROM payment WHERE payment_id = %s", str(disputed)
    )
    scene.simulator.advance(10)
    dispute = scene.simulator.post("disputes", {"payment_intent": intent["id"]})
    scene.deliver(scene.events())
    assert proven(scene) == {"EUR": 0}
    assert (uncleared(rows), findings(rows)) == ([], set())
    assert balance(rows, "sales") == {"EUR": -5000, "CHF": -1234}
    assert balance(rows, "refunds") == {"EUR": 700}
    assert balance(rows, "disputes") == {"CHF": 1234}
    assert balance(rows, "currency_exchange") == {}  # taken at a rate, and given back at the same
    assert balance(rows, "unexplained") == {}

    scene.simulator.post(f"disputes/{dispute['id']}/close", {"status": "won"})
    scene.deliver(scene.events())
    assert proven(scene) == {"EUR": 0}
    assert (uncleared(rows), balance(rows, "disputes")) == ([], {})


def test_importing_again_changes_nothing(scene: Scene, rows: Rows) -> None:
    scene.refund(scene.charge(), amount=700)
    scene.simulator.advance(10)
    proven(scene)
    before = rows("SELECT * FROM ledger_posting ORDER BY posting_id")
    assert len(before) == 9
    assert proven(scene) == proven(scene, since=scene.context.clock() - timedelta(days=30)) == {"EUR": 0}
    assert rows("SELECT * FROM ledger_posting ORDER BY posting_id") == before


def test_what_becomes_available_is_recorded(scene: Scene, rows: Rows) -> None:
    scene.charge()
    scene.simulator.advance(10)
    proven(scene)
    assert rows.one("SELECT status FROM balance_transaction")["status"] == "pending"
    scene.advance(3 * DAY)
    assert proven(scene) == {"EUR": 0}
    assert rows.one("SELECT status FROM balance_transaction")["status"] == "available"
    held = rows.one("SELECT available, pending FROM balance_proof")
    assert (held["available"] > 0, held["pending"]) == (True, 0)


def test_our_word_alone_is_not_cleared_and_after_some_days_a_finding(scene: Scene, rows: Rows) -> None:
    scene.simulator.post("settings", {"balance_transaction_delay_seconds": 1000})
    scene.charge()
    assert proven(scene) == {"USD": 0}  # the simulator's account was never paid
    (intent,) = uncleared(rows)
    assert findings(rows) == set()
    imported(scene, clear_within=timedelta())
    assert findings(rows) == {("not_at_stripe", intent)}
    scene.advance(1001)
    imported(scene, clear_within=timedelta())
    assert (uncleared(rows), findings(rows)) == ([], set())


def test_what_others_took_on_the_account_is_not_in_our_records(scene: Scene, rows: Rows) -> None:
    scene.charge()
    taken = {"amount": 1000, "currency": "eur", "payment_method": "pm_card_visa"}
    foreign = scene.simulator.post("payment_intents", taken)
    scene.advance(10)
    assert proven(scene, clear_within=timedelta()) == {"EUR": 0}
    assert findings(rows) == {("not_in_our_records", foreign["id"])}


def test_a_type_of_tomorrow_is_kept_and_named(scene: Scene, rows: Rows) -> None:
    scene.charge()
    moved = scene.simulator.post(
        "balance_transactions", {"type": "of_next_year", "amount": -5, "currency": "eur"}
    )
    scene.simulator.post("balance_transactions", {"type": "topup", "amount": 900, "currency": "eur"})
    scene.simulator.post("balance_transactions", {"type": "stripe_fee", "amount": -10, "currency": "eur"})
    assert proven(scene)["EUR"] == 0
    assert findings(rows) == {("transaction_unknown", moved["id"])}
    assert balance(rows, "unexplained") == {"EUR": 5}
    assert balance(rows, "other_movements") == {"EUR": -900}
    assert balance(rows, "fees")["EUR"] == 10


def test_what_appears_late_is_found_when_the_balance_differs(scene: Scene, rows: Rows) -> None:
    scene.charge()
    scene.advance(2 * DAY)
    scene.charge()
    scene.simulator.advance(10)
    assert proven(scene) == {"EUR": 0}
    late = int((scene.context.clock() - timedelta(days=1)).timestamp())
    scene.simulator.post(
        "balance_transactions", {"type": "topup", "amount": 900, "currency": "eur", "created": late}
    )
    assert proven(scene) == {"EUR": 0}
    assert findings(rows) == set()
    assert balance(rows, "other_movements") == {"EUR": -900}


def test_an_account_that_existed_before_us_begins_with_an_opening_balance(scene: Scene, rows: Rows) -> None:
    year_ago = int((scene.context.clock() - timedelta(days=365)).timestamp())
    old = {"type": "topup", "amount": 12_345, "currency": "usd", "created": year_ago}
    scene.simulator.post("balance_transactions", old)
    scene.charge()
    scene.simulator.advance(10)
    assert proven(scene) == {"EUR": 0, "USD": 0}
    assert balance(rows, "opening_balance") == {"USD": -12_345}
    assert rows("SELECT * FROM balance_transaction WHERE currency = 'USD'") == []

    # Read from further back, what was made then is explained: it is taken out of the opening balance.
    assert proven(scene, since=scene.context.clock() - timedelta(days=400)) == {"EUR": 0, "USD": 0}
    assert balance(rows, "opening_balance") == {}
    assert balance(rows, "other_movements") == {"USD": -12_345}


def test_an_import_that_is_cut_short_is_gone_on_with(scene: Scene, rows: Rows) -> None:
    scene.charge()
    for _ in range(250):
        scene.simulator.post("balance_transactions", {"type": "topup", "amount": 1, "currency": "eur"})
    (first,) = imported(scene, go_on=lambda: False)
    assert (first.is_read, rows.one("SELECT count(*) FROM balance_transaction")["count"]) == (False, 100)
    scene.simulator.post("balance_transactions", {"type": "topup", "amount": 1, "currency": "eur"})
    imported(scene, go_on=lambda: False)
    # The window that was open ends without what came after it: that alone would prove nothing.
    assert proven(scene) == {"EUR": 0}
    assert balance(rows, "other_movements") == {"EUR": -251}


def test_what_somebody_wrote_into_the_books_is_named(scene: Scene, rows: Rows) -> None:
    scene.charge()
    scene.simulator.advance(10)
    assert proven(scene) == {"EUR": 0}
    forged = (
        "INSERT INTO balance_transaction (stripe_balance_transaction_id, type, status, amount, fee, net, currency,"
        " available_on, created_at, seen_at) VALUES ('txn_forged', 'topup', 'available', 5, 0, 5, 'EUR', now(), now(),"
        " now() - interval '1 hour')"
    )
    rows(forged)
    rows("UPDATE balance_transaction SET fee = 1 WHERE type = 'charge'")
    proven(scene, since=scene.context.clock() - timedelta(days=1))
    named = {kind for kind, _ in findings(rows)}
    assert named == {"transaction_missing_there", "transaction_differs"}
    assert ("transaction_missing_there", "txn_forged") in findings(rows)


@pytest.mark.parametrize("path", ["/v1/balance$", "/v1/balance_transactions"])
def test_an_outage_of_stripe_proves_nothing_and_loses_nothing(scene: Scene, rows: Rows, path: str) -> None:
    scene.charge()
    scene.simulator.advance(10)
    fault = scene.simulator.fault("unavailable", path=path, times=None)
    (result,) = imported(scene)
    assert result.proofs == ()
    scene.simulator.delete(f"faults/{fault}")
    assert proven(scene) == {"EUR": 0}
    assert uncleared(rows) == []


def test_a_connected_account_has_books_of_its_own(scene: Scene, rows: Rows) -> None:
    scene.charge()
    scene.charge(stripe_account="acct_1", application_fee_amount=100)
    scene.simulator.advance(10)
    results = {each.stripe_account: each for each in imported(scene)}
    assert {name: [proof.difference for proof in each.proofs] for name, each in results.items()} == {
        "": [0],
        "acct_1": [0],
    }
    query = "SELECT stripe_account, amount FROM ledger_balance WHERE ledger_account = 'other_movements'"
    assert rows(query) == [{"stripe_account": "", "amount": -100}]  # the platform's application fee
