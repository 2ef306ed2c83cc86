"""The reference of the settings."""

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from payment_worker.settings import Settings

PAGE = """# Settings

Made from `payment_worker/settings/model.py` by `tools/generate.py`. All are read from the environment and checked at
start; every fault is reported at once. Each name also works with `_FILE` behind it: the value is then read from that
file, as Docker and Kubernetes hand secrets over. Times are in seconds.

| name | default | meaning |
|---|---|---|
{rows}
"""


def page() -> str:
    """The page as it must be."""
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
