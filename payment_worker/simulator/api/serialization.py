"""Writes objects as JSON text."""

import json
from collections.abc import Mapping

_ENCODER = json.JSONEncoder(separators=(", ", ": "))


def to_json(record: Mapping[str, object]) -> str:
    """JSON, non-ASCII characters escaped as Stripe does."""
    return _ENCODER.encode(record)
