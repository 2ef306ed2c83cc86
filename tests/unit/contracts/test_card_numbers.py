"""Card numbers are found however people write them, and other long numbers are left alone."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_worker.contracts.card_numbers import card_number_spans, has_card_number

# The networks' own test numbers, as Stripe and others publish them.
CARDS = """
    4242424242424242 4000056655665556 4000002500003155 4222222222222 5555555555554444 5200828282828210
    2223003122003222 378282246310005 371449635398431 6011111111111117 6011000990139424 6011981111111113
    3056930009020004 36227206271667 30569309025904 38520000023237 6555900000604105 3566002020360505
    6200000000000005 6200000000000047 6205500000000000004 6759649826438453
"""
NUMBERS = CARDS.split()


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "around", ["{}", "card {}, thanks", "x{}y", "№{}", "({})", '{{"number":"{}"}}', "12/26 {} 123"]
)
def test_a_card_number_is_found_in_any_company(number: str, around: str) -> None:
    assert has_card_number(around.format(number))


@pytest.mark.parametrize(
    "text",
    [
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242\u00a04242\u00a04242\u00a04242",
        "4242 - 4242 - 4242 - 4242",
        "4242–4242–4242–4242",  # noqa: RUF001 - a dash from a word processor
        "4242\n4242\n4242\n4242",
        "3782 822463 10005",
        "4242.4242.4242.4242",
        "4242_4242_4242_4242",
        "4242/4242/4242/4242",
        "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
        "4242 4242 4242 4242 123 12/26",
        "1 4242424242424242 1",
        "20261122 4242424242424242",
        "4242424242424242",
        "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢",
    ],
)
def test_grouped_and_foreign_digits_are_digits(text: str) -> None:
    assert has_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no digits",
        "4242424242424241",  # Luhn fails
        "1732312345676",  # milliseconds since 1970, Luhn passes
        "1234567812345670",  # Luhn passes, no network
        "0000000000000000",
        "42424242424242424242",  # twenty digits
        "4006381333931",  # a barcode
        "4.242424242424242",
        "4242424 uuid 242424242",
        "30 40 50 60 70 80 94",  # a list of small numbers
        "2026-11-22 2026-11-23",
        "52345678-1234-4234-9234-123456789012",
        "pm_1NirD82eZvKYlo2C",
        "pm_1O1o7xEi6Q965ZP947555734",  # a Stripe id: with letters between its digits one in two million is a card
        "refund of pi_39lg9I64Lg2f042a9T2bd280, please",
        "issfr_1O1o7xEi6Q965ZP947555734",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert not has_card_number(text)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("around", ["pm_{}", "pi_3Nir{}abc", "card_{}", "pm_card {}"])
def test_a_card_number_in_what_looks_like_a_stripe_id_is_found(number: str, around: str) -> None:
    assert has_card_number(around.format(number))


@given(st.uuids())
def test_no_uuid_is_a_card(uuid: object) -> None:
    assert not has_card_number(str(uuid))
    assert not has_card_number(f"order {uuid}")


@pytest.mark.parametrize("around", ["{}4242424242424242", "{} 4242424242424242", "4242424242424242 {}"])
def test_a_card_number_beside_a_uuid_is_found(around: str) -> None:
    assert has_card_number(around.format("00000000-0000-4000-8000-00000000000a"))


@given(st.text(), st.sampled_from(NUMBERS), st.text())
def test_a_span_holds_the_number_and_nothing_else(before: str, number: str, after: str) -> None:
    text = f"{before}|{number}|{after}"
    spans = list(card_number_spans(text))

    assert number in [text[begin:end] for begin, end in spans]
    assert all(text[begin].isdigit() and text[end - 1].isdigit() for begin, end in spans)


@given(st.text(st.sampled_from("0123456789 -x4"), max_size=200))
def test_spans_run_left_to_right_without_overlap(text: str) -> None:
    spans = list(card_number_spans(text))

    assert spans == sorted(spans)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    assert has_card_number(text) == bool(spans)
