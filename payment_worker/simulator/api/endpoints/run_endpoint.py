"""Runs one endpoint's handler: checks the parameters, expands the response. It awaits nothing, so it is atomic."""

from typing import Any

from payment_worker.simulator.api.endpoints.endpoint import Endpoint
from payment_worker.simulator.api.errors import RequestError
from payment_worker.simulator.api.expand import check_expand, expanded
from payment_worker.simulator.api.parameters.checks import check
from payment_worker.simulator.api.responses import Response, error_response
from payment_worker.simulator.api.serialization import to_json
from payment_worker.simulator.state import Context

_OK = 200


def run_endpoint(context: Context, endpoint: Endpoint, object_id: str, raw: dict[str, Any]) -> Response:
    """Do it, or say why not."""
    try:
        params = check(raw, endpoint.parameters, endpoint.requires)
        expand = params.get("expand", ())
        if expand:
            check_expand(endpoint.kind, expand, listed=endpoint.lists)
        record = endpoint.handler(context, object_id, params)
    except RequestError as error:
        return error_response(error)
    if context.object_id is None and not endpoint.lists:
        context.object_id = record.get("id")
    body = to_json(expanded(context.account, record, expand) if expand else record)
    return Response(_OK, body.encode(), is_kept=True)
