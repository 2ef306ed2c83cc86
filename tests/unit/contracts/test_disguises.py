"""A card number or a key is found however it is disguised, and what only looks a little like one is left alone."""

import base64
import json
import random
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from payment_worker.contracts.card_numbers import has_card_number
from payment_worker.contracts.masking import mask_text, masked
from tests.unit.contracts.test_card_numbers import NUMBERS

FORMAT = [character for character in map(chr, range(0x10000)) if unicodedata.category(character) == "Cf"]
DIGITS = [
    [character for character in map(chr, range(0x20000)) if unicodedata.digit(character, -1) == digit]
    for digit in range(10)
]
OTHERS = st.text(st.characters(exclude_categories=["Nd", "Nl", "No", "Cs", "Lo"]), min_size=1, max_size=3)
EXPIRIES = ["1226", " 12/26", "/1226", "122026", "=1226", " exp 12/26 123", "1226123"]


@st.composite
def disguised(draw: st.DrawFn) -> tuple[str, str]:
    """A card number, and a way to write it."""
    number = draw(st.sampled_from(NUMBERS))
    size = draw(st.sampled_from([1, 2, 3, 4, 5, 6, 19]))
    between = draw(st.sampled_from(["", *" -./_,;:|xX*~·•—\t", " - ", "\r\n", "::", "\\"]) | OTHERS)
    assume("+" not in between)  # it begins a telephone number
    groups = [number[at : at + size] for at in range(0, len(number), size)]
    text = between.join(groups)
    if draw(st.booleans()):
        text = "".join(
            draw(st.sampled_from(DIGITS[int(c)])) if c.isascii() and c.isdigit() else c for c in text
        )
    if draw(st.booleans()):
        text = draw(st.sampled_from(FORMAT)).join(text)
    return number, text + draw(st.sampled_from(["", *EXPIRIES]))


@given(disguised())
def test_a_card_number_is_found_in_any_disguise(drawn: tuple[str, str]) -> None:
    number, text = drawn
    hidden = mask_text(text)

    assert has_card_number(text)
    left = [unicodedata.digit(character, None) for character in hidden]
    assert number[:-4] not in "".join(str(digit) for digit in left if digit is not None)


@given(st.sampled_from(NUMBERS), st.randoms(use_true_random=False))
def test_a_card_number_is_found_in_groups_of_any_size(number: str, dice: random.Random) -> None:
    text = number[0] + "".join(dice.choice(["", " ", "-", ", ", " / "]) + digit for digit in number[1:])

    assert has_card_number(text)


@given(st.sampled_from(NUMBERS), st.sampled_from(["%{:02x}", "\\u{:04x}", "&#{};", "&#x{:x};"]))
def test_a_card_number_is_found_behind_escapes(number: str, escape: str) -> None:
    every_other = "".join(escape.format(ord(digit)) if at % 2 else digit for at, digit in enumerate(number))
    spaces = escape.format(ord(" ")).join(number[at : at + 4] for at in range(0, len(number), 4))

    assert number[:-4] not in mask_text(spaces)
    assert "***" in mask_text(every_other)
    assert has_card_number(spaces)


@pytest.mark.parametrize("split", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", [str, int])
def test_a_card_number_in_pieces_of_a_list_is_masked(split: int, kind: type) -> None:
    pieces = [kind("4242424242424242"[at : at + split]) for at in range(0, 16, split)]

    assert "42" not in json.dumps(masked({"a": {"b": pieces}}))


KEYS = st.sampled_from(
    [
        "sk_live_",
        "sk_test_",
        "rk_live_",
        "sk_org_live_",
        "sk_org_",
        "sk_",
        "rk_",
        "whsec_",
        "ek_live_",
        "SK_LIVE_",
    ]
)


@given(KEYS, st.sampled_from(["", "key=", "(", "1", "a_", "№"]), st.sampled_from(["", *FORMAT]))
def test_a_key_of_stripes_is_masked_in_any_company(kind: str, before: str, between: str) -> None:
    hidden = mask_text(before + between.join(f"{kind}51H8abcDEF"))

    assert "51H8" not in hidden
    assert "***" in hidden


@given(st.sampled_from(["sk_live_51H8abcDEF", "4242424242424242", "whsec_51H8abcDEF"]), st.integers(0, 3))
def test_what_is_encoded_is_masked_as_well(secret: str, more: int) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(
            json.dumps({"x" * more: secret, "note": "ÿÿ?"}, ensure_ascii=False).encode()
        ).decode()
        for text in (encoded, f"body: {encoded}", encoded.rstrip("=")):
            assert encoded[:20] not in mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"password": "hunter2hunter"}',
        "{'client_secret': 'hunter2hunter'",
        "password=hunter2hunter&x=1",
        "https://x.example/?api_key=hunter2hunter",
        "token: hunter2hunter",
        '{\\"dbPassword\\": \\"hunter2hunter\\"}',
        "Authorization: Digest hunter2hunter",
    ],
)
def test_what_stands_behind_a_telling_name_is_masked_in_text_too(text: str) -> None:
    assert "hunter2hunter" not in mask_text(text)


@pytest.mark.parametrize(
    "name", ["pass\u200bword", "\uff50assword", "cardnumber", "cvc2", "secretKey1", "authtoken", "X-Api-Key"]
)
def test_a_telling_name_is_known_in_disguise(name: str) -> None:
    assert masked({name: "hunter2"}) == {name: "***"}


@pytest.mark.parametrize(
    "text",
    [
        "+49 30 12345678, +49 30 87654321",
        "+1 (415) 555-2671 / +1 (415) 555-2672",
        "Order 4711 of 2026-11-22",
        "2026-11-22T10:30:45.123456+00:00",
        "3 x 12.50, 2 x 8.00, total 41.00",
        "10 20 30 40 50 60 70 80 90",
        "pi_3NirD82eZvKYlo2C1abc, ch_3NirD82eZvKYlo2C0xyz",
        "risk_assessment task_id desk_4 mask_test disk_live",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "aGVsbG8gd29ybGQsIGhvdyBhcmUgeW91",
        "100%, 50 %",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_text(text) == text
    assert not has_card_number(text)


@given(st.uuids(), st.uuids())
def test_no_uuid_is_taken_for_a_card_however_it_is_written(one: UUID, other: UUID) -> None:
    for text in (f"{one} {other}", f"{{{one}}}", f"{one},{other}", str(one).upper()):
        assert not has_card_number(text)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001 - hypothesis wants them naive
def test_no_instant_is_taken_for_a_card(at: datetime, offset: int) -> None:
    aware = at.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=offset)))

    for text in (aware.isoformat(), str(aware), f"{aware.isoformat()}/{aware.isoformat()}"):
        assert not has_card_number(text)


def test_one_order_number_in_twenty_at_most_is_taken_for_a_card() -> None:
    dice = random.Random(4242)  # noqa: S311 - the same at each run
    numbers = [f"{dice.randrange(10**9):09}-{dice.randrange(10**7):07}" for _ in range(2_000)]

    assert sum(map(has_card_number, numbers)) < len(numbers) / 20
