"""The `expand` parameter: ids in a response replaced by the objects they name."""

from typing import Any

from payment_worker.simulator.api.errors import invalid_request
from payment_worker.simulator.state import Account, Json

_SOURCES = "charges refunds disputes payouts transfers application_fees"
"""What a balance transaction may have been made for; a path goes on into a charge alone."""

_PLACES: dict[str, dict[str, tuple[str, str]]] = {
    "payment_intent": {
        "latest_charge": ("charges", "charge"),
        "customer": ("customers", "customer"),
        "payment_method": ("payment_methods", "payment_method"),
    },
    "charge": {
        "balance_transaction": ("balance_transactions", "balance_transaction"),
        "customer": ("customers", "customer"),
        "payment_intent": ("payment_intents", "payment_intent"),
    },
    "refund": {
        "balance_transaction": ("balance_transactions", "balance_transaction"),
        "failure_balance_transaction": ("balance_transactions", "balance_transaction"),
        "charge": ("charges", "charge"),
        "payment_intent": ("payment_intents", "payment_intent"),
    },
    "dispute": {
        "charge": ("charges", "charge"),
        "payment_intent": ("payment_intents", "payment_intent"),
    },
    "radar.early_fraud_warning": {
        "charge": ("charges", "charge"),
        "payment_intent": ("payment_intents", "payment_intent"),
    },
    "balance_transaction": {"source": (_SOURCES, "charge")},
    "payout": {
        "balance_transaction": ("balance_transactions", "balance_transaction"),
        "failure_balance_transaction": ("balance_transactions", "balance_transaction"),
    },
    "setup_intent": {
        "customer": ("customers", "customer"),
        "payment_method": ("payment_methods", "payment_method"),
    },
    "payment_method": {"customer": ("customers", "customer")},
}
_DEEPEST = 4


def check_expand(kind: str, paths: list[str], *, listed: bool) -> None:
    """Raises RequestError when a path leads nowhere; called before anything happens."""
    for path in paths:
        parts = path.split(".")
        if listed and parts.pop(0) != "data":
            raise invalid_request(
                f"This property cannot be expanded ({path}): lists expand under data.", param="expand"
            )
        if len(parts) > _DEEPEST:
            raise invalid_request("You cannot expand more than 4 levels of a property.", param="expand")
        at = kind
        for part in parts:
            if part not in _PLACES.get(at, {}):
                raise invalid_request(f"This property cannot be expanded ({path}).", param="expand")
            at = _PLACES[at][part][1]


def expanded(account: Account, record: Json, paths: list[str]) -> Json:
    """A copy of the object with what the paths name put in place of ids."""
    if record.get("object") in ("list", "search_result"):
        inner = [path.partition(".")[2] for path in paths]
        return {**record, "data": [expanded(account, item, inner) for item in record["data"]]}
    out = dict(record)
    for path in paths:
        head, _, rest = path.partition(".")
        place = _PLACES.get(record["object"], {}).get(head)
        if place is not None and out.get(head) is not None:
            out[head] = _filled(account, out[head], place[0], rest)
    return out


def _filled(account: Account, value: Any, store: str, rest: str) -> Any:  # noqa: ANN401 - an id or an object
    objects = (
        (getattr(account, name).get(value) for name in store.split()) if isinstance(value, str) else (value,)
    )
    found = next(filter(None, objects), None)
    if found is None:
        return value
    return expanded(account, found, [rest] if rest else [])
