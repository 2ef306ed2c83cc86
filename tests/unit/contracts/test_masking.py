"""What is kept of a refused request holds no secret, is small, and fits into JSON and PostgreSQL."""

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_worker.contracts.masking import mask_text, masked


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("4242424242424242", "***4242"),
        ("card 4242 4242 4242 4242, twice: 378282246310005!", "card ***4242, twice: ***0005!"),
        ("sk_live_51Abc9xyz", "sk_live_***"),
        ("key=sk_test_51Abc;", "key=sk_test_***;"),
        ("rk_live_51Abc", "rk_live_***"),
        ("whsec_abcDEF123", "whsec_***"),
        ("pi_3Nx_secret_abc9", "pi_3Nx_secret_***"),
        ("cs_test_a1_secret_fidkdWxOYHwn", "cs_test_a1_secret_***"),
        ("Bearer abc.def-ghi9", "Bearer ***"),
        ("from jenny.rosen+1@example.co.uk:", "from ***@***:"),
        ("<jenny@example.com>", "<***@***>"),
        ("postgresql://app:hunter2@db.internal/pay", "postgresql://app:***@db.internal/pay"),
        ("redis://:p@ss@127.0.0.1:6379/0", "redis://:***@127.0.0.1:6379/0"),
        ("a\0b", "a␀b"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_is_secret_is_masked_where_it_stands(text: str, kept: str) -> None:
    assert mask_text(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pm_card_visa",
        "pi_3NirD82eZvKYlo2C1abc",
        "0b6cd9e0-7f6c-4a38-9a4b-3f4d6c1f7a11",
        "https://example.com:8080/a@b",
        "redis://127.0.0.1:6379/0",
        "Order 4711, 12.50 € at 10:30",
        "t=1700000000",
        "the secret_santa list",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_text(text) == text


TELLING = """
    card number cardNumber card_number CARD-CVC cvv password dbPassword client_secret token accessToken
    api_key stripeApiKey Authorization STRIPE_SIGNATURE account_number
"""


@pytest.mark.parametrize("name", TELLING.split())
def test_whatever_stands_under_a_telling_name_is_masked_whole(name: str) -> None:
    assert masked({name: {"deep": ["anything"]}}) == {name: "***"}


@pytest.mark.parametrize(
    "name",
    [
        "order_number",
        "payment_method",
        "cardinality",
        "discarded",
        "description",
        "amount",
        "key",
        "currency",
    ],
)
def test_other_names_hide_nothing(name: str) -> None:
    assert masked({name: "x"}) == {name: "x"}


def test_a_name_that_is_secret_itself_is_masked() -> None:
    assert masked({"4242424242424242": 1, "jenny@example.com": 2}) == {"***4242": 1, "***@***": 2}


def test_a_card_number_sent_as_a_number_is_masked() -> None:
    assert masked({"note": 4242424242424242}) == {"note": "***4242"}
    assert masked({"note": -4.242424242424242e15}) == {"note": "-***4242"}
    assert masked({"note": 0.5, "more": 1e300}) == {"note": 0.5, "more": 1e300}


def test_whether_something_telling_was_given_at_all_stays_visible() -> None:
    assert masked({"token": None}) == {"token": None}


def test_ordinary_arguments_stay_as_they_are() -> None:
    arguments = {
        "payment_id": "0b6cd9e0-7f6c-4a38-9a4b-3f4d6c1f7a11",
        "amount": "100",
        "currency": "eur",
        "metadata": {"a": [1, 2.5, True, None]},
    }

    assert masked(arguments) == arguments


def test_what_json_does_not_know_becomes_text() -> None:
    assert masked(
        [UUID(int=1), datetime(2026, 11, 22, tzinfo=UTC), Decimal("1.50"), math.inf, b"abc", (1,)]
    ) == [
        "00000000-0000-0000-0000-000000000001",
        "2026-11-22 00:00:00+00:00",
        "1.50",
        "inf",
        "(3 bytes)",
        [1],
    ]


def test_a_huge_text_is_cut_and_its_length_shown() -> None:
    kept = masked("x" * 1_000_000)

    assert isinstance(kept, str)
    assert kept.endswith("… (1000000 characters)")
    assert len(kept) < 2_100


@given(st.integers(1_900, 2_700), st.sampled_from(["4242 4242 4242 4242", "sk_live_51H8abcdefghijklmnop"]))
def test_no_cut_leaves_half_a_secret(position: int, secret: str) -> None:
    kept = str(masked("x " * (position // 2) + secret + " y" * 5_000))

    assert "4242 4242" not in kept
    assert "51H8" not in kept


def test_a_deep_value_ends_somewhere() -> None:
    value: list[object] = []
    for _ in range(10_000):
        value = [value]

    assert "too deep" in json.dumps(masked(value))


def test_a_value_that_holds_itself_ends_somewhere() -> None:
    value: list[object] = []
    value += [value, value]

    assert len(json.dumps(masked(value))) < 100_000


def test_of_many_values_a_thousand_are_kept_and_the_rest_counted() -> None:
    kept = masked({str(number): number for number in range(5_000)})

    assert isinstance(kept, dict)
    assert len(kept) == 1_000
    assert kept["…"] == "(4001 more)"


def test_an_integer_beyond_all_amounts_is_described_by_its_size() -> None:
    assert masked(10**5_000) == "(an integer of 16610 bits)"


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.uuids()
    | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(anything)
def test_whatever_comes_out_fits_into_a_database(value: object) -> None:
    text = json.dumps(masked(value), allow_nan=False)

    assert "\\u0000" not in text
    assert "\\ud8" not in text or text.encode().decode("unicode_escape").encode("utf-16", "surrogatepass")


@given(anything, st.sampled_from(["4242424242424242", "sk_live_51H8abc", "pi_1_secret_abc", "a@example.com"]))
def test_no_secret_gets_through_in_any_place(value: object, secret: str) -> None:
    kept = json.dumps(masked([value, {f"a {secret}": [f"({secret})", {"k": secret}]}]))

    assert secret not in kept


@given(st.text())
def test_masking_twice_is_masking_once(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)
