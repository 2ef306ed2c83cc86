"""Two requests have one fingerprint exactly if they mean the same."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_worker.contracts.requests import CancelRequest, CaptureRequest, ChargeRequest, fingerprint, parse

texts = st.text(st.characters(categories=["L", "P", "S", "Zs"]), max_size=20)
charges = st.fixed_dictionaries(
    {
        "payment_id": st.uuids().map(str),
        "order_id": st.uuids().map(str),
        "amount": st.integers(50, 99_999_999),
        "currency": st.sampled_from(["usd", "EUR"]),
        "payment_method": st.sampled_from(["pm_1", "pm_2"]),
    },
    optional={
        "customer_id": st.uuids().map(str),
        "capture_method": st.sampled_from(["automatic", "manual"]),
        "description": texts,
        "metadata": st.dictionaries(st.sampled_from("abc"), texts),
        "stripe_account": st.just("acct_1"),
    },
)


def print_of(kwargs: dict[str, object]) -> str:
    return fingerprint(parse(ChargeRequest, kwargs))


@given(charges)
def test_order_and_case_mean_nothing(charge: dict[str, object]) -> None:
    shuffled = dict(reversed(charge.items()))
    shuffled["payment_id"] = str(charge["payment_id"]).upper()
    shuffled["currency"] = str(charge["currency"]).swapcase()
    if isinstance(metadata := charge.get("metadata"), dict):
        shuffled["metadata"] = dict(reversed(metadata.items()))

    assert print_of(shuffled) == print_of(charge)


@given(charges)
def test_a_default_written_out_means_the_same_as_none(charge: dict[str, object]) -> None:
    defaults: dict[str, object] = {
        "capture_method": "automatic",
        "metadata": {},
        "description": None,
        "stripe_account": None,
    }

    assert print_of({**defaults, **charge}) == print_of(charge)


@given(charges, charges)
def test_two_that_mean_different_things_differ(one: dict[str, object], other: dict[str, object]) -> None:
    same = parse(ChargeRequest, one) == parse(ChargeRequest, other)

    assert (print_of(one) == print_of(other)) == same


@pytest.mark.parametrize(
    "changed",
    [
        {"payment_id": str(uuid4())},
        {"order_id": str(uuid4())},
        {"amount": 1235},
        {"currency": "usd"},
        {"payment_method": "pm_2"},
        {"capture_method": "manual"},
        {"description": ""},
        {"metadata": {"a": "1"}},
        {"stripe_customer": "cus_1"},
    ],
)
def test_every_argument_counts(changed: dict[str, object]) -> None:
    charge: dict[str, object] = {
        "payment_id": str(UUID(int=1)),
        "order_id": str(UUID(int=2)),
        "amount": 1234,
        "currency": "eur",
        "payment_method": "pm_1",
    }

    assert print_of({**charge, **changed}) != print_of(charge)


def test_another_kind_of_request_with_the_same_arguments_differs() -> None:
    arguments = {"payment_id": str(UUID(int=1))}

    assert fingerprint(parse(CaptureRequest, arguments)) != fingerprint(parse(CancelRequest, arguments))


def test_what_is_kept_in_databases_does_not_change_with_the_code() -> None:
    charge = {
        "payment_id": "00000000-0000-0000-0000-000000000001",
        "order_id": "00000000-0000-0000-0000-000000000002",
        "amount": 1234,
        "currency": "eur",
        "payment_method": "pm_1",
        "metadata": {"ä": "ö"},
    }

    assert print_of(charge) == "df1791fd2be8b61de8d4715ffc223f1b95fa102cba0a0aa547298c140b1387e3"
