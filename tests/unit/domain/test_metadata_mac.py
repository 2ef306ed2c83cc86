"""A MAC verifies for what was signed and for nothing else, under any secret that is still in use."""

from dataclasses import fields, replace
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from payment_worker.domain.metadata_mac import Claim, is_signed, sign
from tests.harness.length import examples

texts = st.text(max_size=40)
claims = st.builds(
    Claim,
    payment_id=st.uuids(),
    refund_id=st.none() | st.uuids(),
    order_id=texts,
    amount=st.integers(0, 10**12),
    currency=st.sampled_from(["EUR", "USD", "JPY", "KWD"]),
    stripe_account=st.none() | st.from_regex(r"acct_[A-Za-z0-9]{1,12}", fullmatch=True),
)
secrets = st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=4, unique=True)
MANY = settings(max_examples=examples(50, long=2000), deadline=None)


@MANY
@given(claims, secrets)
def test_what_is_signed_verifies_under_any_of_the_secrets_wherever_it_stands(
    claim: Claim, used: list[str]
) -> None:
    for secret in used:
        assert is_signed(claim, sign(claim, [secret]), used)


@MANY
@given(claims, claims, secrets)
def test_a_claim_with_any_other_field_does_not_verify(claim: Claim, other: Claim, used: list[str]) -> None:
    mac = sign(claim, used)
    for field in fields(Claim):
        value = getattr(other, field.name)
        if value != getattr(claim, field.name):
            assert not is_signed(replace(claim, **{field.name: value}), mac, used), field.name


@MANY
@given(claims, secrets, st.text(min_size=1, max_size=40))
def test_a_secret_that_was_rotated_out_verifies_nothing(claim: Claim, used: list[str], old: str) -> None:
    assume(old not in used)
    assert not is_signed(claim, sign(claim, [old]), used)
    assert is_signed(claim, sign(claim, [old]), [*used, old])


@MANY
@given(claims, secrets, st.data())
def test_a_mac_of_which_a_character_is_another_does_not_verify(
    claim: Claim, used: list[str], data: st.DataObject
) -> None:
    mac = sign(claim, used)
    at, instead = data.draw(st.integers(0, len(mac) - 1)), data.draw(st.characters())
    assume(instead != mac[at])
    assert not is_signed(claim, mac[:at] + instead + mac[at + 1 :], used)
    assert not is_signed(claim, mac[:at], used)
    assert not is_signed(claim, data.draw(texts), used)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"order_id": 'a","b'}, {"order_id": "a"}),
        ({"order_id": "1", "amount": 23}, {"order_id": "12", "amount": 3}),
        ({"refund_id": UUID(int=7)}, {"refund_id": None}),
        ({"stripe_account": "acct_1"}, {"stripe_account": ""}),
        ({"order_id": "\ud800"}, {"order_id": "\\ud800"}),
    ],
    ids=str,
)
def test_no_two_claims_are_equal(mine: dict[str, object], theirs: dict[str, object]) -> None:
    claim = Claim(payment_id=uuid4(), order_id="order", amount=1, currency="EUR", stripe_account="")
    one, other = replace(claim, **mine), replace(claim, **theirs)  # type: ignore[arg-type]
    assert not is_signed(other, sign(one, ["secret"]), ["secret"])
