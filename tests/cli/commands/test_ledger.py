"""A person asks whether the balance is explained, and reads which objects make a difference."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.flows.conftest import clock, context, scene  # noqa: F401 - fixtures
from tests.flows.scene import Scene
from tests.harness.rows import Rows


@pytest.fixture
def refunded(scene: Scene) -> Scene:  # noqa: F811 - the fixture
    """A payment of 50.00 euros of which 7.00 are refunded, with Stripe's fee."""
    scene.refund(scene.charge(), amount=700)
    scene.simulator.advance(10)
    return scene


def rows_of(run: Run, *arguments: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(run("balance", "--json", *arguments).out)
    return told


def test_without_a_payment_there_is_nothing_to_prove(run: Run) -> None:
    done = run("balance")
    assert (done.status, done.screen) == (0, "Nothing is imported yet: there was no payment.\n")


@pytest.mark.usefixtures("refunded")
def test_a_balance_that_is_explained_leaves_with_0(run: Run) -> None:
    done = run("balance")
    assert (done.status, done.err) == (0, "")
    assert done.screen.splitlines()[1].split() == [
        *("platform", "41.25", "EUR", "41.25", "EUR", "0.00", "EUR", "0.00", "EUR"),
        *("100.000", "%"),
    ]
    (row,) = rows_of(run)
    assert (row["stripe_account"], row["currency"]) == ("", "EUR")
    assert (row["stripe"], row["ledger"], row["difference"], row["uncleared"]) == (4125, 4125, 0, 0)
    assert (row["oldest_uncleared_at"], row["oldest_at"], row["unexplained"]) == (None, None, 0)
    assert row["explained_shares"] == {"any": 1.0, "1d": 1.0, "4d": 1.0}


def test_a_difference_leaves_with_1_and_names_what_makes_it(run: Run, refunded: Scene, rows: Rows) -> None:
    assert run("ledger", "import").status == 0
    entry = rows.one(
        "INSERT INTO ledger_entry (stripe_account, kind, reference, occurred_at, recorded_at)"
        " VALUES ('', 'balance_transaction', 'txn_forged', now(), now()) RETURNING entry_id"
    )["entry_id"]
    rows(
        "INSERT INTO ledger_posting (entry_id, ledger_account, stripe_account, currency, amount)"
        " VALUES (%s, 'stripe_balance', '', 'EUR', 100), (%s, 'bank', '', 'EUR', -100)",
        entry,
        entry,
    )
    rows(
        "INSERT INTO balance_transaction (stripe_balance_transaction_id, type, status, amount, fee, net, currency,"
        " available_on, created_at, seen_at) VALUES ('txn_forged', 'topup', 'available', 100, 0, 100, 'EUR', now(),"
        " now(), now() - interval '1 hour')"
    )
    done = run("balance")
    assert done.status == 1
    assert "-1.00 EUR" in done.screen
    assert "transaction_missing_there txn_forged" in done.screen
    assert "balance_differs EUR: ours 4225, theirs 4125" in done.screen
    assert refunded.simulator.get("requests")["balance_transactions.list"]["200"] >= 3


def test_a_past_instant_is_asked_of_what_is_imported(run: Run, refunded: Scene) -> None:
    before = (refunded.context.clock()).isoformat()
    refunded.advance(60)
    refunded.simulator.post("balance_transactions", {"type": "topup", "amount": 900, "currency": "eur"})
    assert [row["stripe"] for row in rows_of(run)] == [5025]
    (row,) = rows_of(run, "--at", before)
    assert row["difference"] == 0
    # The refund was with Stripe at once, the charge a second later: then one side alone had told of it.
    assert (row["ledger"], row["uncleared"]) in {(-700, 5000), (4125, 0)}
    (row,) = rows_of(run, "--at", "2100-01-01")
    assert (row["stripe"], row["ledger"], row["uncleared"]) == (5025, 5025, 0)
    assert run("balance", "--at", "2020-01-01", "--json").out == "[]\n"


@pytest.mark.parametrize(
    "arguments", [("balance", "--at", "yesterday"), ("ledger", "import", "--since", "1")]
)
def test_an_instant_that_is_none_is_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).status == 2


def test_an_import_that_stripe_does_not_answer_leaves_with_1(run: Run, refunded: Scene) -> None:
    fault = refunded.simulator.fault("unavailable", path="/v1/balance_transactions", times=None)
    done = run("ledger", "import", "--json")
    assert done.status == 1
    assert json.loads(done.out) == {"accounts": 1, "unread": ["platform"], "differing": 0}
    refunded.simulator.delete(f"faults/{fault}")
    assert run("ledger", "import", "--since", "2020-01-01").screen == (
        "1 of 1 accounts imported; 0 balances differ.\n"
    )


@pytest.fixture
def payout(refunded: Scene, run: Run) -> str:
    """An automatic payout of a charge and its refund."""
    refunded.advance(3 * 86_400)
    (made,) = refunded.simulator.post("payouts")["payouts"]
    assert run("ledger", "import").status == 0
    return str(made["id"])


def test_payouts_are_listed_and_one_is_shown_with_what_it_is_made_of(run: Run, payout: str) -> None:
    listed = run("payouts")
    assert listed.status == 0
    assert f"{payout}" in listed.screen
    assert "41.25 EUR, equal" in listed.screen
    (row,) = json.loads(run("payouts", "--json").out)
    assert (row["stripe_payout_id"], row["amount"], row["difference"]) == (payout, 4125, 0)

    shown = run("payouts", "show", payout)
    assert (shown.status, "charge" in shown.screen, "refund" in shown.screen) == (0, True, True)
    lines = json.loads(run("payouts", "show", payout, "--json").out)["lines"]
    assert [(line["type"], line["net"]) for line in lines] == [("refund", -700), ("charge", 4825)]
    assert run("payouts", "show", "po_none").status == 1
    assert run("payouts", "--json", "--csv").status == 2


