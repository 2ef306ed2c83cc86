"""Every cent of Stripe's balance is posted, and clears what our records expect; what does not is named."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from payment_worker.contracts.requests import AdoptRequest, parse
from payment_worker.flows.commands.adopt import adopt
from payment_worker.flows.ledger.import_balance import ImportOptions
from payment_worker.flows.ledger.run import AccountImport, import_balance
from payment_worker.flows.ledger.uncleared import AT_A_TIME
from payment_worker.flows.result import CommandResult
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


def test_what_stripe_says_is_not_there_is_a_finding_too(scene: Scene, rows: Rows) -> None:
    scene.simulator.post("settings", {"balance_transaction_delay_seconds": 1000})
    scene.charge()
    row = rows.one("SELECT stripe_payment_intent_id AS intent, stripe_charge_id AS charge FROM payment")
    scene.simulator.fault("not_found", params={"source": row["charge"]}, times=None)
    imported(scene, clear_within=timedelta())
    assert findings(rows) == {("not_at_stripe", row["intent"])}


@pytest.mark.parametrize("kind", ["forbidden", "unavailable"])
def test_an_account_that_cannot_be_read_holds_up_no_findings_of_others(
    kind: str, scene: Scene, rows: Rows
) -> None:
    scene.simulator.post("settings", {"balance_transaction_delay_seconds": 1000})
    scene.charge()
    scene.charge(stripe_account="acct_1")
    scene.simulator.fault(kind, path="/v1/balance", account="acct_1", times=None)
    assert {each.is_read for each in imported(scene, clear_within=timedelta())} == {True, False}
    (intent,) = rows("SELECT stripe_payment_intent_id AS id FROM payment WHERE stripe_account = ''")
    assert findings(rows) == {("not_at_stripe", intent["id"])}


def test_objects_whose_findings_are_open_hold_up_no_newer_ones(scene: Scene, rows: Rows) -> None:
    scene.charge()
    rows(
        "INSERT INTO ledger_uncleared SELECT '', 'ch_' || n, 'EUR', 'customers', 0, n,"
        " now() - n * interval '1 second' FROM generate_series(1, %s) n",
        AT_A_TIME + 1,
    )
    for _ in range(2):
        imported(scene, clear_within=timedelta())
    assert {("not_in_our_records", f"ch_{n + 1}") for n in range(AT_A_TIME + 1)} <= findings(rows)


def test_a_payment_from_before_the_import_is_part_of_the_opening_balance(scene: Scene, rows: Rows) -> None:
    taken = another_apps_charge(scene)
    scene.advance(2 * DAY)
    scene.charge()
    scene.simulator.advance(10)
    assert proven(scene) == {"EUR": 0}
    assert balance(rows, "opening_balance") == {"EUR": -(1000 - 59)}
    adopted = {"payment_id": str(uuid4()), "order_id": "7", "payment_intent": taken["id"]}
    assert isinstance(adopt(scene.context, parse(AdoptRequest, adopted)), CommandResult)
    proven(scene)
    assert (uncleared(rows), findings(rows)) == ([taken["id"]], set())
    assert proven(scene, clear_within=timedelta()) == {"EUR": 0}
    assert (uncleared(rows), findings(rows)) == ([], set())
    assert (balance(rows, "opening_balance"), balance(rows, "sales")) == ({}, {"EUR": -6000})


def another_apps_charge(scene: Scene, **differing: object) -> dict[str, Any]:
    """A payment in euros that another app on the same Stripe account took."""
    taken = {"amount": 1000, "currency": "eur", "payment_method": "pm_card_visa", **differing}
    made: dict[str, Any] = scene.simulator.post("payment_intents", taken)
    return made


def test_what_another_app_took_on_the_account_is_another_movement(scene: Scene, rows: Rows) -> None:
    scene.charge()
    taken = another_apps_charge(scene)
    scene.simulator.post(f"payment_intents/{taken['id']}/refund", {"amount": 300})
    scene.advance(10)
    assert proven(scene, clear_within=timedelta()) == {"EUR": 0}
    assert (findings(rows), uncleared(rows)) == (set(), [])
    assert balance(rows, "other_movements") == {"EUR": -700}
    named = rows("SELECT object_id FROM ledger_posting WHERE ledger_account = 'other_movements' ORDER BY 1")
    assert (named[0]["object_id"], named[1]["object_id"][:3]) == (taken["id"], "re_")


@pytest.mark.parametrize("claim", ["names a payment of ours", "is signed"])
def test_what_claims_to_be_ours_is_a_finding(scene: Scene, rows: Rows, claim: str) -> None:
    payment_id = scene.charge()
    metadata = (
        {"payment_id": str(payment_id)}
        if claim == "names a payment of ours"
        else scene.metadata_of(payment_id)
    )
    taken = another_apps_charge(scene, metadata=metadata)
    scene.advance(10)
    assert proven(scene, clear_within=timedelta()) == {"EUR": 0}
    assert findings(rows) == {("not_in_our_records", taken["id"])}


def test_what_another_app_took_is_ours_once_its_payment_is_adopted(scene: Scene, rows: Rows) -> None:
    scene.charge()
    scene.simulator.post("exchange", {"currency": "chf", "settles_in": "eur", "rate": 1.05})
    taken = another_apps_charge(scene, currency="chf")
    scene.simulator.post(f"payment_intents/{taken['id']}/refund", {"amount": 300})
    scene.advance(10)
    proven(scene)
    adopted = adopt(
        scene.context,
        parse(AdoptRequest, {"payment_id": str(uuid4()), "order_id": "7", "payment_intent": taken["id"]}),
    )
    assert isinstance(adopted, CommandResult)
    assert (
        proven(scene, clear_within=timedelta())
        == proven(scene, since=scene.context.clock() - timedelta(days=2))
        == {"EUR": 0}
    )
    assert (findings(rows), uncleared(rows)) == (set(), [])
    assert (balance(rows, "other_movements"), balance(rows, "sales")["CHF"], balance(rows, "refunds")) == (
        {},
        -1000,
        {"CHF": 300},
    )


def test_a_type_of_tomorrow_is_kept_and_named(scene: Scene, rows: Rows) -> None:
    scene.charge()
    moved = scene.simulator.post(
        "balance_transactions", {"type": "of_next_year", "amount": -5, "currency": "eur"}
    )
    scene.simulator.post("balance_transactions", {"type": "topup", "amount": 900, "currency": "eur"})
    scene.simulator.post("balance_transactions", {"type": "stripe_fee", "amount": -10, "currency": "eur"})
    scene.simulator.advance(10)
    assert proven(scene)["EUR"] == 0
    assert findings(rows) == {("transaction_unknown", moved["id"])}
    assert balance(rows, "unexplained") == {"EUR": 5}
    assert balance(rows, "other_movements") == {"EUR": -900}
    assert balance(rows, "fees")["EUR"] == 175 + 10


def test_a_type_that_a_newer_version_knows_is_placed_when_it_is_read_again(scene: Scene, rows: Rows) -> None:
    scene.charge()
    moved = scene.simulator.post(
        "balance_transactions", {"type": "of_next_year", "amount": -5, "currency": "eur"}
    )
    scene.simulator.advance(10)
    proven(scene)
    assert uncleared(rows) == [moved["id"]]
    scene.simulator.post(f"objects/{moved['id']}", {"fields": {"type": "topup"}})
    proven(scene, since=scene.context.clock() - timedelta(days=1))
    proven(scene, since=scene.context.clock() - timedelta(days=1))
    assert (balance(rows, "unexplained"), balance(rows, "other_movements")) == ({}, {"EUR": 5})
    assert ("transaction_unknown", moved["id"]) not in findings(rows)


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
    (first,) = imported(scene, has_time=lambda: False)
    assert (first.is_read, rows.one("SELECT count(*) FROM balance_transaction")["count"]) == (False, 100)
    scene.simulator.post("balance_transactions", {"type": "topup", "amount": 1, "currency": "eur"})
    imported(scene, has_time=lambda: False)
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


def test_a_fee_that_is_recorded_otherwise_is_named(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    scene.simulator.advance(10)
    scene.deliver(scene.events())
    assert proven(scene) == {"EUR": 0}
    assert (rows.one("SELECT fee FROM payment")["fee"], findings(rows)) == (175, set())
    rows("UPDATE payment SET fee = 174")
    assert proven(scene) == {"EUR": 0}
    assert {kind for kind, _ in findings(rows)} == {"recorded_fee_differs"}
    found = rows.one("SELECT payment_id::text AS id, detail FROM reconciliation_finding")
    assert (found["id"], found["detail"]["ours"]["fee"], found["detail"]["theirs"]["fee"]) == (
        str(payment_id),
        174,
        175,
    )


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
