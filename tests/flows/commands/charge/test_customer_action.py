"""A demand for the customer is no decline: it is told with what brings them back, and ends when Stripe says so."""

from uuid import UUID

import pytest

from tests.flows.scene import Scene
from tests.harness.rows import Rows

THREE_D_SECURE = "pm_card_authenticationRequired"


@pytest.fixture
def waiting(scene: Scene) -> UUID:
    """A payment whose customer has to authenticate."""
    return scene.charge(payment_method=THREE_D_SECURE)


def _payment(rows: Rows, payment_id: UUID) -> dict[str, str | None]:
    return rows.one("SELECT * FROM payment WHERE payment_id = %s", str(payment_id))


def _statuses(rows: Rows, payment_id: UUID) -> list[str]:
    query = "SELECT to_status FROM payment_history WHERE payment_id = %s ORDER BY history_id"
    return [row["to_status"] for row in rows(query, str(payment_id))]


def test_off_session_it_is_published_with_the_payment_intent_to_complete(
    scene: Scene, rows: Rows, waiting: UUID
) -> None:
    payment = _payment(rows, waiting)
    assert (payment["status"], payment["failure_reason"]) == ("REQUIRES_ACTION", None)
    told = rows("SELECT type, data FROM outbox ORDER BY position")
    assert [row["type"] for row in told] == ["PaymentRequested", "PaymentActionRequired"]
    assert told[-1]["data"]["processorReference"] == payment["stripe_payment_intent_id"]
    assert scene.simulator.ledger()["payment_intents"][0]["effects"] == 0


def test_it_succeeds_once_the_customer_has_come_back(scene: Scene, rows: Rows, waiting: UUID) -> None:
    intent = str(_payment(rows, waiting)["stripe_payment_intent_id"])
    scene.confirm_on_session(intent, THREE_D_SECURE)
    scene.deliver(scene.events())
    assert _payment(rows, waiting)["status"] == "REQUIRES_ACTION"
    scene.simulator.post(f"payment_intents/{intent}/complete")
    scene.deliver(scene.events())
    assert _statuses(rows, waiting) == ["REQUESTED", "REQUIRES_ACTION", "SUCCEEDED"]


def test_what_a_stranger_made_cheaper_meanwhile_is_told_as_it_was_captured_and_found(
    scene: Scene, rows: Rows, waiting: UUID
) -> None:
    intent = str(_payment(rows, waiting)["stripe_payment_intent_id"])
    scene.at_stripe(f"/v1/payment_intents/{intent}", {"amount": "100"})
    scene.confirm_on_session(intent, "pm_card_visa")
    scene.deliver(scene.events())
    told = rows.one("SELECT data FROM outbox WHERE type = 'PaymentSucceeded'")["data"]
    assert told["amount"] == 100
    assert rows.one("SELECT amount_captured FROM payment") == {"amount_captured": 100}
    (finding,) = rows("SELECT kind, object_id FROM reconciliation_finding")
    assert finding == {"kind": "payment_amount_differs", "object_id": intent}


def test_it_fails_if_the_customer_does_not_authenticate(scene: Scene, rows: Rows, waiting: UUID) -> None:
    intent = str(_payment(rows, waiting)["stripe_payment_intent_id"])
    scene.confirm_on_session(intent, THREE_D_SECURE)
    scene.simulator.post(f"payment_intents/{intent}/fail")
    scene.deliver(scene.events())
    assert _payment(rows, waiting)["status"] == "FAILED"
    assert _payment(rows, waiting)["failure_reason"] == "CARD_DECLINED"


def test_on_session_a_declined_payment_may_require_action_and_has_its_url(scene: Scene, rows: Rows) -> None:
    declined = scene.charge(payment_method="pm_card_visa_chargeDeclined")
    intent = str(_payment(rows, declined)["stripe_payment_intent_id"])
    scene.confirm_on_session(intent, THREE_D_SECURE)
    scene.deliver(scene.events(types=["payment_intent.requires_action"]))
    payment = _payment(rows, declined)
    assert (payment["status"], payment["failure_reason"]) == ("REQUIRES_ACTION", None)
    told = rows.one("SELECT data FROM outbox WHERE type = 'PaymentActionRequired'")["data"]
    assert told["actionUrl"] == payment["action_url"] == f"https://hooks.stripe.com/3d_secure_2/{intent}"
    scene.simulator.post(f"payment_intents/{intent}/complete")
    scene.deliver(scene.events(types=["payment_intent.succeeded"]))
    assert (_payment(rows, declined)["status"], _payment(rows, declined)["action_url"]) == ("SUCCEEDED", None)


def test_no_client_secret_is_stored_published_or_logged(
    scene: Scene, rows: Rows, waiting: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    intent = str(_payment(rows, waiting)["stripe_payment_intent_id"])
    scene.confirm_on_session(intent, THREE_D_SECURE)
    sent = scene.simulator.get("events")["data"]
    secret = next(each["data"]["object"]["client_secret"] for each in sent if "_secret_" in str(each))
    scene.deliver(scene.events())
    tables = [row["tablename"] for row in rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    assert {"stripe_event", "outbox", "payment", "payment_attempt"} <= set(tables)
    kept = str([rows(f"SELECT * FROM {table}") for table in tables])  # noqa: S608 - our own tables
    logged = capsys.readouterr()
    assert intent in kept
    assert secret not in kept + logged.out + logged.err
