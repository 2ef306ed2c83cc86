"""Lists: newest first, in pages, filtered by creation time and more."""

from collections.abc import Callable, Iterable, Mapping
from itertools import dropwhile, islice
from typing import Any

from payment_worker.simulator.api.errors import invalid_request, no_such
from payment_worker.simulator.api.parameters.checks import Check, instants, integer, strings, text

Json = dict[str, Any]

LIMIT, LARGEST_LIMIT = 10, 100

PARAMETERS: dict[str, Check] = {
    "created": instants,
    "ending_before": text(),
    "expand": strings,
    "limit": integer,
    "starting_after": text(),
}
"""What every list takes."""


def page(
    records: Mapping[str, Json],
    params: Mapping[str, Any],
    *,
    kind: str,
    url: str,
    equal: tuple[str, ...] = (),
    keep: Callable[[Json], bool] = lambda _record: True,
) -> Json:
    """One page of records. Raises RequestError for a bad limit or cursor.

    Args:
        records: all of them, in order of creation.
        params: the request's.
        kind: what a record is, for the error.
        url: where the list is.
        equal: parameters that, where given, a record's field of the same name must equal.
        keep: what else a record must be.
    """
    limit = params.get("limit", LIMIT)
    if not 1 <= limit <= LARGEST_LIMIT:
        raise invalid_request(f"Invalid limit: must be from 1 to {LARGEST_LIMIT}", param="limit")
    bounds = params.get("created", {})
    before = params.get("ending_before")
    ordered = _from_cursor(records, params, kind=kind)
    fields = {name: params[name] for name in equal if name in params}
    wanted = (
        record
        for record in _within(ordered, bounds, upwards=before is not None)
        if all(record[name] == value for name, value in fields.items()) and keep(record)
    )
    found = list(islice(wanted, limit + 1))
    data = found[:limit]
    if before is not None:
        data.reverse()
    return {"object": "list", "data": data, "has_more": len(found) > limit, "url": url}


def _from_cursor(records: Mapping[str, Json], params: Mapping[str, Any], *, kind: str) -> Iterable[Json]:
    for name in ("starting_after", "ending_before"):
        if name in params and params[name] not in records:
            raise no_such(kind, params[name], param=name)
    after, before = params.get("starting_after"), params.get("ending_before")
    if before is not None:
        return islice(dropwhile(lambda record: record["id"] != before, records.values()), 1, None)
    newest_first = reversed(records.values())  # type: ignore[call-overload]
    if after is None:
        return newest_first  # type: ignore[no-any-return]
    return islice(dropwhile(lambda record: record["id"] != after, newest_first), 1, None)


_CLOCK_SET_SECONDS = 3 * 3600
"""As far as `clock_skew_seconds` may have been set back between two records."""


def _within(ordered: Iterable[Json], bounds: Mapping[str, int], *, upwards: bool) -> Iterable[Json]:
    lowest, highest = _limits(bounds)
    for record in ordered:
        at = record["created"]
        # Records are in order of creation, but for a clock that was set: far past the bound nothing more can match.
        if (at - _CLOCK_SET_SECONDS > highest) if upwards else (at + _CLOCK_SET_SECONDS < lowest):
            return
        if lowest <= at <= highest:
            yield record


def is_within(at: int, bounds: Mapping[str, int]) -> bool:
    """Whether an instant is within `gt`, `gte`, `lt` and `lte`; Unix seconds."""
    lowest, highest = _limits(bounds)
    return lowest <= at <= highest


def _limits(bounds: Mapping[str, int]) -> tuple[int, int]:
    lowest = max(bounds.get("gte", 0), bounds.get("gt", -1) + 1)
    return lowest, min(bounds.get("lte", 1 << 62), bounds.get("lt", 1 << 62) - 1)
