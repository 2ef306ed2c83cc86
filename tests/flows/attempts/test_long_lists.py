"""However many PaymentIntents others make: a look ends within its lease, and absence is read off the whole list."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from uuid import UUID

import pytest

from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.gateway.lists.list_scan import PAGE
from tests.flows.limits import ALL_DUE
from tests.flows.one_payment import DiedError, DyingDatabase
from tests.flows.scene import Scene
from tests.harness.rows import Rows

PAGES_OF_OTHERS = 2
OTHERS = PAGES_OF_OTHERS * PAGE + 1
"""So that what was made before them stands on the third page."""

PAGES_OF_EVENTS = PAGES_OF_OTHERS + 1
"""Each of them has an event that tells of it."""

BELIEVED_SECONDS = 200
"""More than the delay after which absence is believed, and less than the list's window goes on."""


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """Its lease is as long as the longest call: there is time for one page a round."""
    return with_policy(scene, lease=timedelta(seconds=scene.context.stripe.timeout_seconds))


def with_policy(scene: Scene, **changes: Any) -> Scene:  # noqa: ANN401 - any rule
    return replace(scene, context=replace(scene.context, policy=replace(scene.context.policy, **changes)))


def others_pay(simulator: Simulator, count: int = OTHERS) -> None:
    """Another app on the same account makes so many PaymentIntents."""
    request = Request(  # noqa: S310 our own simulator
        f"{simulator.url}/v1/payment_intents",
        data=urlencode({"amount": 100, "currency": "eur"}).encode(),
        headers={"Authorization": "Bearer sk_test_simulator"},
    )
    for _ in range(count):
        with urlopen(request, timeout=10):  # noqa: S310 likewise
            pass


def a_round(scene: Scene) -> None:
    """What is due within seconds is done."""
    scene.advance(2)
    for each in claim_due(scene.context, ALL_DUE).attempts:
        run_claimed(scene.context, each.attempt_id, lease_token=each.lease_token)


def pages_read(simulator: Simulator) -> int:
    return sum(simulator.get("requests").get("payment_intents.list", {}).values())


def attempts(rows: Rows, payment_id: UUID) -> list[dict[str, Any]]:
    return rows("SELECT * FROM payment_attempt WHERE payment_id = %s ORDER BY number", payment_id)


def status(rows: Rows, payment_id: UUID) -> str:
    return str(rows.one("SELECT status FROM payment WHERE payment_id = %s", payment_id)["status"])


def posts(simulator: Simulator, payment_id: UUID) -> list[tuple[str, bool]]:
    """The numbers of the keys under which Stripe was asked, and whether it did anything."""
    asked = [entry for entry in simulator.journal() if str(entry["key"]).startswith(str(payment_id))]
    return [(entry["key"].rpartition(":")[2], entry["effect"]) for entry in asked]


def test_what_stands_deep_in_the_list_is_found_by_several_rounds(
    scene: Scene, rows: Rows, simulator: Simulator
) -> None:
    payment_id = scene.charge_unanswered(when="after")
    others_pay(simulator)
    scene.advance(BELIEVED_SECONDS)
    read, places = pages_read(simulator), []
    for page in range(1, PAGES_OF_OTHERS + 1):
        a_round(scene)
        assert pages_read(simulator) == read + page
        assert status(rows, payment_id) == "REQUESTED"
        places.append(attempts(rows, payment_id)[0]["lookup_cursor"])

    a_round(scene)

    assert len({*places, None}) == PAGES_OF_OTHERS + 1
    assert pages_read(simulator) == read + PAGES_OF_OTHERS + 1
    assert status(rows, payment_id) == "SUCCEEDED"
    assert attempts(rows, payment_id)[0]["lookup_cursor"] is None
    assert posts(simulator, payment_id) == [("1", True)]


def test_what_was_never_made_is_made_once_after_the_list_was_read_to_its_end(
    scene: Scene, rows: Rows, simulator: Simulator
) -> None:
    payment_id = scene.charge_unanswered(when="before")
    others_pay(simulator)
    scene.advance(BELIEVED_SECONDS)
    for _ in range(PAGES_OF_OTHERS):
        a_round(scene)
        assert posts(simulator, payment_id) == [("1", False)]
        (attempt,) = attempts(rows, payment_id)
        assert attempt["error_code"] == "scan_continues"

    for _ in range(PAGES_OF_EVENTS):
        # None of them: now the events are asked for its key, and those are a long list, too.
        a_round(scene)

    assert [each["status"] for each in attempts(rows, payment_id)] == ["ABSENT", "EXECUTED"]
    assert status(rows, payment_id) == "SUCCEEDED"
    assert posts(simulator, payment_id) == [("1", False), ("2", True)]


