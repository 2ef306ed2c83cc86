"""`payment-worker show` prints a payment and its timeline, found by any id."""

import json
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest

from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.simulator import Simulator
from tests.cli.conftest import Run
from tests.harness.rows import Rows

PAYMENT = "11111111-1111-4111-8111-111111111111"
REFUND = "22222222-2222-4222-8222-222222222222"
ORDER = "33333333-3333-4333-8333-333333333333"

ENQUEUED = """\
Enqueued payment_worker.charge. What comes of it:
  payment-worker show 11111111-1111-4111-8111-111111111111
"""


@pytest.fixture
def story(run: Run, worker: Callable[..., Process], rows: Rows, simulator: Simulator) -> dict[str, Any]:
    """A payment of 10.99 EUR, 2.00 of it refunded, all of it asked for at the keyboard; its JSON."""
    worker(pool="threads")
    charge = run(
        *("charge", "--payment-id", PAYMENT, "--order-id", ORDER),
        *("--amount", "1099", "--currency", "eur", "--payment-method", "pm_card_visa"),
    )
    assert (charge.status, charge.out) == (0, ENQUEUED)
    rows.wait_for("SELECT 1 FROM payment WHERE status = 'SUCCEEDED'")
    refund = run(
        "refund", PAYMENT, "--refund-id", REFUND, "--amount", "200", "--reason", "duplicate", "--json"
    )
    assert refund.status == 0
    assert json.loads(refund.out)["refund_id"] == REFUND
    rows.wait_for("SELECT 1 FROM refund WHERE status = 'PROCESSED'")
    rows.wait_for("SELECT 1 FROM outbox HAVING count(*) = 4 AND count(published_at) = 4")
    assert simulator.ledger()["totals"]["eur"]["refunded"] == 200
    told: dict[str, Any] = json.loads(run("show", PAYMENT, "--json").out)
    return told


def test_the_timeline_is_found_by_any_id_and_shows_no_personal_data(story: dict[str, Any], run: Run) -> None:
    payment, (refund,) = story["payment"], story["refunds"]
    ids = [
        REFUND,
        PAYMENT.upper(),
        payment["stripe_payment_intent_id"],
        payment["stripe_charge_id"],
        refund["stripe_refund_id"],
    ]
    assert all(ids)

    for identity in ids:
        assert json.loads(run("show", identity, "--json").out) == story
    assert not {"metadata", "description", "payment_method", "fingerprint"} & payment.keys()
    assert "parameters" not in json.dumps(story)


def test_an_audit_gets_every_row_of_it_as_a_line_of_json(story: dict[str, Any], run: Run) -> None:
    ran = run("show", PAYMENT, "--jsonl")
    records = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.status == 0
    assert records[0] == {"record": "payment", **story["payment"]}
    kinds = [each["record"] for each in records]
    assert [kinds.count(each) for each in ("refund", "attempt", "transition", "message")] == [1, 2, 4, 4]
    assert "pm_card_visa" not in ran.out
    assert run("show", "nobody", "--jsonl").status == 1


