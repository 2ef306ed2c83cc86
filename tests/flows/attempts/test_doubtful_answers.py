"""An answer that leaves it open whether something was made is no refusal, and no proof that there is nothing."""

import pytest

from payment_worker.domain.attempts.outcome import Postponed, Unanswered
from tests.flows.scene import Scene
from tests.harness.rows import Rows

ATTEMPTS = "SELECT action, number, status, unknown_reason FROM payment_attempt ORDER BY attempt_id"


def test_a_400_to_the_second_post_is_no_refusal_where_the_first_was_not_answered(
    scene: Scene, rows: Rows
) -> None:
    scene.simulator.fault("reset", when="after", endpoint="payment_intents.create")
    scene.simulator.fault("bad_request", endpoint="payment_intents.create")
    scene.charge()
    (intent,) = scene.simulator.ledger()["payment_intents"]
    assert intent["captured"] == 5000
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


def test_the_same_of_a_refund(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge()
    scene.simulator.fault("reset", when="after", endpoint="refunds.create")
    scene.simulator.fault("bad_request", endpoint="refunds.create")
    scene.refund(payment_id, amount=100)
    assert rows.one("SELECT status FROM refund")["status"] == "PROCESSED"


def test_where_the_first_had_no_effect_it_is_refused_in_the_end(scene: Scene, rows: Rows) -> None:
    scene.simulator.fault("reset", endpoint="payment_intents.create")
    scene.simulator.fault("bad_request", endpoint="payment_intents.create", times=None)
    scene.charge()
    assert rows(ATTEMPTS) == [
        {
            "action": "charge",
            "number": 1,
            "status": "UNKNOWN",
            "unknown_reason": "rejected_later",
        }
    ]
    scene.resume()
    assert rows.one("SELECT status FROM payment")["status"] == "FAILED"
    assert [row["status"] for row in rows(ATTEMPTS)] == ["ABSENT", "REFUSED"]


def test_a_400_to_the_first_post_is_a_refusal_at_once(scene: Scene, rows: Rows) -> None:
    scene.simulator.fault("bad_request", endpoint="payment_intents.create")
    scene.charge()
    assert [row["status"] for row in rows(ATTEMPTS)] == ["REFUSED"]


def test_what_has_no_customer_at_stripe_is_found_all_the_same(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered()
    rows(
        "UPDATE payment_attempt"
        " SET parameters = jsonb_set(parameters::jsonb, '{customer}', to_jsonb(%s::text))::text",
        _customer(scene),
    )
    scene.resume()
    assert len(scene.simulator.ledger()["payment_intents"]) == 1
    assert rows.one("SELECT status FROM payment WHERE payment_id = %s", payment_id)["status"] == "SUCCEEDED"


def test_a_payment_intent_that_answers_404_does_not_prove_that_its_capture_had_no_effect(
    scene: Scene, rows: Rows
) -> None:
    payment_id = scene.charge(capture_method="manual")
    asking = scene.simulator.fault("unavailable", endpoint="payment_intents.retrieve", times=None)
    scene.simulator.fault("server_error", when="after", endpoint="payment_intents.capture")
    scene.capture(payment_id)
    scene.simulator.delete(f"faults/{asking}")
    gone = scene.simulator.fault("not_found", endpoint="payment_intents.retrieve", times=None)
    with pytest.raises(AssertionError, match="wait for ever"):
        scene.resume()
    assert [row["status"] for row in rows(ATTEMPTS)] == ["EXECUTED", "UNKNOWN"]
    scene.simulator.delete(f"faults/{gone}")
    scene.resume()
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


@pytest.mark.parametrize("kind", ["forbidden", "not_found"])
def test_a_list_that_is_closed_to_us_proves_no_absence(scene: Scene, rows: Rows, kind: str) -> None:
    scene.simulator.fault("server_error", when="after", endpoint="payment_intents.create")
    scene.simulator.fault(kind, endpoint="payment_intents.list", times=None)
    scene.charge(stripe_account="acct_connected")
    with pytest.raises(AssertionError, match="wait for ever"):
        scene.resume()
    assert [row["status"] for row in rows(ATTEMPTS)] == ["UNKNOWN"]
    assert len(scene.simulator.ledger(account="acct_connected")["payment_intents"]) == 1


def test_a_connected_account_that_left_us_proves_no_absence(scene: Scene, rows: Rows) -> None:
    scene.simulator.fault("server_error", when="after", endpoint="payment_intents.create")
    asking = scene.simulator.fault("unavailable", endpoint="payment_intents.list", times=None)
    scene.charge(stripe_account="acct_connected")
    scene.simulator.delete(f"faults/{asking}")
    scene.simulator.post("accounts/disconnect", {"account": "acct_connected"})
    with pytest.raises(AssertionError, match="wait for ever"):
        scene.resume()
    assert [row["status"] for row in rows(ATTEMPTS)] == ["UNKNOWN"]
    scene.simulator.post("accounts/connect", {"account": "acct_connected"})
    scene.resume()
    assert rows.one("SELECT status FROM payment")["status"] == "SUCCEEDED"


PARTS = 150


def test_refunds_whose_second_page_fails_are_gone_on_with(scene: Scene) -> None:
    scene.charge()
    (intent,) = scene.simulator.ledger()["payment_intents"]
    for _ in range(PARTS):
        scene.simulator.post(f"payment_intents/{intent['id']}/refund", {"amount": 1})
    refunds = scene.simulator.ledger()["payment_intents"][0]["refunds"]
    last_of_first_page = refunds[PARTS - 100]["id"]
    scene.simulator.fault(
        "unavailable", endpoint="refunds.list", params={"starting_after": last_of_first_page}, times=3
    )
    before = scene.simulator.get("requests").get("refunds.list", {}).get("200", 0)
    found = scene.context.stripe.refunds_of(intent["id"], account="")
    assert not isinstance(found, Unanswered | Postponed)
    assert len({each.stripe_refund_id for each in found}) == len(found) == PARTS
    assert scene.simulator.get("requests")["refunds.list"]["200"] == before + 2


def _customer(scene: Scene) -> str:
    return str(scene.at_stripe("/v1/customers", {"email": "ada@example.com"})["id"])
