"""Renders events as thin ones, which name the object that changed."""

from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

_COLLECTIONS = {"radar.early_fraud_warning": "radar/early_fraud_warnings"}


def thin(event: Json) -> Json:
    """The thin event of a snapshot event."""
    record = event["data"]["object"]
    kind = record["object"]
    request = event["request"]
    return {
        "id": f"{event['id']}_thin",
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "livemode": event["livemode"],
        "created": datetime.fromtimestamp(event["created"], tz=UTC).isoformat().replace("+00:00", "Z"),
        "context": event.get("account"),
        "reason": {"type": "request", "request": request} if request["id"] else None,
        "related_object": {
            "id": record["id"],
            "type": kind,
            "url": f"/v1/{_COLLECTIONS.get(kind, f'{kind}s')}/{record['id']}",
        },
        "snapshot_event": event["id"],
    }
