"""What we rely on of Stripe, each as a check that holds at Stripe and at the simulator alike."""

from collections.abc import Callable
from typing import Any, Final

import stripe

from tests.drift.stripe_api import Answer, StripeApi, new_key

Check = Callable[[StripeApi], None]
CHECKS: Final[dict[str, Check]] = {}
"""Every check by its sentence."""
_DECLINES: Final = {
    "pm_card_visa_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": ("card_declined", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": ("card_declined", "stolen_card"),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": ("card_declined", "card_velocity_exceeded"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", None),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", None),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", None),
    "pm_card_authenticationRequired": ("authentication_required", "authentication_required"),
}
_ACTIVE_STATUS: Final = "payment_intent_unexpected_state"


class DriftError(Exception):
    """An answer differs from what we rely on. The message says how."""


def check(sentence: str) -> Callable[[Check], Check]:
    """Put a check on the list, under its sentence."""

    def listed(function: Check) -> Check:
        CHECKS[sentence] = function
        return function

    return listed


def equal(actual: object, expected: object, what: str) -> None:
    """Raise unless an answer says what is expected of it."""
    if actual != expected:
        raise DriftError(f"{what} is {actual!r}, not {expected!r}")


def refused(answer: Answer, status: int, **error: object) -> None:
    """Raise unless it is an error of this status with these fields; None: a field that is missing."""
    equal(answer.status, status, "status")
    for name, value in error.items():
        equal(answer.error.get(name), value, f"error.{name}")


def _charge_of(api: StripeApi, intent: Answer) -> Any:  # noqa: ANN401 JSON
    return api.get(f"payment_intents/{intent['id']}", expand=["latest_charge"])["latest_charge"]


def _refund(api: StripeApi, intent: Answer, **params: Any) -> Answer:  # noqa: ANN401 JSON
    return api.post("refunds", payment_intent=intent["id"], **params)


@check("a key that comes again replays status and body, and says so in a header")
def _replays(api: StripeApi) -> None:
    key = new_key()
    first, second = api.charge(key=key), api.charge(key=key)
    equal((second.status, second.body), (first.status, first.body), "the second answer")
    equal(first.headers.get("Idempotent-Replayed"), None, "the header of the first")
    equal(second.headers.get("Idempotent-Replayed"), "true", "the header of the second")


@check("a decline is replayed under its key, too")
def _replays_declines(api: StripeApi) -> None:
    key = new_key()
    first, second = (api.charge("pm_card_visa_chargeDeclined", key=key) for _ in range(2))
    equal(second.headers.get("Idempotent-Replayed"), "true", "the header")
    equal(second.error["payment_intent"]["id"], first.error["payment_intent"]["id"], "the PaymentIntent")


@check("a key with other parameters is an idempotency_error without a code")
def _refuses_other_parameters(api: StripeApi) -> None:
    key = new_key()
    api.charge(key=key)
    refused(api.charge(key=key, amount=1100), 400, type="idempotency_error", code=None)


@check("a key belongs to one endpoint")
def _refuses_another_endpoint(api: StripeApi) -> None:
    key = new_key()
    intent = api.charge(key=key)
    refused(api.post("refunds", key=key, payment_intent=intent["id"]), 400, type="idempotency_error")


@check("a request that was refused for its parameters leaves its key unused")
def _keeps_no_parameter_errors(api: StripeApi) -> None:
    key = new_key()
    refused(api.charge(key=key, nonsense="1"), 400, code="parameter_unknown", param="nonsense")
    equal(api.charge(key=key).status, 200, "the status under the same key")


for _method, _codes in _DECLINES.items():

    @check(f"{_method} is a 402 with {' and '.join(filter(None, _codes))}, and leaves a PaymentIntent")
    def _declines(api: StripeApi, method: str = _method, codes: tuple[str, str | None] = _codes) -> None:
        answer = api.charge(method)
        refused(answer, 402, type="card_error", code=codes[0])
        if codes[1]:
            equal(answer.error.get("decline_code"), codes[1], "error.decline_code")
        intent = answer.error["payment_intent"]
        equal(intent["status"], "requires_payment_method", "the PaymentIntent's status")
        equal(intent["last_payment_error"]["code"], codes[0], "last_payment_error.code")


@check("a declined PaymentIntent is confirmed with another card")
def _confirms_after_a_decline(api: StripeApi) -> None:
    declined = api.charge("pm_card_visa_chargeDeclined").error["payment_intent"]
    again = api.post(
        f"payment_intents/{declined['id']}/confirm", payment_method="pm_card_visa", off_session=True
    )
    equal((again.status, again["status"]), (200, "succeeded"), "status")


@check("a card that wants authentication on session is a requires_action with a next_action")
def _asks_for_authentication(api: StripeApi) -> None:
    intent = api.charge("pm_card_authenticationRequired", off_session=False)
    equal((intent.status, intent["status"]), (200, "requires_action"), "status")
    equal(intent["next_action"] is not None, True, "whether there is a next_action")  # noqa: FBT003


@check("a partial capture releases the rest, and makes no refund")
def _captures_a_part(api: StripeApi) -> None:
    intent = api.charge(capture_method="manual")
    equal(intent["status"], "requires_capture", "status")
    captured = api.post(f"payment_intents/{intent['id']}/capture", amount_to_capture=400)
    equal((captured["status"], captured["amount_received"]), ("succeeded", 400), "what was captured")
    charge = _charge_of(api, intent)
    seen = charge["amount_captured"], charge["amount_refunded"], charge["refunded"]
    equal(seen, (400, 0, False), "amount_captured, amount_refunded and refunded")
    equal(api.get("refunds", payment_intent=intent["id"])["data"], [], "the list of refunds")


@check("a canceled authorisation makes no refund")
def _cancels_an_authorisation(api: StripeApi) -> None:
    intent = api.charge(capture_method="manual")
    canceled = api.post(f"payment_intents/{intent['id']}/cancel", cancellation_reason="abandoned")
    equal((canceled["status"], canceled["cancellation_reason"]), ("canceled", "abandoned"), "status")
    charge = _charge_of(api, intent)
    equal((charge["amount_captured"], charge["refunded"]), (0, False), "amount_captured and refunded")
    equal(api.get("refunds", payment_intent=intent["id"])["data"], [], "the list of refunds")


@check("an authorisation is not refunded, but canceled")
def _refunds_no_authorisation(api: StripeApi) -> None:
    refused(_refund(api, api.charge(capture_method="manual")), 400, type="invalid_request_error")


for _action in ("cancel", "capture", "confirm"):

    @check(f"a succeeded PaymentIntent refuses {_action} as {_ACTIVE_STATUS}")
    def _is_final(api: StripeApi, action: str = _action) -> None:
        answer = api.post(f"payment_intents/{api.charge()['id']}/{action}")
        refused(answer, 400, type="invalid_request_error", code=_ACTIVE_STATUS)
        equal(answer.error["payment_intent"]["status"], "succeeded", "error.payment_intent.status")


@check("partial refunds succeed until nothing is left, then charge_already_refunded")
def _refunds_in_parts(api: StripeApi) -> None:
    intent = api.charge()
    for amount in (500, 599):
        equal(_refund(api, intent, amount=amount)["status"], "succeeded", f"the refund of {amount}")
    refused(_refund(api, intent), 400, code="charge_already_refunded")
    equal(_charge_of(api, intent)["refunded"], True, "whether the charge is refunded")  # noqa: FBT003


@check("a refund of more than is left is a 400 for amount, without a code")
def _refunds_no_more(api: StripeApi) -> None:
    refused(_refund(api, api.charge(), amount=1100), 400, param="amount", code=None)


@check("pm_card_pendingRefund is refunded later")
def _refunds_later(api: StripeApi) -> None:
    equal(_refund(api, api.charge("pm_card_pendingRefund"))["status"], "pending", "the refund's status")


@check("a disputed charge is not refunded: charge_disputed")
def _refunds_no_disputed_charge(api: StripeApi) -> None:
    intent = api.charge("pm_card_createDispute")
    api.eventually("the charge is disputed", lambda: _charge_of(api, intent)["disputed"])
    refused(_refund(api, intent), 400, code="charge_disputed")


@check("a charge gets its balance transaction, with its fee and net")
def _books_a_charge(api: StripeApi) -> None:
    intent = api.charge()
    found = api.eventually("a balance transaction", lambda: _charge_of(api, intent)["balance_transaction"])
    booked = api.get(f"balance_transactions/{found}")
    equal(booked["net"], booked["amount"] - booked["fee"], "net")
    equal((booked["type"], booked["source"]), ("charge", intent["latest_charge"]), "type and source")


@check("a list is newest first, and goes on after an id")
def _lists(api: StripeApi) -> None:
    customer = api.post("customers")["id"]
    ids = [api.charge(customer=customer)["id"] for _ in range(3)]
    first = api.get("payment_intents", customer=customer, limit=2)
    equal([each["id"] for each in first["data"]], ids[:0:-1], "the first page")
    equal(first["has_more"], True, "has_more of the first page")  # noqa: FBT003
    rest = api.get("payment_intents", customer=customer, limit=2, starting_after=ids[1])
    equal([each["id"] for each in rest["data"]], ids[:1], "the second page")
    equal(rest["has_more"], False, "has_more of the second page")  # noqa: FBT003


@check("a list by creation time shows at once what was made, and includes its bounds")
def _lists_by_time(api: StripeApi) -> None:
    intent = api.charge()
    bounds = {"gte": intent["created"], "lte": intent["created"]}
    listed = api.get("payment_intents", created=bounds, limit=100)
    equal(intent["id"] in [each["id"] for each in listed["data"]], True, "whether it is listed")  # noqa: FBT003


@check("a list takes no more than 100 at once")
def _limits_pages(api: StripeApi) -> None:
    refused(api.get("events", limit=101), 400, type="invalid_request_error", param="limit")


@check("search finds by metadata, in the end")
def _searches(api: StripeApi) -> None:
    mark = new_key()
    intent = api.charge(metadata={"mark": mark})
    query = f"metadata['mark']:'{mark}'"
    found = api.eventually("search finds it", lambda: api.get("payment_intents/search", query=query)["data"])
    equal([each["id"] for each in found], [intent["id"]], "what is found")


@check("an event names the request's idempotency key and holds the object")
def _tells_of_events(api: StripeApi) -> None:
    key = new_key()
    intent = api.charge(key=key)

    def events() -> list[dict[str, Any]]:
        listed = api.get("events", types=["payment_intent.succeeded"], limit=100)["data"]
        return [each for each in listed if each["data"]["object"]["id"] == intent["id"]]

    event = api.eventually("the event is listed", events)[0]
    equal(event["request"]["idempotency_key"], key, "request.idempotency_key")
    equal(event["data"]["object"]["status"], "succeeded", "data.object.status")
    equal(api.get(f"events/{event['id']}")["type"], "payment_intent.succeeded", "the type when retrieved")


@check("what does not exist is a 404 resource_missing")
def _misses(api: StripeApi) -> None:
    refused(
        api.get("payment_intents/pi_3missing"), 404, code="resource_missing", type="invalid_request_error"
    )


@check("too small an amount is amount_too_small")
def _refuses_small_amounts(api: StripeApi) -> None:
    refused(api.charge(amount=1), 400, code="amount_too_small", type="invalid_request_error")


@check("an amount in JPY has no decimals")
def _charges_yen(api: StripeApi) -> None:
    equal(api.charge(amount=120, currency="jpy")["amount_received"], 120, "amount_received")


@check("metadata has at most 50 names")
def _limits_metadata(api: StripeApi) -> None:
    refused(api.charge(metadata={f"name{n}": "x" for n in range(51)}), 400, type="invalid_request_error")


@check("an answer names its request and its API version")
def _names_requests(api: StripeApi) -> None:
    key = new_key()
    answer = api.charge(key=key)
    equal(answer.headers.get("Request-Id", "")[:4], "req_", "the beginning of Request-Id")
    equal(answer.headers.get("Stripe-Version"), stripe.api_version, "Stripe-Version")
    equal(answer.headers.get("Idempotency-Key"), key, "Idempotency-Key")


@check("a key that is none is a 401 invalid_request_error")
def _refuses_keys(api: StripeApi) -> None:
    stranger = api.with_key("nonsense")
    refused(stranger.get("payment_intents"), 401, type="invalid_request_error")
    stranger.close()


@check("a SetupIntent with a test card saves it for a customer")
def _saves_cards(api: StripeApi) -> None:
    customer = api.post("customers")["id"]
    setup = api.post(
        "setup_intents",
        customer=customer,
        payment_method="pm_card_visa",
        confirm=True,
        automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
    )
    equal(setup["status"], "succeeded", "the SetupIntent's status")
    listed = api.get(f"customers/{customer}/payment_methods")["data"]
    equal([each["id"] for each in listed], [setup["payment_method"]], "the customer's payment methods")
