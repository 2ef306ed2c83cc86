"""Creates events: a snapshot of the object for each change, sent to webhook endpoints."""

from payment_worker.simulator.state import Account, Context, Json

API_VERSION = "2026-10-28.endive"


def emit(context: Context, kind: str, record: Json, previous: Json | None = None) -> None:
    """Record that an object changed: `kind` is the event's type, `previous` the former values."""
    context.changed = True
    state = context.state
    for _ in range(state.settings.event_copies):
        event = _event(context, kind, record, previous)
        context.account.events[event["id"]] = event
        state.event_count += 1
        if state.settings.event_lag_seconds and not state.event_count % state.settings.event_lag_every:
            context.account.late_events[event["id"]] = state.clock.now() + state.settings.event_lag_seconds
        _announce(context, event)


def emit_to_older(
    context: Context, kind: str, record: Json, previous: Json | None = None, *, before: str
) -> None:
    """Send an event that only versions before this day know: no list of ours shows it."""
    event = _event(context, kind, record, previous)
    context.account.older_events[event["id"]] = event
    _announce(context, event, before=before)


def _announce(context: Context, event: Json, *, before: str | None = None) -> None:
    present = context.state.accounts.get((context.account.id, context.account.livemode))
    if present is context.account:  # not one that a reset has forgotten meanwhile
        context.state.webhooks.announce(event, account_id=context.account.id, before=before)


def _event(context: Context, kind: str, record: Json, previous: Json | None) -> Json:
    data: Json = {"object": dict(record)}
    if previous is not None:
        data["previous_attributes"] = previous
    event: Json = {
        "id": context.new_id("evt_1"),
        "object": "event",
        "api_version": API_VERSION,
        "created": context.now,
        "data": data,
        "livemode": context.account.livemode,
        "pending_webhooks": 0,
        "request": {"id": context.request_id, "idempotency_key": context.idempotency_key},
        "type": kind,
    }
    if context.account.id not in context.state.platforms:
        event["account"] = context.account.id
    return event


def visible(account: Account, event: Json, now: float) -> bool:
    """Whether the list shows the event already."""
    late = account.late_events
    if event["id"] not in late:
        return True
    if late[event["id"]] > now:
        return False
    del late[event["id"]]
    return True
