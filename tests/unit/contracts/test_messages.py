"""Every message that we build is valid by our own schemas, and by the catalogue's where it has one."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, FormatChecker

from payment_worker.contracts import messages
from payment_worker.contracts.envelope import MESSAGE_TYPES, MessageType, envelope, schema
from payment_worker.domain.attempts.declines import FailureReason

CATALOGUE = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8"))
    for path in Path(__file__).with_name("catalogue").glob("*.schema.json")
}

PAYMENT, REFUND = UUID(int=1), UUID(int=4)
ORDER, CUSTOMER = str(UUID(int=2)), str(UUID(int=3))
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MONEY: dict[str, Any] = {"amount": 1234, "currency": "EUR"}

Case = tuple[type[messages.Message], dict[str, Any], dict[str, Any]]
"""A message, what it needs, and what it may be given beside."""
CASES: dict[MessageType, Case] = {
    "PaymentRequested": (
        messages.PaymentRequested,
        {"payment_id": PAYMENT, "order_id": ORDER, **MONEY, "requested_at": NOON},
        {"customer_id": CUSTOMER},
    ),
    "PaymentAuthorized": (
        messages.PaymentAuthorized,
        {"payment_id": PAYMENT, "order_id": ORDER, **MONEY, "authorized_at": NOON},
        {"processor_reference": "ch_1", "capture_before": NOON, "amount_captured": 5},
    ),
    "PaymentActionRequired": (
        messages.PaymentActionRequired,
        {"payment_id": PAYMENT, "order_id": ORDER, "required_at": NOON},
        {"action_url": "https://example.com/3ds", "processor_reference": "pi_1"},
    ),
    "PaymentProcessing": (
        messages.PaymentProcessing,
        {"payment_id": PAYMENT, "order_id": ORDER, **MONEY, "started_at": NOON},
        {"processor_reference": "pi_1"},
    ),
    "PaymentSucceeded": (
        messages.PaymentSucceeded,
        {"payment_id": PAYMENT, "order_id": ORDER, **MONEY, "succeeded_at": NOON},
        {"processor_reference": "ch_1"},
    ),
    "PaymentFailed": (
        messages.PaymentFailed,
        {"payment_id": PAYMENT, "order_id": ORDER, "reason": FailureReason.CARD_DECLINED, "failed_at": NOON},
        {"decline_code": "lost_card", "processor_reference": "pi_1"},
    ),
    "PaymentCanceled": (
        messages.PaymentCanceled,
        {"payment_id": PAYMENT, "order_id": ORDER, "canceled_at": NOON},
        {"reason": "abandoned"},
    ),
    "RefundRequested": (
        messages.RefundRequested,
        {"refund_id": REFUND, "payment_id": PAYMENT, **MONEY, "requested_at": NOON},
        {"order_id": ORDER, "reason": "duplicate"},
    ),
    "RefundPending": (
        messages.RefundPending,
        {"refund_id": REFUND, "payment_id": PAYMENT, **MONEY, "pending_since": NOON},
        {"order_id": ORDER, "reason": "insufficient_funds", "processor_reference": "re_1"},
    ),
    "RefundProcessed": (
        messages.RefundProcessed,
        {"refund_id": REFUND, "payment_id": PAYMENT, **MONEY, "processed_at": NOON},
        {"order_id": ORDER, "processor_reference": "re_1"},
    ),
    "RefundFailed": (
        messages.RefundFailed,
        {
            "refund_id": REFUND,
            "payment_id": PAYMENT,
            **MONEY,
            "reason": "lost_or_stolen_card",
            "failed_at": NOON,
        },
        {"order_id": ORDER, "processor_reference": "re_1"},
    ),
    "DisputeOpened": (
        messages.DisputeOpened,
        {"dispute_id": "dp_1", "payment_id": PAYMENT, **MONEY, "opened_at": NOON},
        {"order_id": ORDER, "reason": "fraudulent", "evidence_due_by": NOON},
    ),
    "PaymentSuspected": (
        messages.PaymentSuspected,
        {
            "payment_id": PAYMENT,
            "order_id": ORDER,
            "warning_id": "issfr_1",
            "fraud_type": "made_with_stolen_card",
            "is_actionable": False,
            "suspected_at": NOON,
        },
        {"processor_reference": "ch_1"},
    ),
    "RequestRejected": (
        messages.RequestRejected,
        {
            "request_id": REFUND,
            "task": "payment_worker.charge",
            "errors": [{"field": "amount", "message": "must be an integer"}],
            "rejected_at": NOON,
        },
        {"payment_id": PAYMENT, "refund_id": REFUND, "order_id": "4711"},
    ),
    "PayoutPaid": (
        messages.PayoutPaid,
        {"payout_id": "po_1", **MONEY, "arrival_date": NOON.date(), "paid_at": NOON},
        {"stripe_account": "acct_1"},
    ),
    "PayoutFailed": (
        messages.PayoutFailed,
        {"payout_id": "po_1", **MONEY, "reason": "account_closed", "failed_at": NOON},
        {"stripe_account": "acct_1"},
    ),
    "DisputeClosed": (
        messages.DisputeClosed,
        {
            "dispute_id": "dp_1",
            "payment_id": PAYMENT,
            **MONEY,
            "outcome": "WARNING_CLOSED",
            "closed_at": NOON,
        },
        {"order_id": ORDER},
    ),
}

EVERY_TYPE = pytest.mark.parametrize("message_type", MESSAGE_TYPES)


def built(message_type: MessageType, *, optional: bool) -> dict[str, object]:
    kind, required, beside = CASES[message_type]
    message = kind(**required, **(beside if optional else {}))
    assert message.message_type == message_type
    is_of_a_payment = not message_type.startswith(("Payout", "RequestRejected"))
    return message.data(stripe_account="eu" if optional and is_of_a_payment else "")


def faults(form: dict[str, Any], data: object) -> list[str]:
    return [
        error.message for error in Draft7Validator(form, format_checker=FormatChecker()).iter_errors(data)
    ]


def test_the_formats_that_the_schemas_name_are_really_checked() -> None:
    assert {"date-time", "uuid", "uri"} <= FormatChecker.checkers.keys()


def test_there_is_a_case_and_a_schema_file_for_every_type() -> None:
    files = Path(messages.__file__).with_name("schemas").glob("*.schema.json")

    assert set(MESSAGE_TYPES) == set(CASES) == {path.name.removesuffix(".schema.json") for path in files}


@EVERY_TYPE
def test_a_schema_is_a_schema_and_names_its_message(message_type: MessageType) -> None:
    form = schema(message_type)

    Draft7Validator.check_schema(form)
    assert form["title"] == message_type
    assert form["$id"] == f"urn:payment-worker:message:{message_type}"


@EVERY_TYPE
@pytest.mark.parametrize("optional", [True, False])
def test_a_message_is_valid(message_type: MessageType, *, optional: bool) -> None:
    data = json.loads(json.dumps(built(message_type, optional=optional)))

    assert faults(schema(message_type), data) == []
    assert faults(CATALOGUE.get(message_type, {}), data) == []


@EVERY_TYPE
def test_a_message_holds_what_its_schema_names_and_nothing_else(message_type: MessageType) -> None:
    form: dict[str, Any] = schema(message_type)

    assert set(built(message_type, optional=True)) == set(form["properties"])
    assert set(built(message_type, optional=False)) == set(form["required"])


def test_the_catalogue_has_the_five_messages_that_we_publish() -> None:
    assert set(CATALOGUE) == {
        "PaymentRequested",
        "RefundRequested",
        "PaymentSucceeded",
        "PaymentFailed",
        "RefundProcessed",
    }


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_our_schema_says_of_the_catalogues_fields_what_the_catalogue_says(name: MessageType) -> None:
    ours: dict[str, Any] = schema(name)
    theirs = CATALOGUE[name]

    assert ours["required"] == theirs["required"]
    for field, form in theirs["properties"].items():
        # A shop's own numbers are any text; whoever sends UUIDs is told UUIDs.
        widened = {"format"} if field in {"orderId", "customerId"} else set()
        said = {key: value for key, value in form.items() if key not in {"description", *widened}}
        assert said.items() <= ours["properties"][field].items()


instants = st.datetimes(timezones=st.timezones() | st.just(UTC), allow_imaginary=False)


@given(instants)
def test_an_instant_is_published_in_utc_and_loses_nothing(instant: datetime) -> None:
    data = messages.PaymentCanceled(payment_id=PAYMENT, order_id=ORDER, canceled_at=instant).data()
    told = str(data["canceledAt"])

    assert told.endswith("Z")
    # Python holds an instant in a zone that repeats its hour for unequal to all others.
    assert datetime.fromisoformat(told) == instant.astimezone(UTC)
    assert faults(schema("PaymentCanceled"), data) == []


def test_an_instant_without_a_zone_is_a_bug() -> None:
    with pytest.raises(ValueError, match="zone"):
        messages.PaymentCanceled(payment_id=PAYMENT, order_id=ORDER, canceled_at=datetime(2026, 1, 1)).data()  # noqa: DTZ001 - the bug


@pytest.mark.parametrize("reason", list(FailureReason))
def test_every_reason_for_a_failure_is_in_the_schema(reason: FailureReason) -> None:
    data = messages.PaymentFailed(payment_id=PAYMENT, order_id=ORDER, reason=reason, failed_at=NOON).data()

    assert faults(CATALOGUE["PaymentFailed"], data) == []
    assert data["reason"] == reason.value


def test_an_envelope_is_a_cloud_event() -> None:
    cet = NOON.astimezone(timezone(timedelta(hours=1)))

    assert envelope(
        message_id=UUID(int=9), type="PaymentSucceeded", subject=PAYMENT, time=cet, data={"a": 1}
    ) == {
        "specversion": "1.0",
        "id": "00000000-0000-0000-0000-000000000009",
        "source": "/payment-worker",
        "type": "PaymentSucceeded",
        "subject": "00000000-0000-0000-0000-000000000001",
        "time": "2026-11-22T12:00:00Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:payment-worker:message:PaymentSucceeded",
        "data": {"a": 1},
    }
