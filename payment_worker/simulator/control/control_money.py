"""What people in the dashboard, customers and banks do to the money."""

from starlette.routing import Route

from payment_worker.simulator.api.endpoints import ENDPOINTS
from payment_worker.simulator.api.parameters import check
from payment_worker.simulator.api.refusals import Refusal
from payment_worker.simulator.control.control import ControlError, Given, Json, answered
from payment_worker.simulator.resources import capturing, confirming, disputes, payment_intents, refunds
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.resources.payment_methods import AUTHENTICATION_FAILED, Decline
from payment_worker.simulator.world import Act, World

_ACCEPTED = {endpoint.name: endpoint.accepts for endpoint in ENDPOINTS}
_DECLINED = 402


def _params(given: Given, endpoint: str) -> Json:
    body = {name: value for name, value in given.body.items() if name not in ("account", "livemode")}
    return check(body, _ACCEPTED[endpoint], ())


def _create(given: Given) -> Json:
    act = given.act()
    given.body.setdefault("payment_method", "pm_card_visa")
    given.body.setdefault("confirm", True)
    if given.body["confirm"]:
        given.body.setdefault("off_session", True)
    try:
        return payment_intents.create(act, "", _params(given, "payment_intents.create"))
    except KeyError as error:
        raise ControlError(f"missing: {error}") from error
    except Refusal as refusal:
        if refusal.status == _DECLINED:
            return act.account.payment_intents[str(act.touched)]
        raise


def _cancel(given: Given) -> Json:
    return capturing.cancel(given.act(), given.path["id"], _params(given, "payment_intents.cancel"))


def _capture(given: Given) -> Json:
    return capturing.capture(given.act(), given.path["id"], _params(given, "payment_intents.capture"))


def _complete(given: Given) -> Json:
    act = given.act()
    intent = payment_intents.found(act, given.path["id"])
    if intent["status"] == "processing":
        confirming.finish_processing(act, intent, good=True)
    elif intent["status"] == "requires_action":
        method = act.account.payment_methods[intent["payment_method"]]
        try:
            confirming.attempt(act, intent, method, act.account.behaviours[method["id"]])
        except Refusal as refusal:
            if refusal.status != _DECLINED:
                raise
    else:
        raise ControlError(f"nothing to complete: it is {intent['status']}")
    return intent


def _fail(given: Given) -> Json:
    act = given.act()
    intent = payment_intents.found(act, given.path["id"])
    fields = given.fields(code=None, decline_code=None)
    why = None
    if fields["code"] or fields["decline_code"]:
        why = Decline(fields["code"] or "card_declined", "Your card was declined.", fields["decline_code"])
    if intent["status"] == "processing":
        confirming.finish_processing(act, intent, good=False, why=why)
    elif intent["status"] == "requires_action":
        _authentication_failed(act, intent, why or AUTHENTICATION_FAILED)
    else:
        raise ControlError(f"nothing to fail: it is {intent['status']}")
    return intent


def _authentication_failed(act: Act, intent: Json, why: Decline) -> None:
    method = act.account.payment_methods[intent["payment_method"]]
    confirming.step_back(intent, confirming.failure(why, method, None))
    emit(act, "payment_intent.payment_failed", intent)


def _expire(given: Given) -> Json:
    act = given.act()
    intent = payment_intents.found(act, given.path["id"])
    if intent["status"] != "requires_capture":
        raise ControlError(f"nothing to expire: it is {intent['status']}")
    capturing.expire(act, intent)
    return intent


def _refund_intent(given: Given) -> Json:
    params = _params(given, "refunds.create")
    return refunds.create(given.act(), "", {**params, "payment_intent": given.path["id"]})


def _refund_charge(given: Given) -> Json:
    return refunds.create(given.act(), "", {**_params(given, "refunds.create"), "charge": given.path["id"]})


def _refund_succeeds(given: Given) -> Json:
    act = given.act()
    record = refunds.retrieve(act, given.path["id"], {})
    refunds.succeed(act, record)
    return record


def _refund_fails(given: Given) -> Json:
    act = given.act()
    record = refunds.retrieve(act, given.path["id"], {})
    refunds.fail(act, record, reason=given.fields(failure_reason="lost_or_stolen_card")["failure_reason"])
    return record


def _refund_canceled(given: Given) -> Json:
    return refunds.cancel(given.act(), given.path["id"], {})


def _open_dispute(given: Given) -> Json:
    act = given.act()
    fields = given.fields(
        payment_intent=None, charge=None, amount=None, reason="fraudulent", status="needs_response"
    )
    if fields["payment_intent"]:
        fields["charge"] = payment_intents.found(act, fields["payment_intent"])["latest_charge"]
    charge = act.account.charges.get(fields["charge"])
    if charge is None:
        raise ControlError("no such charge", status=404)
    return disputes.open_dispute(
        act, charge, reason=fields["reason"], status=fields["status"], amount=fields["amount"]
    )


def _move_dispute(given: Given) -> Json:
    act = given.act()
    fields = given.fields(status=None, evidence=None, metadata=None)
    return disputes.move(act, disputes.found(act, given.path["id"]), **fields)


def _close_dispute(given: Given) -> Json:
    act = given.act()
    return disputes.finish(act, disputes.found(act, given.path["id"]), given.fields(status="lost")["status"])


def _overwrite(given: Given) -> Json:
    account = given.account
    new = given.fields(fields=None)["fields"]
    if not isinstance(new, dict):
        raise ControlError("fields must be an object")
    for kept in (account.payment_intents, account.refunds, account.disputes, account.charges, account.events):
        if given.path["id"] in kept:
            kept[given.path["id"]].update(new)
            return kept[given.path["id"]]
    raise ControlError(f"no object {given.path['id']}", status=404)


def _make_event(given: Given) -> Json:
    act = given.act()
    fields = given.fields(type=None, object=None)
    if not isinstance(fields["type"], str) or not isinstance(fields["object"], dict):
        raise ControlError("type must be a string and object an object")
    emit(act, fields["type"], fields["object"])
    return next(reversed(act.account.events.values()))


def _list_events(given: Given) -> Json:
    kind, named = given.query.get("type"), given.query.get("object")
    events = given.account.events.values()
    chosen = [
        event
        for event in events
        if kind in (None, event["type"]) and named in (None, event["data"]["object"].get("id"))
    ]
    return {"data": chosen}


def routes(world: World) -> list[Route]:
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
        ("/refunds/{id}/succeed", _refund_succeeds),
        ("/refunds/{id}/fail", _refund_fails),
        ("/refunds/{id}/cancel", _refund_canceled),
        ("/disputes", _open_dispute),
        ("/disputes/{id}/update", _move_dispute),
        ("/disputes/{id}/close", _close_dispute),
        ("/events", _make_event),
        ("/objects/{id}", _overwrite),
    )
    made = [answered(world, path, "POST", control) for path, control in table]
    return [*made, answered(world, "/events", "GET", _list_events)]
