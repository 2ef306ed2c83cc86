"""The shapes that older API versions give to the same objects."""

from typing import Any

Json = dict[str, Any]

CHARGES_LEFT_PAYMENT_INTENTS = "2022-11-15"
STATUSES_WERE_RENAMED = "2019-02-11"
_OLD_STATUSES = {"requires_payment_method": "requires_source", "requires_action": "requires_source_action"}


def shaped(event: Json, api_version: str | None) -> Json:
    """The event as an endpoint of that version gets it; unchanged for recent ones."""
    if api_version is None or api_version == event["api_version"]:
        return event
    record = event["data"]["object"]
    if api_version[:10] < CHARGES_LEFT_PAYMENT_INTENTS:
        record = _with_lists(record)
    if api_version[:10] < STATUSES_WERE_RENAMED and record.get("object") == "payment_intent":
        record = {**record, "status": _OLD_STATUSES.get(record["status"], record["status"])}
    return {**event, "api_version": api_version, "data": {**event["data"], "object": record}}


def _with_lists(record: Json) -> Json:
    kind = record.get("object")
    if kind == "payment_intent":
        kept = {name: value for name, value in record.items() if name != "latest_charge"}
        charge = record["latest_charge"]
        data = [] if charge is None else [{"id": charge, "object": "charge", "payment_intent": record["id"]}]
        return {**kept, "charges": _list(data, f"/v1/charges?payment_intent={record['id']}")}
    if kind == "charge":
        return {**record, "refunds": _list([], f"/v1/charges/{record['id']}/refunds")}
    return record


def _list(data: list[Json], url: str) -> Json:
    return {"object": "list", "data": data, "has_more": False, "total_count": len(data), "url": url}
