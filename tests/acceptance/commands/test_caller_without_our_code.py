"""An app with Celery alone, and none of our code, has money moved by name and finds all of it where it was promised."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.acceptance.scene import Json, Scene
from tests.harness.books import told
from tests.harness.producer import a_charge, a_refund

SCHEMAS = Path(__file__).parents[2] / "unit" / "contracts" / "catalogue"

# What the README tells other apps to write, in a process that cannot even import us.
APP = """
import json, sys
from celery import Celery

app = Celery("shop", broker=sys.argv[1])
for task, queue, arguments in json.loads(sys.argv[2]):
    app.send_task(f"payment_worker.{task}", kwargs=arguments, queue=queue)
assert "payment_worker" not in sys.modules
"""


@pytest.fixture(scope="module")
def bought(scene: Scene) -> tuple[Json, Json]:
    """A charge and a refund, sent by such an app and done."""
    charge = a_charge(
        customer_id="6f1c2a52-93bb-4bd0-9d0c-5b1ac5b3c1de",
        currency="eur",
        description="two chairs",
        metadata={"basket": "17"},
    )
    _run_app(scene, ("charge", "charges", charge))
    scene.payment(charge["payment_id"], "SUCCEEDED")
    refund = a_refund(
        charge["payment_id"], amount=2_500, reason="requested_by_customer", requested_by="desk 4"
    )
    _run_app(scene, ("refund", "refunds", refund))
    scene.refund_row(refund["refund_id"], "PROCESSED")
    return charge, refund


def _run_app(scene: Scene, *messages: tuple[str, str, Json]) -> None:
    # Isolated, and from a directory of its own: nothing of this checkout can be found.
    command = [sys.executable, "-I", "-c", APP, scene.redis_url, json.dumps(messages)]
    subprocess.run(command, cwd=scene.directory, check=True, timeout=30)


def test_the_payment_is_a_row_with_stripes_ids(scene: Scene, bought: tuple[Json, Json]) -> None:
    charge, _ = bought
    row = scene.payment(charge["payment_id"], "SUCCEEDED")
    assert str(row["order_id"]) == charge["order_id"]
    assert str(row["customer_id"]) == charge["customer_id"]
    assert (row["amount"], row["amount_captured"], row["amount_refunded"]) == (10_000, 10_000, 2_500)
    assert row["currency"] == "EUR"
    (intent,) = scene.simulator.ledger()["payment_intents"]
    assert row["stripe_payment_intent_id"] == intent["id"]
    assert row["stripe_charge_id"].startswith("ch_")
    assert intent["metadata"]["basket"] == "17"


def test_the_refund_is_a_row_with_stripes_id(scene: Scene, bought: tuple[Json, Json]) -> None:
    row = scene.refund_row(bought[1]["refund_id"], "PROCESSED")
    (refund,) = scene.simulator.ledger()["payment_intents"][0]["refunds"]
    assert (row["amount"], row["stripe_refund_id"]) == (2_500, refund["id"])


@pytest.mark.usefixtures("bought")
def test_the_history_has_every_step_with_its_cause_and_actor(scene: Scene) -> None:
    steps = scene.rows("SELECT * FROM payment_history ORDER BY history_id")
    assert [(step["from_status"], step["to_status"]) for step in steps] == [
        (None, "REQUESTED"),
        ("REQUESTED", "SUCCEEDED"),
        (None, "REQUESTED"),
        ("REQUESTED", "PROCESSED"),
    ]
    assert [step["refund_id"] is not None for step in steps] == [False, False, True, True]
    assert all(step["cause"] and step["actor"] for step in steps)


def test_the_stream_has_it_in_order_by_the_catalogues_schemas(
    scene: Scene, bought: tuple[Json, Json]
) -> None:
    scene.books.must_agree()
    envelopes = told(scene.redis)
    assert [each["type"] for each in envelopes] == [
        "PaymentRequested",
        "PaymentSucceeded",
        "RefundRequested",
        "RefundProcessed",
    ]
    for envelope in envelopes:
        assert (envelope["specversion"], envelope["datacontenttype"]) == ("1.0", "application/json")
        assert envelope["subject"] == bought[0]["payment_id"]
        schema = json.loads((SCHEMAS / f"{envelope['type']}.schema.json").read_text(encoding="utf-8"))
        jsonschema.validate(envelope["data"], schema, format_checker=jsonschema.FormatChecker())


def test_every_currency_keeps_its_minor_units(scene: Scene) -> None:
    amounts = {"JPY": 5_400, "KWD": 12_340, "USD": 50, "EUR": 99_999_999}
    sent = {currency: scene.charge(currency=currency, amount=amount) for currency, amount in amounts.items()}
    for currency, payment_id in sent.items():
        row = scene.payment(payment_id, "SUCCEEDED")
        assert (row["currency"], row["amount_captured"]) == (currency, amounts[currency])
    scene.books.must_agree()


@pytest.mark.parametrize(
    ("payment_method", "status", "reason", "code"),
    [
        ("pm_card_visa_chargeDeclined", "FAILED", "CARD_DECLINED", "generic_decline"),
        (
            "pm_card_visa_chargeDeclinedInsufficientFunds",
            "FAILED",
            "INSUFFICIENT_FUNDS",
            "insufficient_funds",
        ),
        ("pm_card_radarBlock", "FAILED", "CARD_DECLINED", "fraudulent"),
        ("pm_card_chargeDeclinedProcessingError", "FAILED", "PROCESSING_ERROR", "processing_error"),
        ("pm_card_processing", "PROCESSING", None, None),
    ],
)
def test_what_is_not_paid_at_once_says_why(
    scene: Scene, payment_method: str, status: str, reason: str | None, code: str | None
) -> None:
    row = scene.payment(scene.charge(payment_method=payment_method), status)
    assert (row["failure_reason"], row["decline_code"], row["amount_captured"]) == (reason, code, 0)


def test_a_manual_capture_is_authorised_and_takes_nothing(scene: Scene) -> None:
    row = scene.payment(scene.charge(capture_method="manual"), "AUTHORIZED")
    assert row["amount_captured"] == 0
    refund_id = scene.refund(str(row["payment_id"]))
    assert scene.refund_row(refund_id, "FAILED")["failure_reason"] == "payment_not_captured"
    scene.books.must_agree()
