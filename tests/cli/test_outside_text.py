"""Text from outside reaches a terminal as it can be read: no escape sequence, nothing hidden, no markup."""

import json
import re
import subprocess
import sys
import unicodedata

import pytest

from payment_worker.telemetry.escaping import visible
from tests.cli.conftest import Run
from tests.harness.rows import Rows

PAYMENT = "11111111-1111-4111-8111-111111111111"
POISON = "\x1b]0;owned\x07\x9b31m\x7f\u202e\u200b\u2066\ufeff\rx\x08[red]y[/red]"
SHOWN = r"\x1b]0;owned\x07\x9b31m\x7f\u202e\u200b\u2066\ufeff\rx\x08[red]y[/red]"

PLANT = """
WITH given AS (SELECT %s::uuid AS id, %s::text AS poison),
payments AS (
    INSERT INTO payment (payment_id, order_id, amount, currency, status, payment_method, capture_method, metadata,
                         fingerprint, version, failure_reason, decline_code, created_at, updated_at)
    SELECT id, poison, 500, 'EUR', 'FAILED', 'pm_1', 'automatic', '{}', 'x', 1, poison, poison, now(), now() FROM given
    RETURNING payment_id),
history AS (
    INSERT INTO payment_history (payment_id, to_status, cause, actor, detail, recorded_at)
    SELECT payment_id, 'FAILED', poison, poison, '{}', now() FROM payments, given),
events AS (
    INSERT INTO stripe_event (event_id, type, livemode, payload, status, outcome, source, created_at, received_at,
                              finished_at)
    SELECT 'evt_' || poison, poison, false, '{}', 'PARKED', poison, 'webhook', now(), now(), now() FROM given),
findings AS (
    INSERT INTO reconciliation_finding (kind, object_id, stripe_account, payment_id, status, detail, found_at)
    SELECT 'second_payment_intent', poison, '', payment_id, 'OPEN',
           jsonb_build_object('ours', poison::text, 'theirs', poison::text), now()
    FROM payments, given)
INSERT INTO rejected_request (request_id, task, arguments, errors, ids, is_complete, received_at, replayed_at,
                              replayed_by)
SELECT id, poison, jsonb_build_object('note', poison::text),
       jsonb_build_array(jsonb_build_object('field', poison::text, 'code', 'x', 'message', poison::text)),
       ARRAY[id::text, poison], true, now(), now(), poison FROM given
"""
COMMANDS = [
    ("show", PAYMENT),
    ("show", f"evt_{POISON}"),
    ("show", f"nothing {POISON}"),
    ("report",),
    ("report", "--csv"),
    ("findings", "list"),
    ("events", "list"),
    ("events", "replay", POISON),
    ("requests", "rejected", "list"),
    ("requests", "rejected", "show", PAYMENT),
    ("requests", "rejected", "replay", PAYMENT),
    ("doctor",),
    ("pause", "--reason", POISON),
    ("resume",),
    ("charge", "--order-id", POISON, "--amount", "500", "--currency", "EUR", "--payment-method", "pm_1"),
]

SILENT = {("doctor",), ("resume",), COMMANDS[-1]}
TELLING = [command for command in COMMANDS if command not in SILENT]


def raw(text: str) -> set[str]:
    """What of a text a terminal would obey, or hide; CSV ends its lines with CR and LF."""
    return {
        character
        for character in text.replace("\r\n", "\n")
        if character != "\n" and unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}
    }


@pytest.fixture
def planted(rows: Rows) -> None:
    """Rows with escape sequences wherever text from outside stands."""
    rows(PLANT, PAYMENT, POISON)


@pytest.mark.usefixtures("planted")
def test_it_is_shown_and_never_sent_and_markup_in_it_is_text(run: Run) -> None:
    for command in COMMANDS:
        ran = run(*command, settings={"COLUMNS": "400"})
        assert ran.status in {0, 1}, ran.err
        assert raw(ran.out + ran.err) == set(), command
        if command in TELLING:
            assert SHOWN in ran.out + ran.err, command


@pytest.mark.usefixtures("planted")
def test_a_narrow_screen_shows_it_too(run: Run) -> None:
    for command in (("show", PAYMENT), ("events", "list")):
        ran = run(*command, settings={"COLUMNS": "80"})
        assert raw(ran.out) == set(), command
        assert SHOWN[:12] in ran.out


@pytest.mark.usefixtures("planted")
def test_json_stays_json_and_holds_no_raw_character_either(run: Run) -> None:
    ran = run("requests", "rejected", "list", "--json")

    assert json.loads(ran.out)[0]["task"] == POISON
    assert raw(ran.out) == set()


def test_lines_of_the_log_at_a_terminal_hold_none() -> None:
    program = f"""
from payment_worker.telemetry import configure, logger
configure(log_format="console", level="INFO")
logger("x").info("happened", reason={POISON!r})
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    said = re.sub(r"\x1b\[\d*m", "", ran.stderr)  # structlog's own colours

    assert raw(said) == set()
    assert "owned" in said


def test_every_control_and_format_character_is_visible() -> None:
    unseen = [
        character
        for character in map(chr, range(0x110000))
        if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp", "Cs"} and character not in "\n\t"
    ]
    assert len(unseen) > 2000

    assert raw(visible("".join(unseen))) == set()
    assert visible("Zoë paid 5 € at 10:30\n\t✓ 支付") == "Zoë paid 5 € at 10:30\n\t✓ 支付"
