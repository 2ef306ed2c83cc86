"""Control routes for the balance, payouts, and for the customer's part in a SetupIntent."""

from starlette.routing import Route

from payment_worker.simulator.control.routing import ControlError, ControlRequest, Json, json_route
from payment_worker.simulator.resources.balance import payouts
from payment_worker.simulator.resources.balance.balance_transactions import book
from payment_worker.simulator.resources.payers import setup_intents
from payment_worker.simulator.state import State, change


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


def _move_balance(request: ControlRequest) -> Json:
    """Any balance transaction, also of a type that nobody knows, or made at another time."""
    said = request.fields(
        type=None, amount=None, fee=0, currency="usd", source=None, created=None, description=None
    )
    for name in ("amount", "fee"):
        if not isinstance(said[name], int):
            raise ControlError(f"{name} must be an integer of minor units")
    if not isinstance(said["type"], str):
        raise ControlError("type must say what kind of balance transaction it is")
    context = request.context()
    made = book(
        context,
        amount=said["amount"],
        fee=said["fee"],
        currency=said["currency"],
        kind=said["type"],
        source=said["source"],
        why=said["description"],
    )
    record = context.account.balance_transactions[made]
    if said["created"] is not None:
        change(record, created=said["created"])
    return record


def _exchange(request: ControlRequest) -> Json:
    said = request.fields(currency=None, settles_in=None, rate=None)
    if not isinstance(said["currency"], str):
        raise ControlError("currency must be named")
    exchange = request.account.exchange
    if said["settles_in"] is None:
        exchange.pop(said["currency"], None)
    elif isinstance(said["rate"], int | float) and said["rate"] > 0:
        exchange[said["currency"]] = (said["settles_in"], float(said["rate"]))
    else:
        raise ControlError("rate must be a number greater than 0")
    return said


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
        ("/balance_transactions", _move_balance),
        ("/exchange", _exchange),
        ("/payouts", _pay_out),
        ("/payouts/{id}/arrive", _arrive),
        ("/payouts/{id}/fail", _fail),
        ("/setup_intents/{id}/complete", _complete_setup),
        ("/setup_intents/{id}/fail", _fail_setup),
    )
    return [json_route(state, path, "POST", handler) for path, handler in table]
