"""Control routes for payouts and for the customer's part in a SetupIntent."""

from starlette.routing import Route

from payment_worker.simulator.control.routing import ControlError, ControlRequest, Json, json_route
from payment_worker.simulator.resources.balance import payouts
from payment_worker.simulator.resources.customers import setup_intents
from payment_worker.simulator.state import State


def _pay_out(request: ControlRequest) -> Json:
    request.fields()
    context = request.context()
    before = len(context.account.payouts)
    payouts.create_automatic(context)
    return {"payouts": list(context.account.payouts.values())[before:]}


def _arrive(request: ControlRequest) -> Json:
    context = request.context()
    record = payouts.retrieve(context, request.path["id"], {})
    payouts.arrive(context, record)
    return record


def _fail(request: ControlRequest) -> Json:
    context = request.context()
    record = payouts.retrieve(context, request.path["id"], {})
    code = request.fields(failure_code="account_closed")["failure_code"]
    return payouts.fail(context, record, code=code)


def _complete_setup(request: ControlRequest) -> Json:
    context = request.context()
    record = setup_intents.retrieve(context, request.path["id"], {})
    _check_waits_for_customer(record)
    return setup_intents.save(context, record, context.account.behaviours[record["payment_method"]])


def _fail_setup(request: ControlRequest) -> Json:
    context = request.context()
    record = setup_intents.retrieve(context, request.path["id"], {})
    _check_waits_for_customer(record)
    setup_intents.fail_authentication(context, record)
    return record


def _check_waits_for_customer(record: Json) -> None:
    if record["status"] != "requires_action":
        raise ControlError(f"nothing to do for the customer: it is {record['status']}")


def routes(state: State) -> list[Route]:
    """The routes of docs/simulator.md about payouts and SetupIntents."""
    table = (
        ("/payouts", _pay_out),
        ("/payouts/{id}/arrive", _arrive),
        ("/payouts/{id}/fail", _fail),
        ("/setup_intents/{id}/complete", _complete_setup),
        ("/setup_intents/{id}/fail", _fail_setup),
    )
    return [json_route(state, path, "POST", handler) for path, handler in table]
