"""An endpoint's work: parameters checked, the effect, the answer. It awaits nothing, so it is atomic."""

from typing import Any

from payment_worker.simulator.api.answers import Answer, refused
from payment_worker.simulator.api.endpoints import Endpoint
from payment_worker.simulator.api.expanding import check_expand, expanded
from payment_worker.simulator.api.parameters import check
from payment_worker.simulator.api.refusals import Refusal
from payment_worker.simulator.api.writing import written
from payment_worker.simulator.world import Act

_OK = 200


def execute(act: Act, endpoint: Endpoint, object_id: str, raw: dict[str, Any]) -> Answer:
    """Do it, or say why not."""
    try:
        params = check(raw, endpoint.accepts, endpoint.requires)
        expand = params.get("expand", ())
        if expand:
            check_expand(endpoint.kind, expand, listed=endpoint.lists)
        record = endpoint.handler(act, object_id, params)
    except Refusal as refusal:
        return refused(refusal)
    if act.touched is None and not endpoint.lists:
        act.touched = record.get("id")
    body = written(expanded(act.account, record, expand) if expand else record)
    return Answer(_OK, body.encode(), kept=True)
