"""The simulator holds every check that `make drift` makes of Stripe itself: there is one list for both."""

from pathlib import Path

import pytest

from payment_worker.devstack.servers.simulator import Simulator
from tests.drift.__main__ import DIFFERS, DONE, KEY, WRONG_USAGE, run
from tests.drift.checks import CHECKS

HASTE = {"search_lag_seconds": 0.05, "balance_transaction_delay_seconds": 0.05, "dispute_delay_seconds": 0.05}


@pytest.fixture
def hasty_simulator(simulator: Simulator) -> Simulator:
    """A Stripe where little comes late."""
    simulator.post("settings", HASTE)
    return simulator


def test_the_simulator_holds_every_check_of_the_list(
    hasty_simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(CHECKS) > 30
    status = run({KEY: "sk_test_drift"}, reports=tmp_path, base=hasty_simulator.url)

    (report,) = tmp_path.iterdir()
    lines = report.read_text(encoding="utf-8").splitlines()
    assert lines[2:] == [f"- holds: {sentence}" for sentence in CHECKS]
    assert status == DONE
    assert f"Written to {report}" in capsys.readouterr().out


def test_what_differs_is_reported_with_how(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = "an amount in JPY has no decimals"
    simulator.fault("rate_limited", endpoint="payment_intents.create")
    checks = {sentence: CHECKS[sentence]}

    assert run({KEY: "sk_test_drift"}, checks=checks, reports=tmp_path, base=simulator.url) == DIFFERS
    assert f"- differs: {sentence} (KeyError: 'amount_received')" in capsys.readouterr().out


def test_without_a_key_it_prints_what_it_would_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert run({}) == DONE
    assert [line.removeprefix("- ") for line in capsys.readouterr().out.splitlines()[1:]] == list(CHECKS)


@pytest.mark.parametrize("key", ["sk_live_x", "rk_live_x", "pk_test_x"])
def test_any_key_but_a_sandboxes_is_refused(key: str, simulator: Simulator) -> None:
    assert run({KEY: key}, base=simulator.url) == WRONG_USAGE
    assert simulator.get("requests") == {}
