"""Checks request parameters: which an endpoint takes and needs, and of which type each is."""

from collections.abc import Callable, Mapping
from typing import Any

from payment_worker.simulator.api.errors import invalid_request, missing_parameter, unknown_parameter

Check = Callable[[str, Any], Any]
"""Takes a parameter's name and decoded value, answers the value to use or raises RequestError."""

_REPLACED = {"payment_method_types": "allowed_payment_method_types"}
"""Parameters that the pinned version has no more, with an error code of their own, and what came instead."""


def check(
    given: Mapping[str, Any], accepted: Mapping[str, Check], required: tuple[str, ...]
) -> dict[str, Any]:
    """The parameters in the kinds the endpoint wants. Raises RequestError as Stripe words it."""
    for name in given:
        if name not in accepted:
            if _REPLACED.get(name) in accepted:
                raise invalid_request(
                    f"Specifying {name} is no longer supported. Did you mean {_REPLACED[name]}?",
                    param=name,
                    code=f"{name}_no_longer_supported",
                )
            raise unknown_parameter(name)
    for name in required:
        if name not in given:
            raise missing_parameter(name)
    return {name: accepted[name](name, value) for name, value in given.items()}


def text(limit: int = 5000) -> Check:
    """A string of at most so many characters."""

    def checked(name: str, value: Any) -> str:  # noqa: ANN401 - what came over the wire
        if not isinstance(value, str):
            raise invalid_request(f"Invalid string: {value}", param=name)
        if not value:
            raise invalid_request(
                f"You passed an empty string for '{name}'.", param=name, code="parameter_invalid_empty"
            )
        if len(value) > limit:
            raise invalid_request(
                f"Invalid string: {value[:20]}…; must be at most {limit} characters", param=name
            )
        return value

    return checked


def clearable(inner: Check) -> Check:
    """As `inner`, but an empty string takes the value away (None)."""

    def checked(name: str, value: Any) -> Any:  # noqa: ANN401 - what came over the wire
        return None if value == "" else inner(name, value)

    return checked


def integer(name: str, value: Any) -> int:  # noqa: ANN401 - what came over the wire
    """A whole number."""
    digits = str(value)
    if isinstance(value, bool) or not digits.removeprefix("-").isdecimal():
        raise invalid_request(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer")
    return int(digits)


def boolean(name: str, value: Any) -> bool:  # noqa: ANN401 - what came over the wire
    """`true` or `false`."""
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise invalid_request(f"Invalid boolean: {value}", param=name)


def off_session(name: str, value: Any) -> bool:  # noqa: ANN401 - what came over the wire
    """A boolean, or one of the words that mean true."""
    return True if value in ("one_off", "recurring") else boolean(name, value)


def one_of(*words: str) -> Check:
    """One of the given words."""

    def checked(name: str, value: Any) -> str:  # noqa: ANN401 - what came over the wire
        if value not in words:
            raise invalid_request(f"Invalid {name}: must be one of {', '.join(words)}", param=name)
        return str(value)

    return checked


def strings(name: str, value: Any) -> list[str]:  # noqa: ANN401 - what came over the wire
    """A list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid_request("Invalid array", param=name)
    return value


def mapping(**accepted: Check) -> Check:
    """A hash with these keys only."""

    def checked(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - what came over the wire
        if not isinstance(value, dict):
            raise invalid_request("Invalid object", param=name)
        for key in value:
            if key not in accepted:
                raise unknown_parameter(f"{name}[{key}]")
        return {key: accepted[key](f"{name}[{key}]", inner) for key, inner in value.items()}

    return checked


def hash_of_anything(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - what came over the wire
    """A hash whose keys are not looked into."""
    if not isinstance(value, dict):
        raise invalid_request("Invalid object", param=name)
    return value


def instants(name: str, value: Any) -> dict[str, int]:  # noqa: ANN401 - what came over the wire
    """A `created` filter: one instant, or `gt`, `gte`, `lt`, `lte`; Unix seconds."""
    if isinstance(value, dict):
        bounds: dict[str, int] = mapping(gt=integer, gte=integer, lt=integer, lte=integer)(name, value)
        return bounds
    at = integer(name, value)
    return {"gte": at, "lte": at}


def anything(_name: str, value: Any) -> Any:  # noqa: ANN401 - kept as it came
    """A parameter Stripe takes and the simulator does not look into."""
    return value
