"""Whatever bytes a shell passes on as an argument: the program says what is wrong, or finds nothing; no traceback."""

import pytest

from tests.cli.conftest import Run

NOT_UTF_8 = "\udcff"
"""As Python shows a byte of the command line that is no UTF-8."""
PI, ID = "pi_1", "6f6e6520-646f-4f72-8000-616461707465"

COMMANDS = [
    ("show", "{}"),
    ("show", "pi_{}"),
    ("events", "list", "--type", "{}"),
    ("events", "replay", "evt_{}"),
    ("events", "discard", "evt_{}", "--reason", "none"),
    ("events", "discard", "evt_1", "--reason", "{}"),
    ("findings", "close", "1", "--reason", "{}"),
    ("requests", "rejected", "show", "{}"),
    ("requests", "rejected", "replay", "{}"),
    ("pause", "all", "--reason", "{}"),
    ("pause", "{}"),
    ("reconcile", "--since", "{}"),
    ("reconcile", "--since", "2026-01-01", "--account", "{}"),
    ("reconcile", "--since", "2026-01-01", "--accept", "{}", "--reason", "seen"),
    ("reconcile", "--since", "2026-01-01", "--accept", PI, "--reason", "{}"),
    ("charge", "--amount", "1", "--currency", "eur", "--payment-method", "{}"),
    ("charge", "--amount", "1", "--currency", "eur", "--payment-method", "pm_1", "--order-id", "{}"),
    ("charge", "--amount", "1", "--currency", "eur", "--payment-method", "pm_1", "--metadata", "a={}"),
    ("refund", ID, "--reason", "{}"),
    ("cancel", "{}"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("text", [NOT_UTF_8, "\x00", "\x1b[2J"], ids=ascii)
def test_no_argument_ends_in_a_traceback(run: Run, command: tuple[str, ...], text: str) -> None:
    done = run(*(part.format(text) for part in command))
    assert done.status in {0, 1, 2}, done.err
    assert "Traceback" not in done.err
    assert "This is a bug" not in done.out + done.err
    assert text not in done.out + done.err
