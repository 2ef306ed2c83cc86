"""Writes the pages of the reference that are made from the code: `python docs/generate.py`, or `--check`.

A test runs the check, so that what the pages say is what the code does.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from payment_worker.domain.payment import PAYMENT_TRANSITIONS
from payment_worker.domain.refund import REFUND_TRANSITIONS
from payment_worker.settings import Settings

REFERENCE = Path(__file__).parent / "reference"

STATES = """# States

Made from the tables in `payment_worker/domain/payment.py` and `refund.py` by `docs/generate.py`: what is not drawn
cannot happen.

## Payment

```mermaid
{payment}
```

`SUCCEEDED` and `CANCELED` are final, as they are at Stripe. `FAILED` is not: Stripe leaves a declined PaymentIntent
open, and another attempt may follow.

## Refund

```mermaid
{refund}
```

A refund only moves forward. `PROCESSED` is not final: a bank may return the money days later, and the amount can then
be refunded again.
"""

SETTINGS = """# Settings

Made from `payment_worker/settings.py` by `docs/generate.py`. All are read from the environment and checked at start;
every fault is reported at once. Each name also works with `_FILE` behind it: the value is then read from that file, as
Docker and Kubernetes hand secrets over. Times are in seconds.

| name | default | meaning |
|---|---|---|
{rows}
"""


def diagram(transitions: Mapping[str, Mapping[str, str]]) -> str:
    """A Mermaid state diagram of a table of transitions."""
    first = next(iter(transitions))
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    for status, moves in transitions.items():
        lines += [f"    {status} --> {to}: {news}" for news, to in moves.items()]
        lines += [] if moves else [f"    {status} --> [*]"]
    return "\n".join(lines)


def settings_rows() -> str:
    """The table of settings."""
    return "\n".join(
        f"| `{field.alias}` | {_default(field.default)} | {field.description} |"
        for field in Settings.model_fields.values()
    )


def _default(value: object) -> str:
    if value is None or value in ((), PydanticUndefined) or isinstance(value, SecretStr):
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def pages() -> dict[Path, str]:
    """Each page and what it must say."""
    return {
        REFERENCE / "states.md": STATES.format(
            payment=diagram(PAYMENT_TRANSITIONS), refund=diagram(REFUND_TRANSITIONS)
        ),
        REFERENCE / "settings.md": SETTINGS.format(rows=settings_rows()),
    }


def main() -> int:
    """Write the pages; with `--check`, say which are out of date instead."""
    check = "--check" in sys.argv[1:]
    stale = [
        path
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if check:
            sys.stdout.write(f"{path.name} is out of date: run python docs/generate.py\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages()[path], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