def test_copies_of_its_metadata_are_passed_over_one_a_round_where_there_is_no_time_for_more(
    scene: Scene, rows: Rows, simulator: Simulator
) -> None:
    payment_id = scene.charge_unanswered(when="after")
    paid = {"amount": 5000, "currency": "eur", "payment_method": "pm_card_visa"}
    copies = 4
    for _ in range(copies):
        simulator.post("payment_intents", {**paid, "metadata": scene.metadata_of(payment_id)})
    scene.advance(BELIEVED_SECONDS)
    for _ in range(copies):
        a_round(scene)
        assert attempts(rows, payment_id)[0]["error_code"] == "scan_continues"
    a_round(scene)
    assert status(rows, payment_id) == "SUCCEEDED"
    assert len(rows("SELECT 1 FROM reconciliation_finding WHERE kind = 'unverified_metadata'")) == copies
    assert posts(simulator, payment_id) == [("1", True)]


def test_a_lookup_that_makes_progress_is_no_failure(scene: Scene, rows: Rows, simulator: Simulator) -> None:
    payment_id = scene.charge_unanswered(when="before")
    others_pay(simulator)
    scene.advance(BELIEVED_SECONDS)
    (before,) = attempts(rows, payment_id)
    for _ in range(PAGES_OF_OTHERS):
        a_round(scene)
    (after,) = attempts(rows, payment_id)
    assert after["lookup_cursor"] is not None
    assert {name: after[name] for name in ("unknown_reason", "tries")} == {
        name: before[name] for name in ("unknown_reason", "tries")
    }


def test_a_lookup_that_cannot_prove_absence_ends_within_its_lease_and_stores_no_cursor(
    scene: Scene, rows: Rows, simulator: Simulator
) -> None:
    payment_id = scene.charge_unanswered(when="after")
    others_pay(simulator)
    read = pages_read(simulator)

    a_round(scene)

    (attempt,) = attempts(rows, payment_id)
    assert pages_read(simulator) == read + 1
    assert (attempt["unknown_reason"], attempt["lookup_cursor"]) == ("not_found_yet", None)
    # The same request again gets the same error, and proves nothing.
    a_round(scene)
    scene.advance(BELIEVED_SECONDS)
    for _ in range(PAGES_OF_OTHERS + 1):
        a_round(scene)
    assert status(rows, payment_id) == "SUCCEEDED"
    assert posts(simulator, payment_id) == [("1", True), ("1", False)]


def test_all_is_read_in_one_round_where_there_is_time(scene: Scene, rows: Rows, simulator: Simulator) -> None:
    payment_id = scene.charge_unanswered(when="after")
    others_pay(simulator)
    scene.advance(BELIEVED_SECONDS)
    a_round(with_policy(scene, lease=timedelta(seconds=60)))
    assert status(rows, payment_id) == "SUCCEEDED"


def test_what_was_read_before_a_page_that_fails_is_not_read_again(
    scene: Scene, rows: Rows, simulator: Simulator
) -> None:
    scene = with_policy(scene, lease=timedelta(seconds=60))
    payment_id = scene.charge_unanswered(when="after")
    others_pay(simulator)
    scene.advance(BELIEVED_SECONDS)
    simulator.fault("bad_gateway", endpoint="payment_intents.list", nth=2, times=3)
    a_round(scene)
    (attempt,) = attempts(rows, payment_id)
    assert attempt["lookup_cursor"] is not None
    read = pages_read(simulator)

    a_round(scene)

    assert pages_read(simulator) == read + PAGES_OF_OTHERS
    assert status(rows, payment_id) == "SUCCEEDED"


def test_a_page_that_fails_takes_no_place_away(scene: Scene, rows: Rows, simulator: Simulator) -> None:
    payment_id = scene.charge_unanswered(when="after")
    others_pay(simulator)
    scene.advance(BELIEVED_SECONDS)
    a_round(scene)
    (before,) = attempts(rows, payment_id)
    simulator.fault("bad_gateway", endpoint="payment_intents.list", times=3)

    a_round(scene)

    (after,) = attempts(rows, payment_id)
    assert after["tries"] == before["tries"] + 1
    assert after["lookup_cursor"] == before["lookup_cursor"] is not None


