"""A request is taken as a whole or refused with every bad field named, and a refusal never quotes a value."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_worker.contracts.requests import (
    AdoptRequest,
    CancelRequest,
    CaptureRequest,
    ChargeRequest,
    FetchEventRequest,
    FieldError,
    ImportBalanceRequest,
    InvalidRequest,
    MaintenanceRequest,
    ReconcileRequest,
    RefundRequest,
    Request,
    RetryChargeRequest,
    StripeEventRequest,
    parse,
)

PAYMENT = "0b6cd9e0-7f6c-4a38-9a4b-3f4d6c1f7a11"
ORDER = "4dd38b52-6c2c-4b0e-8a60-5b4e6f5ab0d2"
REFUND = "9f2d6a1c-1f6e-4f0f-9a7c-2d3e4f5a6b7c"
CARD = "4242 4242 4242 4242"

LEAST: dict[type[Request], dict[str, object]] = {
    ChargeRequest: {
        "payment_id": PAYMENT,
        "order_id": ORDER,
        "amount": 1234,
        "currency": "eur",
        "payment_method": "pm_card_visa",
    },
    AdoptRequest: {"payment_id": PAYMENT, "order_id": ORDER, "payment_intent": "pi_1"},
    CaptureRequest: {"payment_id": PAYMENT},
    CancelRequest: {"payment_id": PAYMENT},
    RetryChargeRequest: {"payment_id": PAYMENT},
    RefundRequest: {"refund_id": REFUND, "payment_id": PAYMENT},
    StripeEventRequest: {"payload": "{}", "signature": "t=1,v1=ab"},
    FetchEventRequest: {"event_id": "evt_1"},
    MaintenanceRequest: {},
    ReconcileRequest: {},
    ImportBalanceRequest: {},
}
MODELS = list(LEAST)


def a_charge(**replaced: object) -> dict[str, object]:
    return {**LEAST[ChargeRequest], **replaced}


def errors_of(model: type[Request], kwargs: dict[str, object], *args: object) -> dict[str, str]:
    """Code by field of what is wrong."""
    with pytest.raises(InvalidRequest) as caught:
        parse(model, kwargs, args)
    return {error.field: error.code for error in caught.value.errors}


def charge_errors(**replaced: object) -> dict[str, str]:
    return errors_of(ChargeRequest, a_charge(**replaced))


@pytest.mark.parametrize("model", MODELS)
def test_what_is_required_is_enough(model: type[Request]) -> None:
    parse(model, LEAST[model])


@pytest.mark.parametrize("model", MODELS)
def test_nothing_that_is_required_may_be_missing(model: type[Request]) -> None:
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    # The payment method may be left out where there is a confirmation token.
    required |= {"payment_method"} & set(LEAST[model])
    assert required == set(LEAST[model])

    if required:
        assert errors_of(model, {}) == dict.fromkeys(required, "missing")


@pytest.mark.parametrize("model", MODELS)
def test_an_unknown_argument_is_refused(model: type[Request]) -> None:
    assert errors_of(model, {**LEAST[model], "amuont": 5}) == {"amuont": "unknown"}


@pytest.mark.parametrize("model", MODELS)
def test_positional_arguments_are_refused(model: type[Request]) -> None:
    assert errors_of(model, LEAST[model], PAYMENT) == {"arguments": "positional"}


@pytest.mark.parametrize("model", MODELS)
def test_null_is_the_same_as_leaving_an_optional_argument_out(model: type[Request]) -> None:
    optional = {name: None for name, field in model.model_fields.items() if not field.is_required()}

    assert parse(model, {**optional, **LEAST[model]}) == parse(model, LEAST[model])


def test_a_charge_holds_what_it_was_given_in_our_own_forms() -> None:
    charge = parse(
        ChargeRequest, a_charge(payment_id=PAYMENT.upper(), currency="eUr", metadata={"b": "2", "a": "1"})
    )

    assert charge.payment_id == UUID(PAYMENT)
    assert charge.currency == "EUR"
    assert charge.amount == 1234
    assert charge.capture_method == "automatic"
    assert list(charge.metadata) == ["a", "b"]


def test_what_kombu_has_already_decoded_is_taken_as_well() -> None:
    # Its JSON carries UUIDs and instants as such between Python programs.
    charge = parse(ChargeRequest, a_charge(payment_id=UUID(PAYMENT)))
    period = parse(ReconcileRequest, {"since": datetime(2026, 11, 1, tzinfo=UTC)})

    assert charge == parse(ChargeRequest, a_charge())
    assert period == parse(ReconcileRequest, {"since": "2026-11-01T00:00:00Z"})


def test_every_bad_field_is_named_at_once() -> None:
    assert errors_of(
        ChargeRequest,
        {
            "payment_id": "7",
            "amount": "100",
            "currency": "ABC",
            "payment_method": 5,
            "metadata": {"a": 1},
            "x": 1,
        },
        1,
    ) == {
        "arguments": "positional",
        "payment_id": "not_a_uuid",
        "order_id": "missing",
        "amount": "not_an_integer",
        "currency": "unknown_currency",
        "payment_method": "not_a_string",
        "metadata.a": "not_a_string",
        "x": "unknown",
    }


@pytest.mark.parametrize("amount", ["100", 1.0, 100.5, True, False, None, [], {}, "1e2"])
def test_an_amount_is_an_integer_and_nothing_like_one(amount: object) -> None:
    assert charge_errors(amount=amount) == {"amount": "not_an_integer"}


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (0, "usd", "not_positive"),
        (-1, "usd", "not_positive"),
        (49, "usd", "below_minimum"),
        (100_000_000, "usd", "above_maximum"),
        (10**40, "usd", "above_maximum"),
        (5124, "kwd", "not_a_step"),
        (550, "isk", "not_a_step"),
    ],
)
def test_an_amount_that_stripe_would_refuse_is_refused(amount: int, currency: str, code: str) -> None:
    assert charge_errors(amount=amount, currency=currency) == {"amount": code}


def test_an_amount_is_judged_even_where_its_currency_is_no_currency() -> None:
    assert charge_errors(amount=-1, currency="xyz") == {
        "amount": "not_positive",
        "currency": "unknown_currency",
    }


def test_a_part_of_a_payment_needs_only_be_positive() -> None:
    assert parse(CaptureRequest, {"payment_id": PAYMENT, "amount": 1}).amount == 1
    assert errors_of(CaptureRequest, {"payment_id": PAYMENT, "amount": 0}) == {"amount": "not_positive"}
    assert errors_of(RefundRequest, {**LEAST[RefundRequest], "amount": 1.0}) == {"amount": "not_an_integer"}


@pytest.mark.parametrize("currency", ["", "eu", "euro", "XXX", "978", "E R", "\u0131dr", "EUR\n", 978, None])
def test_a_currency_is_one_in_which_stripe_charges(currency: object) -> None:
    assert list(charge_errors(currency=currency)) == ["currency"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "7",
        PAYMENT.replace("-", ""),
        f"{{{PAYMENT}}}",
        f"urn:uuid:{PAYMENT}",
        f"{PAYMENT}\n",
        7,
        None,
        ["a"],
    ],
)
def test_a_uuid_is_written_canonically(value: object) -> None:
    assert charge_errors(payment_id=value) == {"payment_id": "not_a_uuid"}


@pytest.mark.parametrize(
    "text", ["4711", "#1001", "A/2026-000017", "Ünïcode ✓", "x" * 255, ORDER.replace("-", "")]
)
def test_an_order_has_any_number_of_its_shop(text: str) -> None:
    request = parse(ChargeRequest, {**LEAST[ChargeRequest], "order_id": text, "customer_id": text})

    assert (request.order_id, request.customer_id) == (text, text)


@pytest.mark.parametrize("text", [ORDER.upper(), f"{{{ORDER}}}", f"{{{ORDER.upper()}}}", f"urn:uuid:{ORDER}"])
def test_an_orders_uuid_is_the_same_however_it_is_written(text: str) -> None:
    assert parse(ChargeRequest, {**LEAST[ChargeRequest], "order_id": text}).order_id == ORDER


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "too_short"),
        ("x" * 256, "too_long"),
        ("a\0", "nul_character"),
        ("\ud800", "not_unicode"),
        (4711, "not_a_string"),
        ("4111 1111 1111 1111", "card_number"),
    ],
)
def test_an_orders_number_is_text_that_can_be_kept(text: object, code: str) -> None:
    assert charge_errors(order_id=text) == {"order_id": code}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "visa",
        "pm_",
        "pm-1",
        "pm_ä",
        "pm_1\n",
        "pm_" + "x" * 253,
        "4242424242424242",
        "pm_4242424242424242",
    ],
)
def test_a_payment_method_has_the_form_of_stripes_ids(value: str) -> None:
    assert list(charge_errors(payment_method=value)) == ["payment_method"]


@pytest.mark.parametrize("value", ["pm_1NirD82eZvKYlo2C", "card_1", "src_1", "tok_visa", "pm_card_visa"])
def test_payment_methods_of_every_kind_are_taken(value: str) -> None:
    assert parse(ChargeRequest, a_charge(payment_method=value)).payment_method == value


def test_a_customer_is_no_account() -> None:
    assert charge_errors(stripe_customer="acct_1", stripe_account="cus_1") == {
        "stripe_customer": "wrong_form",
        "stripe_account": "wrong_form",
    }


@pytest.mark.parametrize("character", "<>\\'\"*")
def test_a_descriptor_has_no_character_that_card_networks_forbid(character: str) -> None:
    assert charge_errors(statement_descriptor_suffix=f"ORDER{character}1") == {
        "statement_descriptor_suffix": "forbidden_character"
    }


def test_texts_are_as_long_as_stripe_takes_them_and_no_longer() -> None:
    parse(ChargeRequest, a_charge(description="x" * 1000, statement_descriptor_suffix="X" * 22))

    assert charge_errors(description="x" * 1001, statement_descriptor_suffix="X" * 23) == {
        "description": "too_long",
        "statement_descriptor_suffix": "too_long",
    }


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ([], "not_an_object"),
        ({str(n): "x" for n in range(48)}, "too_many_keys"),
        ({"k" * 41: "x"}, "too_long"),
        ({"": "x"}, "too_long"),
        ({"k": "x" * 501}, "too_long"),
        ({"k[0]": "x"}, "forbidden_character"),
        ({"payment_worker_payment_id": "x"}, "reserved"),
        ({"k": "\0"}, "nul_character"),
        ({"k": "\ud800"}, "not_unicode"),
        ({"\udfff": "x"}, "not_unicode"),
        ({"k": CARD}, "card_number"),
        ({CARD: "x"}, "card_number"),
    ],
)
def test_metadata_are_what_stripe_takes_less_what_is_ours(metadata: object, code: str) -> None:
    assert charge_errors(metadata=metadata) == {"metadata": code}


@pytest.mark.parametrize("value", [1, True, None, 1.5, ["x"], {"x": "y"}])
def test_metadata_are_strings(value: object) -> None:
    assert charge_errors(metadata={"k": value}) == {"metadata.k": "not_a_string"}


def test_forty_seven_keys_are_not_too_many() -> None:
    parse(ChargeRequest, a_charge(metadata={str(n) * 20: "x" * 500 for n in range(10, 57)}))


TEXTS = [
    (ChargeRequest, "description"),
    (ChargeRequest, "statement_descriptor_suffix"),
    (CancelRequest, "reason"),
    (RefundRequest, "requested_by"),
    (RefundRequest, "note"),
]


@pytest.mark.parametrize(("model", "field"), TEXTS)
@pytest.mark.parametrize("number", ["4242424242424242", CARD, "4242-4242-4242-4242", "378282246310005"])
def test_a_card_number_in_any_text_makes_a_request_malformed(
    model: type[Request], field: str, number: str
) -> None:
    assert errors_of(model, {**LEAST[model], field: f"a {number}"}) == {field: "card_number"}


@pytest.mark.parametrize(
    ("model", "field"), [*TEXTS, (StripeEventRequest, "payload"), (StripeEventRequest, "signature")]
)
@pytest.mark.parametrize(
    ("text", "code"), [("a\0b", "nul_character"), ("\ud800", "not_unicode"), (5, "not_a_string")]
)
def test_what_no_database_can_hold_is_refused(
    model: type[Request], field: str, text: object, code: str
) -> None:
    assert errors_of(model, {**LEAST[model], field: text}) == {field: code}


def test_a_refund_has_one_of_stripes_reasons_or_none() -> None:
    assert parse(RefundRequest, {**LEAST[RefundRequest], "reason": "duplicate"}).reason == "duplicate"
    assert errors_of(RefundRequest, {**LEAST[RefundRequest], "reason": "reason"}) == {
        "reason": "not_a_choice"
    }


@pytest.mark.parametrize("method", ["", "Automatic", False, 0])
def test_a_capture_method_is_automatic_or_manual(method: object) -> None:
    assert charge_errors(capture_method=method) == {"capture_method": "not_a_choice"}


def test_a_period_is_in_utc_whatever_its_zone() -> None:
    period = parse(ReconcileRequest, {"since": "2026-11-01", "until": "2026-11-02T01:00:00+02:00"})

    assert period.since == datetime(2026, 11, 1, tzinfo=UTC)
    assert period.until == datetime(2026, 11, 1, 23, tzinfo=UTC)


@pytest.mark.parametrize("since", ["yesterday", "", 1_700_000_000, "1700000000", True])
def test_an_instant_is_in_iso_8601(since: object) -> None:
    assert errors_of(ReconcileRequest, {"since": since}) == {"since": "not_an_instant"}


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-23:59", "1969-12-31"])
def test_an_instant_lies_where_arithmetic_with_it_can_be_done(since: str) -> None:
    assert errors_of(ReconcileRequest, {"since": since}) == {"since": "out_of_range"}


def test_a_period_ends_after_it_begins() -> None:
    period = {"since": "2026-11-02", "until": "2026-11-02"}

    assert errors_of(ReconcileRequest, dict(period)) == {"until": "before_since"}


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([CARD, PAYMENT, "usd"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def errors_in(model: type[Request], kwargs: dict[str, object]) -> tuple[FieldError, ...]:
    """What is wrong, if anything."""
    try:
        parse(model, kwargs)
    except InvalidRequest as invalid:
        return invalid.errors
    return ()


@given(st.sampled_from(MODELS), st.data())
def test_whatever_comes_is_a_request_or_an_error_that_names_fields(
    model: type[Request], data: st.DataObject
) -> None:
    names = st.sampled_from([*model.model_fields, "x"])
    kwargs = {**LEAST[model], **data.draw(st.dictionaries(names, anything))}

    assert all(error.field.split(".")[0] in kwargs for error in errors_in(model, kwargs))


SECRET = "s3cr3t-v4lu3"


@given(st.sampled_from(MODELS), st.data())
def test_no_error_quotes_a_value(model: type[Request], data: st.DataObject) -> None:
    fields = data.draw(st.sets(st.sampled_from([*model.model_fields, "x"])))
    wrong = data.draw(st.sampled_from([SECRET + "\0", [SECRET], {"k": [SECRET]}, SECRET * 9999]))

    assert SECRET not in str(
        InvalidRequest(errors_in(model, {**LEAST[model], **dict.fromkeys(fields, wrong)}))
    )


def test_a_card_number_for_a_name_is_masked_in_the_error() -> None:
    fields = charge_errors(**{CARD: "x"}, metadata={CARD: 5})

    assert fields == {"***4242": "unknown", "metadata.***4242": "not_a_string"}


def test_a_split_is_taken_as_stripe_names_it() -> None:
    split = {"application_fee_amount": 0, "transfer_data": {"destination": "acct_1"}, "transfer_group": "7"}

    assert parse(ChargeRequest, a_charge(**split)).passed_on == split
    assert parse(ChargeRequest, a_charge()).passed_on == {}


@pytest.mark.parametrize(
    ("argument", "value", "errors"),
    [
        ("application_fee_amount", -1, {"application_fee_amount": "too_small"}),
        ("application_fee_amount", 2**63, {"application_fee_amount": "too_great"}),
        ("application_fee_amount", "5", {"application_fee_amount": "not_an_integer"}),
        ("on_behalf_of", "pm_1", {"on_behalf_of": "wrong_form"}),
        ("transfer_data", "acct_1", {"transfer_data": "not_an_object"}),
        (
            "transfer_data",
            {"amount": 0},
            {"transfer_data.destination": "missing", "transfer_data.amount": "not_positive"},
        ),
        ("transfer_data", {"destination": "acct_1", "to": 1}, {"transfer_data.to": "unknown"}),
        ("transfer_group", CARD, {"transfer_group": "card_number"}),
        ("receipt_email", "nobody", {"receipt_email": "wrong_form"}),
        ("off_session", "true", {"off_session": "not_a_boolean"}),
        ("setup_future_usage", "off_session", {"setup_future_usage": "customer_is_away"}),
        ("return_url", "https://shop.example", {"return_url": "customer_is_away"}),
        ("confirmation_token", "ctoken_1", {"confirmation_token": "customer_is_away"}),
        ("payment_method", None, {"payment_method": "missing"}),
        ("mandate", "pm_1", {"mandate": "wrong_form"}),
        ("not_before", "tomorrow", {"not_before": "not_an_instant"}),
        ("mandate_data", {"customer_acceptance": {}}, {"mandate_data.customer_acceptance.type": "missing"}),
        (
            "mandate_data",
            {"customer_acceptance": {"type": "online", "online": {"ip": "1"}}},
            {
                "mandate_data.customer_acceptance.online.ip": "unknown",
                "mandate_data.customer_acceptance.online.ip_address": "missing",
                "mandate_data.customer_acceptance.online.user_agent": "missing",
            },
        ),
    ],
)
def test_an_argument_that_stripe_would_refuse_by_its_form_is_refused(
    argument: str, value: object, errors: dict[str, str]
) -> None:
    assert charge_errors(**{argument: value}) == errors


@pytest.mark.parametrize("there", [{"customer_present": True}, {"off_session": False}])
def test_a_customer_who_is_there_may_be_sent_on_and_come_back(there: dict[str, object]) -> None:
    given = {
        "return_url": "shop://done",
        "confirmation_token": "ctoken_1",
        "setup_future_usage": "on_session",
    }
    charge = parse(ChargeRequest, a_charge(payment_method=None, **given, **there))

    assert (charge.passed_on, charge.is_customer_away) == (given, False)
    assert charge_errors(return_url="done", **there) == {"return_url": "wrong_form"}


def test_what_a_refund_takes_back_is_yes_or_no() -> None:
    refund = {**LEAST[RefundRequest], "reverse_transfer": True}

    assert parse(RefundRequest, refund).reverse_transfer
    assert errors_of(RefundRequest, {**refund, "refund_application_fee": 1}) == {
        "refund_application_fee": "not_a_boolean"
    }
