"""Silence is not a no: whatever Stripe's answer comes to, the money moves once, and the record says so in the end.

Each trouble is met by a charge and by a refund. All are sent before the first is looked at: they take their time
side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.acceptance.scene import Json, Scene
from tests.harness.producer import a_charge, a_refund


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Faults that hit a request, one after the other, and how it must end."""

    faults: list[Json]
    keys: int = 1
    """Under how many keys Stripe is asked in all."""
    requests: tuple[int, int] = (2, 20)
    """How many requests are heard: at least and at most."""


def _fault(kind: str, when: str = "before", **fields: object) -> Json:
    return {"kind": kind, "when": when, **fields}


TROUBLES: Mapping[str, Trouble] = {
    # K5
    "a key that is in use": Trouble(faults=[_fault("conflict", times=3)], requests=(4, 4)),
    "its own request still running": Trouble(faults=[_fault("latency", seconds=2.2)]),
    # K6
    "a stored 500 that hides success": Trouble(faults=[_fault("server_error", "after")], requests=(1, 1)),
    "a stored 500 that hides nothing": Trouble(faults=[_fault("server_error")], keys=2),
    "a 500 that is not stored": Trouble(faults=[_fault("server_error_unstored")]),
    "a 500 with the order not to retry": Trouble(faults=[_fault("retry_header")]),
    "a 502 before": Trouble(faults=[_fault("bad_gateway")]),
    "a 502 after": Trouble(faults=[_fault("bad_gateway", "after")], requests=(1, 2)),
    "a 503 before": Trouble(faults=[_fault("unavailable", times=2)]),
    "a 503 after": Trouble(faults=[_fault("unavailable", "after")], requests=(1, 2)),
    # K7
    "silence before": Trouble(faults=[_fault("hang", times=2)]),
    "silence after": Trouble(faults=[_fault("hang", "after")]),
    "an answer that comes too late": Trouble(faults=[_fault("latency", "after", seconds=1.5)]),
    "a reset before": Trouble(faults=[_fault("reset", times=3)], requests=(4, 4)),
    "a reset after": Trouble(faults=[_fault("reset", "after", times=2)], requests=(3, 3)),
    # K8
    "a body cut short": Trouble(faults=[_fault("cut_body", "after")]),
    "a body cut short of what never was": Trouble(faults=[_fault("cut_body")]),
    "a connection cut short": Trouble(faults=[_fault("cut_connection", "after")]),
    "an empty answer": Trouble(faults=[_fault("empty", "after")]),
    "an empty answer to what never was": Trouble(faults=[_fault("empty")]),
    # K10
    "a rate limit": Trouble(faults=[_fault("rate_limited", times=4)], requests=(5, 5)),
    "a rate limit in HTML": Trouble(faults=[_fault("rate_limited_html", times=2)], requests=(3, 3)),
    "a lock that times out": Trouble(faults=[_fault("lock_timeout", times=2)], requests=(3, 3)),
    # Nobody's fault but the operator's.
    "a key refused": Trouble(faults=[_fault("unauthorized")], requests=(2, 2)),
    "one trouble after the other": Trouble(
        faults=[_fault("rate_limited"), _fault("reset"), _fault("bad_gateway", "after")],
    ),
}


@dataclass(frozen=True)
class _Hit:
    charge: dict[str, str] = field(default_factory=dict)
    refund: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def hit(scene: Scene) -> _Hit:
    """A charge and a refund for each trouble, on their way."""
    paid = {name: scene.charge() for name in TROUBLES}
    sent = _Hit()
    for name, trouble in TROUBLES.items():
        charge = a_charge()
        sent.charge[name] = charge["payment_id"]
        for fields in trouble.faults:
            scene.fault(charge=charge["payment_id"], **fields)
        scene.producer.charge(**charge)
    for name, trouble in TROUBLES.items():
        scene.payment(paid[name], "SUCCEEDED")
        refund = a_refund(paid[name], amount=1_000)
        sent.refund[name] = refund["refund_id"]
        for fields in trouble.faults:
            scene.fault(refund=refund["refund_id"], **fields)
        scene.producer.refund(**refund)
    return sent


@pytest.mark.parametrize("name", TROUBLES)
def test_a_charge_is_made_once_through(scene: Scene, hit: _Hit, name: str) -> None:
    payment_id = hit.charge[name]
    scene.payment(payment_id, "SUCCEEDED", seconds=40)
    assert scene.history(payment_id) == ["REQUESTED", "SUCCEEDED"]
    _was_asked(scene, payment_id, TROUBLES[name])


@pytest.mark.parametrize("name", TROUBLES)
def test_a_refund_is_made_once_through(scene: Scene, hit: _Hit, name: str) -> None:
    refund_id = hit.refund[name]
    scene.refund_row(refund_id, "PROCESSED", seconds=40)
    assert scene.history(refund_id) == ["REQUESTED", "PROCESSED"]
    _was_asked(scene, refund_id, TROUBLES[name])


def _was_asked(scene: Scene, identity: str, trouble: Trouble) -> None:
    posts = scene.posts(identity)
    assert len({post["key"] for post in posts}) == trouble.keys
    assert sum(post["effect"] for post in posts) == 1
    least, most = trouble.requests
    assert least <= len(posts) <= most


def test_an_unknown_charge_blocks_every_other_attempt(scene: Scene) -> None:
    charge = a_charge()
    silence = scene.fault("hang", charge=charge["payment_id"], times=None)
    scene.producer.charge(**charge)
    scene.wait_for_post(charge["payment_id"])
    scene.witness.wait_for_end([scene.producer.charge(**charge) for _ in range(3)])
    # Longer than a lease: others have taken it over and have not heard more.
    scene.rows.wait_for(
        "SELECT 1 FROM payment WHERE payment_id = %s AND created_at < now() - interval '5 seconds'",
        charge["payment_id"],
    )
    assert scene.history(charge["payment_id"]) == ["REQUESTED"]
    assert len({post["key"] for post in scene.posts(charge["payment_id"])}) == 1
    scene.simulator.delete(f"faults/{silence}")
    scene.payment(charge["payment_id"], "SUCCEEDED")


def test_a_key_used_with_other_parameters_is_an_alarm_and_no_decline(scene: Scene) -> None:
    """K4. Another program, or another version of this one, has used our key."""
    charge = a_charge()
    deafness = scene.fault("reset", charge=charge["payment_id"], times=None)
    scene.producer.charge(**charge)
    key = scene.wait_for_post(charge["payment_id"])["key"]
    scene.post_to_stripe("payment_intents", key=key, amount=777, currency="eur")
    scene.simulator.delete(f"faults/{deafness}")
    wanted = "key_mismatch"
    scene.wait_for_log(wanted, charge["payment_id"])
    # Looked for again and again, and never believed absent.
    scene.rows.wait_for(
        "SELECT 1 FROM payment WHERE payment_id = %s AND created_at < now() - interval '6 seconds'",
        charge["payment_id"],
    )
    assert scene.history(charge["payment_id"]) == ["REQUESTED"]
    assert {post["key"] for post in scene.posts(charge["payment_id"])} == {key}
    assert not any(post["effect"] for post in scene.posts(charge["payment_id"]))
    scene.books.must_agree(but_for=[charge["payment_id"]])
