"""Decodes form and query text into nested parameters."""

from typing import Any
from urllib.parse import parse_qsl

from payment_worker.simulator.api.errors import invalid_request


def decode(text: str) -> dict[str, Any]:
    """Decode `a[b]=c&expand[]=d` into nested dicts and lists of strings."""
    root: dict[str, Any] = {}
    nested = False
    for name, value in parse_qsl(text, keep_blank_values=True):
        if "[" in name:
            nested = True
            _place(root, name.replace("]", "").split("["), value)
        else:
            root[name] = value
    return {name: _as_list(value) for name, value in root.items()} if nested else root


def _place(root: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        inner = root.setdefault(part, {})
        if not isinstance(inner, dict):
            raise invalid_request(
                "Invalid request: a parameter was given both as a value and as a hash.", param=part
            )
        root = inner
    root[path[-1] or str(len(root))] = value


def _as_list(value: Any) -> Any:  # noqa: ANN401 - a decoded parameter is a string, a dict or a list
    if not isinstance(value, dict):
        return value
    plain = {name: _as_list(inner) for name, inner in value.items()}
    return list(plain.values()) if plain and all(name.isdigit() for name in plain) else plain