def test_the_screen_shows_every_step_with_its_cause_and_actor(story: dict[str, Any], run: Run) -> None:
    shown = run("show", PAYMENT, settings={"COLUMNS": "300"})

    assert shown.status == 0
    ids = {
        story["payment"]["stripe_payment_intent_id"]: "PI",
        story["payment"]["stripe_charge_id"]: "CH",
        story["refunds"][0]["stripe_refund_id"]: "RE",
        socket.gethostname(): "HOST",
    }
    text = re.sub("|".join(map(re.escape, ids)), lambda found: ids[found[0]], shown.screen)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "AT", text)
    text = re.sub(r"\breq_\w+", "REQ", text)
    text = re.sub(r"(?<=payment_worker\.)(charge|refund) \w{8}…", r"\1 TASK", text)
    text = re.sub(r" {2,}", "  ", text)
    head, steps = text.split("\n\n")
    assert head.splitlines() == [
        f"Payment {PAYMENT}  10.99 EUR  SUCCEEDED",
        "  captured 10.99 EUR, refunded 2.00 EUR, still refundable 8.99 EUR",
        f"  order {ORDER}",
        "  Stripe PI, CH",
        f"  refund {REFUND}  2.00 EUR  PROCESSED  RE  asked for by ada on HOST",
    ]
    recorded = [line for line in steps.splitlines() if "  message  " not in line]
    assert recorded == [
        "When (UTC)  What  Why  Who",
        "AT  payment  → REQUESTED  requested  payment_worker.charge TASK on HOST",
        "AT  attempt  charge 1 is recorded  11111111…:charge:1  the worker",
        "AT  attempt  charge 1 is EXECUTED  REQ  Stripe",
        "AT  payment  REQUESTED → SUCCEEDED (PI, CH, REQ)  answered  payment_worker.charge TASK on HOST",
        "AT  refund 22222222  → REQUESTED  requested  payment_worker.refund TASK on HOST",
        "AT  attempt  refund 1 is recorded  22222222…:refund:1  the worker",
        "AT  attempt  refund 1 is EXECUTED  REQ  Stripe",
        "AT  refund 22222222  REQUESTED → PROCESSED (RE, REQ)  answered  payment_worker.refund TASK on HOST",
    ]
    told = re.findall(r"message  (\w+) published", steps)
    assert told == ["PaymentRequested", "PaymentSucceeded", "RefundRequested", "RefundProcessed"]


def test_a_narrow_screen_breaks_lines_between_words_alone(story: dict[str, Any], run: Run) -> None:
    lines = run("show", PAYMENT, settings={"COLUMNS": "80"}).screen.splitlines()

    assert max(map(len, lines)) <= 80
    words = " ".join(lines).replace(",", "").split()
    told = {word for entry in story["entries"] for word in entry["what"].replace(",", "").split()}
    details = ("stripe_payment_intent_id", "stripe_charge_id", "stripe_refund_id", "stripe_request_id")
    ids = {entry["ids"][name] for entry in story["entries"] for name in details if name in entry["ids"]}
    assert len(ids) >= 5
    assert ids | told | {PAYMENT, REFUND, ORDER} <= set(words)
    (date,) = (line for line in lines if line.endswith(" UTC"))
    assert " ".join(lines).count(date.removesuffix(" UTC")) == 1
    step = next(number for number, line in enumerate(lines) if "REQUESTED → SUCCEEDED" in line)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}    payment  REQUESTED → SUCCEEDED", lines[step])
    assert lines[step + 1].startswith("                answered · payment_worker.charge ")


def test_what_is_still_to_come_is_shown_last(
    run: Run, worker: Callable[..., Process], rows: Rows, simulator: Simulator
) -> None:
    simulator.fault("reset", endpoint="payment_intents.create", times=None)
    worker(pool="threads", settings={"PAYMENT_WORKER_LEASE": "4", "PAYMENT_WORKER_STRIPE_TIMEOUT": "1"})
    charge = run("charge", "--amount", "1099", "--currency", "eur", "--payment-method", "pm_1", "--json")
    payment_id = json.loads(charge.out)["payment_id"]
    rows.wait_for("SELECT 1 FROM payment_attempt WHERE status = 'UNKNOWN'")

    shown = run("show", payment_id, settings={"COLUMNS": "200"}).screen.splitlines()
    *_, last = (line for line in shown if "due " in line)

    assert "charge 1 is UNKNOWN; a worker goes on with it" in last


@pytest.mark.parametrize(
    "identity", [PAYMENT, "pi_unknown", "ch_unknown", "re_unknown", "dp_1", "evt_unknown"]
)
def test_what_is_not_known_is_said_with_status_1(run: Run, identity: str) -> None:
    ran = run("show", identity)

    assert (ran.status, ran.out, ran.err) == (1, "", f"Not found: {identity}.\n")


def test_what_is_not_known_is_a_result_for_programs_too(run: Run) -> None:
    ran = run("show", PAYMENT, "--json")

    assert (ran.status, json.loads(ran.out), ran.err) == (1, None, f"Not found: {PAYMENT}.\n")
