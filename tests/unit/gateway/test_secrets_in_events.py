"""What would let its reader pay as the customer is left out of an event before it is stored, wherever it stands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_worker.gateway.webhook import CLIENT_SECRET, Event, event_of

SECRET = "_secret_"
AROUND = st.text(st.sampled_from('ab_"/… '), max_size=70)


def _read(note: str) -> Event:
    event = {
        "id": "evt_1",
        "type": "a.b",
        "created": 1,
        "data": {"object": {"id": "pi_1", "note": note}},
    }
    # Unescaped: what has an escape is searched word by word.
    return event_of(json.dumps(event, ensure_ascii=False))


@pytest.mark.parametrize(
    ("note", "kept"),
    [
        ("pi_1_secret_abc", "…"),
        ("https://a/?c=pi_1_secret_abc&d", "https://a/?c=…&d"),
        ("pi_1_secret_a seti_2_secret_b", "… …"),
        ("a_secret_b_secret_c", "…"),
        (f"{'x' * 100}_secret_a", f"{'x' * 36}…"),
        ("no_secret, ?_secret_ and pi_1_secret_a", "no_secret, ?_secret_ and …"),
        ("no secret", "no secret"),
    ],
)
def test_a_client_secret_is_left_out(note: str, kept: str) -> None:
    event = _read(note)

    assert event.payload["data"]["object"]["note"] == kept
    assert event.text is not None
    assert json.loads(event.text) == event.payload


@given(st.lists(AROUND, min_size=1, max_size=5).map(SECRET.join))
def test_looking_close_by_finds_what_looking_everywhere_does(note: str) -> None:
    assert _read(note).payload["data"]["object"]["note"] == json.loads(
        CLIENT_SECRET.sub("…", json.dumps(note, ensure_ascii=False))
    )
