"""Form text becomes nested parameters, and each check takes exactly its own kind."""

from typing import Any

import pytest

from payment_worker.simulator.api.errors import RequestError
from payment_worker.simulator.api.parameters.checks import integer, off_session
from payment_worker.simulator.api.parameters.form import decode
from payment_worker.simulator.api.parameters.metadata import merged_metadata, metadata


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("", {}),
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a[b]=1&a[c]=2", {"a": {"b": "1", "c": "2"}}),
        ("expand[]=x&expand[]=y", {"expand": ["x", "y"]}),
        ("expand[0]=x&expand[1]=y", {"expand": ["x", "y"]}),
        ("a[b][c][]=1", {"a": {"b": {"c": ["1"]}}}),
        ("items[0][id]=1&items[1][id]=2", {"items": [{"id": "1"}, {"id": "2"}]}),
        ("a=%C3%A9+x", {"a": "é x"}),
    ],
)
def test_text_is_decoded(text: str, decoded: dict[str, Any]) -> None:
    assert decode(text) == decoded


def test_a_value_cannot_be_a_hash_too() -> None:
    with pytest.raises(RequestError):
        decode("a=1&a[b]=2")


@pytest.mark.parametrize("value", ["1.5", "", "x", True, None, "1e3"])
def test_no_integer_passes_for_one(value: object) -> None:
    with pytest.raises(RequestError):
        integer("n", value)


def test_integers_pass() -> None:
    assert [integer("n", value) for value in ("-1", "0", 7)] == [-1, 0, 7]


def test_off_session_has_words() -> None:
    assert [off_session("o", word) for word in ("true", "recurring", "false")] == [True, True, False]


def test_metadata_has_fifty_keys() -> None:
    fifty = {str(number): "" for number in range(50)}
    assert metadata("metadata", fifty) == fifty
    with pytest.raises(RequestError):
        metadata("metadata", {**fifty, "x": ""})


def test_metadata_is_merged_key_by_key() -> None:
    old = {"a": "1", "b": "2"}
    assert merged_metadata(old, {"a": "", "c": "3"}) == {"b": "2", "c": "3"}
    assert merged_metadata(old, metadata("metadata", "")) == {}
    assert merged_metadata(old, None) == old