def test_a_lookup_begins_anew_where_its_cursor_is_gone(scene: Scene, rows: Rows) -> None:
    payment_id = scene.charge_unanswered(when="after")
    scene.advance(BELIEVED_SECONDS)
    rows("UPDATE payment_attempt SET lookup_started_at = %s, lookup_cursor = 'pi_gone'", scene.clock())
    a_round(scene)
    assert status(rows, payment_id) == "SUCCEEDED"


def charge_in_silence(scene: Scene, simulator: Simulator) -> UUID:
    """Charge; nothing was done and nothing answered. Others make many more, and the key grows too old to be sent."""
    simulator.fault("reset", endpoint="payment_intents.create")
    payment_id = scene.charge()
    others_pay(simulator)
    scene.advance(BELIEVED_SECONDS)
    return payment_id


def test_what_is_sent_in_between_makes_the_place_void(scene: Scene, rows: Rows, simulator: Simulator) -> None:
    looking = with_policy(scene, key_safe_age=timedelta(0))
    payment_id = charge_in_silence(scene, simulator)
    a_round(looking)
    assert attempts(rows, payment_id)[0]["lookup_cursor"] is not None

    # Somebody sets the key's safe age higher. What is sent again is done, unheard, and stands above that place.
    simulator.fault("reset", when="after", endpoint="payment_intents.create")
    a_round(scene)
    (sent,) = attempts(rows, payment_id)
    assert (sent["lookup_started_at"], sent["lookup_cursor"]) == (None, None)

    scene.advance(BELIEVED_SECONDS)
    a_round(looking)
    assert status(rows, payment_id) == "SUCCEEDED"
    assert posts(simulator, payment_id) == [("1", False), ("1", True)]


def test_who_dies_while_sending_has_made_the_place_void_before(
    scene: Scene, rows: Rows, simulator: Simulator, database_url: str
) -> None:
    looking = with_policy(scene, key_safe_age=timedelta(0))
    payment_id = charge_in_silence(scene, simulator)
    a_round(looking)
    scene.advance(2)
    (due,) = claim_due(scene.context, ALL_DUE).attempts
    with closing(DyingDatabase(database_url)) as database:
        database.dies_before = 2  # that which would record what came of it
        with pytest.raises(DiedError):
            run_claimed(
                replace(scene.context, database=database), due.attempt_id, lease_token=due.lease_token
            )
    assert posts(simulator, payment_id) == [("1", False), ("1", True)]
    assert attempts(rows, payment_id)[0]["lookup_cursor"] is None

    scene.advance(BELIEVED_SECONDS)
    a_round(looking)
    assert status(rows, payment_id) == "SUCCEEDED"


def test_a_place_that_an_older_version_left_standing_when_it_sent_is_void(
    scene: Scene, rows: Rows, simulator: Simulator
) -> None:
    looking = with_policy(scene, key_safe_age=timedelta(0))
    payment_id = charge_in_silence(scene, simulator)
    a_round(looking)
    (looked,) = attempts(rows, payment_id)
    simulator.fault("reset", when="after", endpoint="payment_intents.create")
    a_round(scene)
    # The version before this one knows of no place, so it takes none away.
    rows(
        "UPDATE payment_attempt SET lookup_started_at = %s, lookup_cursor = %s",
        looked["lookup_started_at"],
        looked["lookup_cursor"],
    )

    scene.advance(BELIEVED_SECONDS)
    a_round(looking)

    assert status(rows, payment_id) == "SUCCEEDED"
    assert posts(simulator, payment_id) == [("1", False), ("1", True)]


def test_a_part_of_the_refunds_is_never_taken_for_all(scene: Scene, rows: Rows, simulator: Simulator) -> None:
    payment_id = scene.charge()
    intent = rows.one("SELECT * FROM payment WHERE payment_id = %s", payment_id)["stripe_payment_intent_id"]
    for _ in range(PAGE + 1):
        simulator.post(f"payment_intents/{intent}/refund", {"amount": 1})
    fault = simulator.fault("bad_gateway", endpoint="refunds.list", nth=2, times=20)
    assert not isinstance(scene.context.stripe.refunds_of(intent, account=""), list)
    simulator.delete(f"faults/{fault}")
    listed = scene.context.stripe.refunds_of(intent, account="")
    assert isinstance(listed, list)
    assert len(listed) == PAGE + 1
