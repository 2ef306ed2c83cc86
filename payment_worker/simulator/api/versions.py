"""Renders events as older API versions do."""

from typing import Any

Json = dict[str, Any]

CHARGES_LEFT_PAYMENT_INTENTS = "2022-11-15"
STATUSES_WERE_RENAMED = "2019-02-11"
RELEASES_MADE_REFUNDS = "2025-03-31"
_OLD_STATUSES = {"requires_payment_method": "requires_source", "requires_action": "requires_source_action"}


def is_before(api_version: str | None, day: str) -> bool:
    """Whether a version is older than one of that day; None is the newest."""
    return api_version is not None and api_version[: len(day)] < day


def shaped(event: Json, api_version: str | None) -> Json:
    """The event as an endpoint of that version gets it; unchanged for recent ones."""
    if api_version is None or api_version == event["api_version"]:
        return event
    record = event["data"]["object"]
    if is_before(api_version, RELEASES_MADE_REFUNDS):
        record = _with_released_funds(event["type"], record)
    if is_before(api_version, CHARGES_LEFT_PAYMENT_INTENTS):
        record = _with_lists(record)
    if is_before(api_version, STATUSES_WERE_RENAMED) and record.get("object") == "payment_intent":
        record = {**record, "status": _OLD_STATUSES.get(record["status"], record["status"])}
    return {**event, "api_version": api_version, "data": {**event["data"], "object": record}}


def _with_released_funds(kind: str, record: Json) -> Json:
    """Released funds counted as refunded, and an expiry was canceled for the reason `automatic`."""
    if record.get("object") == "payment_intent" and record["cancellation_reason"] == "expired":
        return {**record, "cancellation_reason": "automatic"}
    if kind == "charge.expired":
        return {**record, "amount_refunded": record["amount"], "refunded": True}
    if kind == "charge.captured":
        return {**record, "amount_refunded": record["amount"] - record["amount_captured"]}
    return record


def _with_lists(record: Json) -> Json:
    kind = record.get("object")
    if kind == "payment_intent":
        is_kept = {name: value for name, value in record.items() if name != "latest_charge"}
        charge = record["latest_charge"]
        data = [] if charge is None else [{"id": charge, "object": "charge", "payment_intent": record["id"]}]
        return {**is_kept, "charges": _list(data, f"/v1/charges?payment_intent={record['id']}")}
    if kind == "charge":
        return {**record, "refunds": _list([], f"/v1/charges/{record['id']}/refunds")}
    return record


def _list(data: list[Json], url: str) -> Json:
    return {"object": "list", "data": data, "has_more": False, "total_count": len(data), "url": url}
