"""The base class of task arguments: strict validation with all errors at once, and the fingerprint."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, WithJsonSchema

from payment_worker.contracts.faults import FieldError, InvalidRequest, field_error

_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class Request(BaseModel):
    """Strict, closed and frozen. `null` means the same as leaving an optional argument out."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


M = TypeVar("M", bound=Request)


def parse(model: type[M], kwargs: Mapping[str, object], args: Sequence[object] = ()) -> M:
    """The request that a task's arguments make.

    Raises:
        InvalidRequest: with one error for every bad field.
    """
    errors = [FieldError("arguments", "positional", "must be given by name")] if args else []
    try:
        request = model.model_validate(dict(kwargs))
    except ValidationError as invalid:
        details = invalid.errors(include_url=False, include_context=True, include_input=False)
        errors += [field_error(detail) for detail in details]
    if errors:
        raise InvalidRequest(tuple(errors))
    return request


def in_one_piece(model: type[BaseModel]) -> WithJsonSchema:
    """The schema of an object within a request, with nothing that refers to another place."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def inlined(node: Any) -> Any:  # noqa: ANN401 - any part of a schema
        match node:
            case {"$ref": str(reference)}:
                return inlined(definitions[reference.rsplit("/", 1)[-1]])
            case dict():
                return {name: inlined(part) for name, part in node.items()}
            case list():
                return [inlined(part) for part in node]
            case _:
                return node

    return WithJsonSchema(inlined(schema))


def fingerprint(request: Request) -> str:
    """SHA-256, in hexadecimal, of what the request means, its kind and its ids included.

    Two requests mean the same if they differ only in the order of arguments, in the case of a UUID or a
    currency, or in whether a default is written out. Defaults are left out of the hash, so that an argument
    that is added to a task later changes no fingerprint already kept.
    """
    content = request.model_dump(mode="json", exclude_defaults=True)
    canonical = _ENCODER.encode([type(request).__name__, content])
    return hashlib.sha256(canonical.encode()).hexdigest()
