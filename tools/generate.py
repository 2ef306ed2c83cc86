"""Writes what of the docs is made from the code: `python tools/generate.py`, or `--check`.

A test runs the check, so that what the pages say is what the code does.
"""

import sys
from pathlib import Path

from drawings import layers, processes
from pages import commands, messages, metrics, settings, states, tables, tasks, webhook

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE, EXPLANATION = DOCS / "reference", DOCS / "explanation"


def pages() -> dict[Path, str]:
    """Each file and what it must say."""
    return {
        EXPLANATION / "layers.svg": layers.drawing(),
        EXPLANATION / "processes.svg": processes.drawing(),
        REFERENCE / "tasks.md": tasks.page(),
        REFERENCE / "states.md": states.page(),
        REFERENCE / "payment-states.svg": states.payment_drawing(),
        REFERENCE / "refund-states.svg": states.refund_drawing(),
        REFERENCE / "tables.md": tables.page(),
        REFERENCE / "messages.md": messages.page(),
        REFERENCE / "commands.md": commands.page(),
        REFERENCE / "webhook.md": webhook.page(),
        REFERENCE / "settings.md": settings.page(),
        REFERENCE / "metrics.md": metrics.page(),
    }


def main() -> int:
    """Write what is out of date; with `--check`, say it instead."""
    check = "--check" in sys.argv[1:]
    stale = {path: text for path, text in pages().items() if not path.exists() or _read(path) != text}
    for path, text in stale.items():
        if check:
            sys.stdout.write(f"{path.name} is out of date: run python tools/generate.py\n")
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
