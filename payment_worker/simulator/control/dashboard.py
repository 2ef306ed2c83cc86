"""Control routes for what people in the dashboard, customers and banks do to payments."""

from starlette.routing import Route

from payment_worker.simulator.api.endpoints.routes import ENDPOINTS
from payment_worker.simulator.api.errors import RequestError
from payment_worker.simulator.api.parameters.checks import check
from payment_worker.simulator.control.routing import ControlError, ControlRequest, Json, json_route
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.lookup import found_intent
from payment_worker.simulator.resources.payers.test_methods import AUTHENTICATION_FAILED, Decline
from payment_worker.simulator.resources.payments import (
    capture_and_cancel,
    confirmation,
    payment_intents,
    refunds,
)
from payment_worker.simulator.state import Context, State

_PARAMETERS = {endpoint.name: endpoint.parameters for endpoint in ENDPOINTS}
_DECLINED = 402


def _params(request: ControlRequest, endpoint: str) -> Json:
    body = {name: value for name, value in request.body.items() if name not in ("account", "livemode")}
    return check(body, _PARAMETERS[endpoint], ())


def _create(request: ControlRequest) -> Json:
    context = request.context()
    request.body.setdefault("payment_method", "pm_card_visa")
    request.body.setdefault("confirm", True)
    if request.body["confirm"]:
        request.body.setdefault("off_session", True)
    try:
        return payment_intents.create(context, "", _params(request, "payment_intents.create"))
    except KeyError as error:
        raise ControlError(f"missing: {error}") from error
    except RequestError as error:
        if error.status == _DECLINED:
            return context.account.payment_intents[str(context.object_id)]
        raise


def _cancel(request: ControlRequest) -> Json:
    return capture_and_cancel.cancel(
        request.context(), request.path["id"], _params(request, "payment_intents.cancel")
    )


def _capture(request: ControlRequest) -> Json:
    return capture_and_cancel.capture(
        request.context(), request.path["id"], _params(request, "payment_intents.capture")
    )


def _complete(request: ControlRequest) -> Json:
    context = request.context()
    intent = found_intent(context, request.path["id"])
    if intent["status"] == "processing":
        confirmation.finish_processing(context, intent, good=True)
    elif intent["status"] == "requires_action":
        method = context.account.payment_methods[intent["payment_method"]]
        try:
            confirmation.attempt(context, intent, method, context.account.behaviours[method["id"]])
        except RequestError as error:
            if error.status != _DECLINED:
                raise
    else:
        raise ControlError(f"nothing to complete: it is {intent['status']}")
    return intent


def _fail(request: ControlRequest) -> Json:
    context = request.context()
    intent = found_intent(context, request.path["id"])
    fields = request.fields(code=None, decline_code=None)
    why = None
    if fields["code"] or fields["decline_code"]:
        why = Decline(fields["code"] or "card_declined", "Your card was declined.", fields["decline_code"])
    if intent["status"] == "processing":
        confirmation.finish_processing(context, intent, good=False, why=why)
    elif intent["status"] == "requires_action":
        _authentication_failed(context, intent, why or AUTHENTICATION_FAILED)
    else:
        raise ControlError(f"nothing to fail: it is {intent['status']}")
    return intent


def _authentication_failed(context: Context, intent: Json, why: Decline) -> None:
    method = context.account.payment_methods[intent["payment_method"]]
    confirmation.step_back(intent, confirmation.failure(why, method, None))
    emit(context, "payment_intent.payment_failed", intent)


def _expire(request: ControlRequest) -> Json:
    context = request.context()
    intent = found_intent(context, request.path["id"])
    if intent["status"] != "requires_capture":
        raise ControlError(f"nothing to expire: it is {intent['status']}")
    capture_and_cancel.expire(context, intent)
    return intent


def _refund_intent(request: ControlRequest) -> Json:
    params = _params(request, "refunds.create")
    return refunds.create(request.context(), "", {**params, "payment_intent": request.path["id"]})


def _refund_charge(request: ControlRequest) -> Json:
    return refunds.create(
        request.context(), "", {**_params(request, "refunds.create"), "charge": request.path["id"]}
    )


def _refund_waits(request: ControlRequest) -> Json:
    context = request.context()
    record = refunds.retrieve(context, request.path["id"], {})
    refunds.wait(
        context, record, reason=request.fields(pending_reason="insufficient_funds")["pending_reason"]
    )
    return record


def _refund_succeeds(request: ControlRequest) -> Json:
    context = request.context()
    record = refunds.retrieve(context, request.path["id"], {})
    refunds.succeed(context, record)
    return record


def _refund_fails(request: ControlRequest) -> Json:
    context = request.context()
    record = refunds.retrieve(context, request.path["id"], {})
    refunds.fail(
        context, record, reason=request.fields(failure_reason="lost_or_stolen_card")["failure_reason"]
    )
    return record


def _refund_canceled(request: ControlRequest) -> Json:
    return refunds.cancel(request.context(), request.path["id"], {})


def routes(state: State) -> list[Route]:
    """The routes of docs/simulator.md under What people and banks do."""
    table = (
        ("/payment_intents", _create),
        ("/payment_intents/{id}/cancel", _cancel),
        ("/payment_intents/{id}/capture", _capture),
        ("/payment_intents/{id}/complete", _complete),
        ("/payment_intents/{id}/fail", _fail),
        ("/payment_intents/{id}/expire", _expire),
        ("/payment_intents/{id}/refund", _refund_intent),
        ("/charges/{id}/refund", _refund_charge),
        ("/refunds/{id}/wait", _refund_waits),
        ("/refunds/{id}/succeed", _refund_succeeds),
        ("/refunds/{id}/fail", _refund_fails),
        ("/refunds/{id}/cancel", _refund_canceled),
    )
    return [json_route(state, path, "POST", handler) for path, handler in table]