def test_the_accountants_csv_is_as_the_rfc_wants_it_and_runs_no_formula(
    run: Run, payout: str, rows: Rows
) -> None:
    rows("UPDATE balance_transaction SET source_id = '=cmd|A1, \"x\"' WHERE type = 'charge'")
    out = run("payouts", "show", payout, "--csv").out
    assert out.count("\n") == 3
    (refund, charge) = csv.DictReader(io.StringIO(out))
    assert charge["source_id"] == '\'=cmd|A1, "x"'
    assert (refund["amount"], refund["currency"]) == ("-700", "EUR")


@pytest.mark.usefixtures("payout")
def test_a_months_journal_and_trial_balance_sum_to_zero_and_repeat(
    run: Run, rows: Rows, tmp_path: Path
) -> None:
    month = rows.one("SELECT to_char(min(occurred_at) AT TIME ZONE 'UTC', 'YYYY-MM') AS m FROM ledger_entry")[
        "m"
    ]
    done = run("ledger", "export", "--month", month, "--to", str(tmp_path))
    names = [Path(line).name for line in done.out.splitlines()]
    assert names == [f"ledger-{month}-journal.csv", f"ledger-{month}-trial-balance.csv"]
    written = [(tmp_path / name).read_bytes() for name in names]
    for content, column in zip(written, ("amount", "closing"), strict=True):
        lines = list(csv.DictReader(io.StringIO(content.decode())))
        assert lines
        assert sum(int(line[column]) for line in lines) == 0

    rows("ANALYZE ledger_posting")
    run("ledger", "import", "--since", "2020-01-01")
    run("ledger", "export", "--month", month, "--to", str(tmp_path))
    assert [(tmp_path / name).read_bytes() for name in names] == written

    assert run("ledger", "export", "--month", month, "--to", str(tmp_path), "--json").status == 0
    told = (tmp_path / f"ledger-{month}-journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(json.loads(line)["amount"] for line in told) == 0


@pytest.mark.usefixtures("payout")
def test_a_months_export_may_take_ten_minutes(run: Run, rows: Rows, tmp_path: Path) -> None:
    rows("ALTER TABLE ledger_posting RENAME TO posting")
    rows(
        "CREATE VIEW ledger_posting AS SELECT * FROM posting"
        " WHERE current_setting('statement_timeout')::interval >= interval '10 minutes'"
    )
    month = rows.one("SELECT to_char(min(occurred_at) AT TIME ZONE 'UTC', 'YYYY-MM') AS m FROM ledger_entry")
    assert run("ledger", "export", "--month", month["m"], "--to", str(tmp_path)).status == 0
    for written in tmp_path.iterdir():
        assert len(written.read_text(encoding="utf-8").splitlines()) > 1, written.name


ANOTHER_MONTHS = """
WITH entry AS (
    INSERT INTO ledger_entry (stripe_account, kind, reference, occurred_at, recorded_at)
    SELECT '', 'balance_transaction', %s, min(occurred_at) + %s * interval '40 days', now() FROM ledger_entry
    RETURNING entry_id
)
INSERT INTO ledger_posting (entry_id, ledger_account, stripe_account, currency, amount)
SELECT entry_id, account, '', 'EUR', amount FROM entry, (VALUES (%s, 5), ('fees', -5)) AS line (account, amount)
"""
TRIAL_BALANCE = """
SELECT ledger_account, coalesce(sum(amount) FILTER (WHERE occurred_at < %s), 0)::text AS opening,
    coalesce(sum(amount) FILTER (WHERE occurred_at >= %s AND amount > 0), 0)::text AS debits,
    coalesce(-sum(amount) FILTER (WHERE occurred_at >= %s AND amount < 0), 0)::text AS credits,
    sum(amount)::text AS closing
FROM ledger_entry JOIN ledger_posting USING (entry_id) WHERE occurred_at < %s::timestamptz + interval '1 month'
GROUP BY 1 ORDER BY 1
"""


@pytest.mark.usefixtures("payout")
def test_a_trial_balance_is_what_was_posted_before_and_in_the_month(
    run: Run, rows: Rows, tmp_path: Path
) -> None:
    begin = rows.one("SELECT date_trunc('month', min(occurred_at), 'UTC') AS at FROM ledger_entry")["at"]
    rows(ANOTHER_MONTHS, "txn_before", -1, "bank")
    rows(ANOTHER_MONTHS, "txn_after", 2, "disputes")
    assert run("ledger", "export", "--month", f"{begin:%Y-%m}", "--to", str(tmp_path)).status == 0
    written = (tmp_path / f"ledger-{begin:%Y-%m}-trial-balance.csv").read_text(encoding="utf-8")
    lines = [
        {name: line[name] for name in ("ledger_account", "opening", "debits", "credits", "closing")}
        for line in csv.DictReader(io.StringIO(written))
    ]
    assert lines == rows(TRIAL_BALANCE, *[begin] * 4)
    opening = {line["ledger_account"]: line["opening"] for line in lines if line["opening"] != "0"}
    assert opening == {"bank": "5", "fees": "-5"}


@pytest.mark.parametrize("month", ["2026-13", "november", "2026-1", "0000-01"])
def test_a_month_that_is_none_is_wrong_usage(run: Run, month: str) -> None:
    assert run("ledger", "export", "--month", month).status == 2
