"""Metadata: what a request may give, and what an update leaves of it."""

from collections.abc import Mapping
from typing import Any

from payment_worker.simulator.api.errors import invalid_request

METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500


def metadata(name: str, value: Any) -> dict[str, str]:  # noqa: ANN401 - what came over the wire
    """At most 50 keys of 40 characters with values of 500; an empty value removes its key, "" all of them."""
    if value == "":
        return {"": ""}
    if not isinstance(value, dict):
        raise invalid_request("Invalid object", param=name)
    if len(value) > METADATA_KEYS:
        raise invalid_request(f"Metadata may have at most {METADATA_KEYS} keys.", param=name)
    for key, item in value.items():
        if len(key) > METADATA_KEY_LENGTH:
            raise invalid_request("Metadata keys may be at most 40 characters.", param=name)
        if not isinstance(item, str) or len(item) > METADATA_VALUE_LENGTH:
            raise invalid_request("Metadata values may be at most 500 characters.", param=f"{name}[{key}]")
    return value


def merged_metadata(old: Mapping[str, str], given: Mapping[str, str] | None) -> dict[str, str]:
    """Metadata after an update: given keys replace, empty values remove, the mark for "" clears."""
    if given is None:
        return dict(old)
    if given == {"": ""}:
        return {}
    return {key: value for key, value in {**old, **given}.items() if value != ""}
