"""Control routes that overwrite objects, and make and list events."""

from starlette.routing import Route

from payment_worker.simulator.control.routing import ControlError, ControlRequest, Json, json_route
from payment_worker.simulator.resources.events import emit
from payment_worker.simulator.state import State


def _overwrite(request: ControlRequest) -> Json:
    account = request.account
    new = request.fields(fields=None)["fields"]
    if not isinstance(new, dict):
        raise ControlError("fields must be an object")
    for records in (
        account.payment_intents,
        account.refunds,
        account.disputes,
        account.early_fraud_warnings,
        account.charges,
        account.payouts,
        account.balance_transactions,
        account.events,
    ):
        if request.path["id"] in records:
            records[request.path["id"]].update(new)
            return records[request.path["id"]]
    raise ControlError(f"no object {request.path['id']}", status=404)


def _make_event(request: ControlRequest) -> Json:
    context = request.context()
    fields = request.fields(type=None, object=None)
    if not isinstance(fields["type"], str) or not isinstance(fields["object"], dict):
        raise ControlError("type must be a string and object an object")
    emit(context, fields["type"], fields["object"])
    return next(reversed(context.account.events.values()))


def _list_events(request: ControlRequest) -> Json:
    kind, named = request.query.get("type"), request.query.get("object")
    events = request.account.events.values()
    chosen = [
        event
        for event in events
        if kind in (None, event["type"]) and named in (None, event["data"]["object"].get("id"))
    ]
    return {"data": chosen}


def routes(state: State) -> list[Route]:
    """The routes of docs/simulator.md about objects and events."""
    table = (
        ("/objects/{id}", "POST", _overwrite),
        ("/events", "POST", _make_event),
        ("/events", "GET", _list_events),
    )
    return [json_route(state, path, method, handler) for path, method, handler in table]
