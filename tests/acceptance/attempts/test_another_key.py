"""A worker that is started with a key of another Stripe account, or of the other mode, sends nothing."""

from collections.abc import Callable

import pytest

from tests.acceptance.scene import Scene
from tests.harness.length import long

ANOTHER = "acct_1AnotherAccount0"
WAITS = "SELECT error_code FROM payment_attempt WHERE payment_id = %s AND error_code = 'another_account'"


@pytest.mark.parametrize(
    ("key", "settings"),
    [("sk_test_51AnotherAccount0Key", {}), long("sk_live_simulator", {"PAYMENT_WORKER_STRIPE_MODE": "live"})],
    ids=["another account", "the other mode"],
)
def test_a_worker_with_another_key_sends_nothing_and_the_right_one_goes_on(
    new_scene: Callable[..., Scene], key: str, settings: dict[str, str]
) -> None:
    scene = new_scene()
    ours = dict(scene.settings)
    scene.ready(scene.worker(), scene.beat())
    scene.paid()
    scene.kill_processes()

    scene.settings.update({"STRIPE_API_KEY": key, **settings})
    scene.ready(scene.worker())
    payment_id = scene.charge()
    scene.rows.wait_for(WAITS, payment_id)
    assert len(scene.simulator.ledger()["payment_intents"]) == 1
    assert scene.simulator.ledger(account=ANOTHER)["payment_intents"] == []
    scene.kill_processes()

    scene.settings.clear()
    scene.settings.update(ours)
    scene.ready(scene.worker(), scene.beat())
    scene.rows.wait_for("SELECT 1 FROM payment WHERE payment_id = %s AND status = 'SUCCEEDED'", payment_id)
    assert len(scene.simulator.ledger()["payment_intents"]) == 2
