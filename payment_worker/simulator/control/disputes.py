"""Control routes for what the bank does: disputes and early fraud warnings."""

from starlette.routing import Route

from payment_worker.simulator.control.routing import ControlError, ControlRequest, Json, json_route
from payment_worker.simulator.resources.lookup import found_intent
from payment_worker.simulator.resources.payments import disputes, early_fraud_warnings
from payment_worker.simulator.state import Context, State


def _open_dispute(request: ControlRequest) -> Json:
    context = request.context()
    fields = request.fields(
        payment_intent=None, charge=None, amount=None, reason="fraudulent", status="needs_response"
    )
    charge = _charge(context, fields)
    return disputes.open_dispute(
        context, charge, reason=fields["reason"], status=fields["status"], amount=fields["amount"]
    )


def _charge(context: Context, fields: Json) -> Json:
    if fields["payment_intent"]:
        fields["charge"] = found_intent(context, fields["payment_intent"])["latest_charge"]
    charge = context.account.charges.get(fields["charge"])
    if charge is None:
        raise ControlError("no such charge", status=404)
    return charge


def _warn(request: ControlRequest) -> Json:
    context = request.context()
    fields = request.fields(payment_intent=None, charge=None, fraud_type=early_fraud_warnings.FRAUD_TYPE)
    return early_fraud_warnings.warn(context, _charge(context, fields), fraud_type=fields["fraud_type"])


def _move_dispute(request: ControlRequest) -> Json:
    context = request.context()
    fields = request.fields(status=None, evidence=None, metadata=None)
    return disputes.move(context, disputes.retrieve(context, request.path["id"], {}), **fields)


def _close_dispute(request: ControlRequest) -> Json:
    context = request.context()
    return disputes.finish(
        context, disputes.retrieve(context, request.path["id"], {}), request.fields(status="lost")["status"]
    )


def routes(state: State) -> list[Route]:
    """The routes of docs/simulator.md about disputes and early fraud warnings."""
    table = (
        ("/disputes", _open_dispute),
        ("/early_fraud_warnings", _warn),
        ("/disputes/{id}/update", _move_dispute),
        ("/disputes/{id}/close", _close_dispute),
    )
    return [json_route(state, path, "POST", handler) for path, handler in table]
