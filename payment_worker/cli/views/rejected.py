"""Prints rejected requests with their errors and the corrected call, and enqueues them again."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from rich.markup import escape

from payment_worker import bootstrap
from payment_worker.cli.database import now, operator, records
from payment_worker.cli.views.printing import complain, console, print_json, table
from payment_worker.domain.money import CURRENCIES
from payment_worker.flows.replay_request import MODELS, NotReplayed, Replayed, replay_request
from payment_worker.store import rejected_requests
from payment_worker.store.rejected_requests import RejectedRequest
from payment_worker.telemetry.formats import instant

MOST: Final = 50
"""Of one id; more are of a program that sends the same again and again."""


def list_newest(*, task: str | None, limit: int, as_json: bool) -> None:
    """Print the newest."""
    with records() as connection:
        requests = rejected_requests.newest(connection, task=task, limit=limit)
    if as_json:
        print_json(requests)
        return
    grid = table("Rejected (UTC)", "Request", "Task", "Faults", "Sent again (UTC)")
    grid.columns[1].no_wrap = True  # it is there to be copied
    for each in requests:
        replayed_at = instant(each.replayed_at) if each.replayed_at else ""
        grid.add_row(
            instant(each.received_at),
            str(each.request_id),
            escape(each.task),
            escape(faults(each)),
            replayed_at,
        )
    console().print(grid if requests else "No rejected requests.")


def show(identity: str, *, as_json: bool) -> bool:
    """Print what was rejected that carried this id; whether anything was."""
    with records() as connection:
        requests = rejected_requests.carrying(connection, identity, limit=MOST)
    if as_json:
        print_json(requests)
    elif requests:
        print_each(requests)
    else:
        complain(f"No rejected request carried {identity}.")
    return bool(requests)


def print_each(requests: Sequence[RejectedRequest]) -> None:
    """Each with its faults and the call that would have been right."""
    screen = console()
    for each in requests:
        screen.print(
            f"[bold]Rejected request {each.request_id}[/]  {escape(each.task)}  {instant(each.received_at)} UTC"
        )
        for error in each.errors:
            screen.print(f"  {escape(error['field'])} {escape(error['message'])}")
        if each.replayed_at:
            screen.print(f"  sent again {instant(each.replayed_at)} UTC by {escape(str(each.replayed_by))}")
        if each.task in MODELS:
            screen.print("\nWhat would have been right:\n" + escape(fixed_call(each)))
        screen.print()


def faults(request: RejectedRequest) -> str:
    """All in one line."""
    return "; ".join(f"{error['field']} {error['message']}" for error in request.errors)


def fixed_call(request: RejectedRequest) -> str:
    """The request as Python to be pasted, with what is to be corrected marked."""
    from payment_worker.celery import app

    queue = app.conf.task_routes[request.task]["queue"]
    arguments = "".join(f"    {line}\n" for line in _arguments(request))
    return f'app.send_task("{request.task}", queue="{queue}", kwargs={{\n{arguments}}})'


def _arguments(request: RejectedRequest) -> Iterator[str]:
    errors = {error["field"].partition(".")[0]: error for error in request.errors}
    for name in dict.fromkeys((*request.arguments, *(each for each in errors if each in _fields(request)))):
        value, error = request.arguments.get(name), errors.get(name)
        if error is None:
            yield f'"{name}": {value!r},'
        elif error["code"] != "unknown":
            corrected = _corrected(name, value, request.arguments.get("currency"))
            yield f'"{name}": {corrected},  # {error["message"]}'


def _fields(request: RejectedRequest) -> Mapping[str, Any]:
    return MODELS[request.task].model_fields


def _corrected(name: str, value: object, currency: object) -> str:
    """The value that was meant, where there is no doubt."""
    if name == "amount" and (minor_units := _minor_units(value, currency)):
        return str(minor_units)
    if name in {"order_id", "customer_id"} and isinstance(value, int):
        return repr(str(value))
    return "..."


def _minor_units(value: object, currency: object) -> int | None:
    """An amount that was given in whole units, `10.99`, in minor ones."""
    definition = CURRENCIES.get(str(currency).upper())
    try:
        amount = Decimal(str(value)).scaleb(definition.exponent) if definition else None
    except InvalidOperation:
        return None
    return int(amount) if amount is not None and amount == amount.to_integral_value() and amount > 0 else None


def replay(identity: str, *, as_json: bool) -> bool:
    """Send a request again as it was kept, once; whether it has been."""
    outcome = _replay(identity)
    if isinstance(outcome, Replayed):
        if as_json:
            print_json(outcome)
        else:
            text = "Sent again" if outcome.is_new else f"Was sent again before, by {outcome.by}"
            console().print(escape(f"{text}, as message {outcome.message_id}."))
        return True
    complain(f"Not sent again: {outcome.sentence}.")
    if as_json:
        print_json(None)
    return False


def _replay(identity: str) -> Replayed | NotReplayed:
    with records() as connection:
        return replay_request(
            connection, bootstrap.message_id(identity), send=_send, actor=operator(), now=now()
        )


def _send(request: RejectedRequest, message_id: UUID) -> None:
    from payment_worker.celery import app

    app.send_task(request.task, kwargs=dict(request.arguments), task_id=str(message_id))
