"""`payment-worker events` lists what Stripe told us, and has it processed once more."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from payment_worker.devstack.processes import Process
from tests.cli.conftest import Run
from tests.harness.rows import Rows

INSERT = """
INSERT INTO stripe_event (event_id, type, livemode, object_id, payload, status, outcome, source, tries, lease_token,
                          next_action_at, created_at, received_at, finished_at)
VALUES (%s, %s, false, 'pi_1', '{"data": {"object": {"id": "pi_1"}}}', %s, %s, 'webhook', %s, 3, %s, %s, %s, %s)
"""


@pytest.fixture
def inbox(rows: Rows) -> None:
    """Three events: parked and ignored a day ago, received just now; ages that no slow machine changes."""
    now = datetime.now(tz=UTC)
    earlier, later = (now - timedelta(days=1, hours=hours, seconds=30) for hours in (2, 1))
    for event_id, type_, status, outcome, tries, at in (
        ("evt_parked", "charge.refunded", "PARKED", "the Refunds could not be listed", 12, earlier),
        ("evt_ignored", "customer.created", "IGNORED", "not a type that we use", 1, later),
        ("evt_received", "refund.created", "RECEIVED", None, 0, now),
    ):
        waits = status == "RECEIVED"
        until, finished = (at + timedelta(hours=1), None) if waits else (None, at)
        rows(INSERT, event_id, type_, status, outcome, tries, until, at, at, finished)


@pytest.mark.usefixtures("inbox")
def test_the_newest_are_listed_first_with_what_came_of_them(run: Run) -> None:
    ran = run("events", "list")

    assert ran.status == 0
    heading, received, ignored, parked = ran.screen.splitlines()
    assert heading == "Event         Type              Status    Tries  Outcome                          Age"
    assert received.startswith(
        "evt_received  refund.created    RECEIVED  0                                       "
    )
    assert (
        ignored == "evt_ignored   customer.created  IGNORED   1      not a type that we use           1 d 1 h"
    )
    assert (
        parked == "evt_parked    charge.refunded   PARKED    12     the Refunds could not be listed  1 d 2 h"
    )


@pytest.mark.usefixtures("inbox")
def test_a_narrow_screen_has_a_list_in_the_place_of_the_table(run: Run) -> None:
    ran = run("events", "list", settings={"COLUMNS": "80"})

    _, _, _, *earlier = ran.screen.splitlines()
    assert earlier == [
        "1 d 1 h ago  evt_ignored  IGNORED",
        "             customer.created",
        "             tries: 1 · not a type that we use",
        "1 d 2 h ago  evt_parked  PARKED",
        "             charge.refunded",
        "             tries: 12 · the Refunds could not be listed",
    ]


@pytest.mark.usefixtures("inbox")
@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        (("--status", "parked"), ["evt_parked"]),
        (("--type", "customer.created"), ["evt_ignored"]),
        (("--limit", "2"), ["evt_received", "evt_ignored"]),
        (("--status", "processed"), []),
    ],
)
def test_the_list_can_be_narrowed(run: Run, arguments: tuple[str, ...], listed: list[str]) -> None:
    events = json.loads(run("events", "list", *arguments, "--json").out)

    assert [event["event_id"] for event in events] == listed
    assert all("payload" not in event for event in events)


def test_an_empty_inbox_is_said_to_be_empty(run: Run) -> None:
    assert run("events", "list").out == "No such events.\n"


@pytest.mark.usefixtures("inbox")
def test_parked_events_are_processed_once_more(
    run: Run, rows: Rows, worker: Callable[..., Process], beat: Callable[..., Process]
) -> None:
    ran = run("events", "replay", "--parked")

    assert (ran.status, ran.out) == (0, "1 event is due; the next sweep takes it.\n")
    row = rows.one("SELECT * FROM stripe_event WHERE event_id = 'evt_parked'")
    assert (row["status"], row["tries"], row["lease_token"], row["finished_at"]) == ("RECEIVED", 0, 4, None)
    assert row["outcome"].startswith("REPLAYED: ada on ")
    worker(pool="threads")
    beat(settings={"PAYMENT_WORKER_RESUME_EVERY": "0.5"})
    rows.wait_for("SELECT 1 FROM stripe_event WHERE event_id = 'evt_parked' AND status = 'IGNORED'")


@pytest.mark.usefixtures("inbox")
def test_any_event_can_be_named_and_missing_ones_are_reported(run: Run, rows: Rows) -> None:
    ran = run("events", "replay", "evt_ignored", "evt_nowhere")

    assert (ran.status, ran.err) == (1, "No such event: evt_nowhere\n")
    due = rows("SELECT event_id FROM stripe_event WHERE status = 'RECEIVED' AND next_action_at <= now()")
    assert [row["event_id"] for row in due] == ["evt_ignored"]


@pytest.mark.usefixtures("inbox")
def test_an_event_about_no_payment_of_ours_is_shown_by_itself(run: Run) -> None:
    ran = run("show", "evt_ignored")

    assert ran.status == 0
    assert ran.screen.startswith("This event is about no payment of ours.\n\nEvent        Type")
