"""Generates the reference page of the settings."""

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from payment_worker.settings import Settings

PAGE = """# Settings

Generated from `payment_worker/settings/fields.py` by `tools/generate.py`. Settings are environment variables, validated
at start; all errors are reported at once. Each name also works with the suffix `_FILE`: the value is then read from
that file, as is usual for Docker and Kubernetes secrets. Times are in seconds.

| name | default | meaning |
|---|---|---|
{rows}
"""


def page() -> str:
    """The text of the page."""
    rows = (
        f"| `{field.alias}` | {_default(field.default)} | {field.description} |"
        for field in Settings.model_fields.values()
    )
    return PAGE.format(rows="\n".join(rows))


def _default(value: object) -> str:
    if value is None or value in ((), PydanticUndefined) or isinstance(value, SecretStr):
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
