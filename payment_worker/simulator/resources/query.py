"""Stripe's search query language: `status:"succeeded" AND metadata["order"]:"6735"`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from payment_worker.simulator.api.errors import RequestError, invalid_request

Json = dict[str, Any]

_CLAUSE = re.compile(
    r"""\s*(?P<negated>-)?
        (?P<field>[a-z_0-9.]+) (?:\[(?P<quote>["'])(?P<key>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\])? \s*
        (?P<operator>:|~|>=|<=|>|<) \s*
        (?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s"']+) \s*""",
    re.VERBOSE,
)
_CONNECTIVE = re.compile(r"(AND|OR)\b|(?=\S)", re.IGNORECASE)
_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    ">": int.__gt__, ">=": int.__ge__, "<": int.__lt__, "<=": int.__le__,
}  # fmt: skip
_SHORTEST_SUBSTRING = 3


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition of a query."""

    path: tuple[str, ...]
    operator: str
    value: str | None
    """None: the field must have no value."""
    is_negated: bool

    def holds(self, record: Json) -> bool:
        """Whether the object meets the condition."""
        return self._holds(_value_at(record, self.path)) is not self.is_negated

    def _holds(self, found: object) -> bool:
        if self.value is None or found is None:
            return self.value is None and found is None
        if self.operator == "~":
            return self.value.lower() in str(found).lower()
        if isinstance(found, bool):
            return self.value.lower() == str(found).lower()
        if self.operator == ":":
            return self.value.lower() == str(found).lower()
        return isinstance(found, int) and _COMPARISONS[self.operator](found, int(self.value))


def parse(query: str, fields: Mapping[str, str]) -> Callable[[Json], bool]:
    """A test for objects; `fields` are what may be searched and of what type. Raises RequestError."""
    clauses: list[Clause] = []
    connectives: set[str] = set()
    at = 0
    while at < len(query.rstrip()):
        if clauses:
            connective = _CONNECTIVE.match(query, at)
            connectives.add((connective[1] if connective and connective[1] else "AND").upper())
            at = connective.end() if connective else at
        found = _CLAUSE.match(query, at)
        if found is None:
            raise _malformed(f"it cannot be read at character {at + 1}")
        clauses.append(_clause(found, fields))
        at = found.end()
    if not clauses:
        raise _malformed("it is empty")
    if len(connectives) > 1:
        raise _malformed("AND and OR cannot be combined")
    together = any if connectives == {"OR"} else all
    return lambda record: together(clause.holds(record) for clause in clauses)


def _clause(found: re.Match[str], fields: Mapping[str, str]) -> Clause:
    field, key, operator, raw = found["field"], found["key"], found["operator"], found["value"]
    name = "metadata" if key is not None and field == "metadata" else field
    kind = fields.get(name)
    if kind is None or (kind == "metadata") is (key is None):
        raise _malformed(f"Field `{field}` is an unsupported search field for this resource")
    is_null = raw.lower() == "null"
    value = re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw[0] in "\"'" else raw
    if operator in _COMPARISONS and (kind != "number" or not value.lstrip("-").isdecimal()):
        raise _malformed(f"`{operator}` compares numbers, and `{field}` is none")
    if operator == "~" and (kind not in ("string", "metadata") or len(value) < _SHORTEST_SUBSTRING):
        raise _malformed(f"`~` needs a text field and at least {_SHORTEST_SUBSTRING} characters")
    path = ("metadata", key) if kind == "metadata" else tuple(field.split("."))
    return Clause(path, operator, None if is_null else value, found["negated"] is not None)


def _value_at(record: Json, path: tuple[str, ...]) -> object:
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _malformed(why: str) -> RequestError:
    return invalid_request(f"We were unable to parse your search query: {why}.", param="query")
