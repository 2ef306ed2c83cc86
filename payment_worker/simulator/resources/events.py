"""Events: a snapshot of the object for each change, listed newest first and sent to the webhook endpoints."""

from payment_worker.simulator.world import Account, Act, Json

API_VERSION = "2026-10-28.endive"


def emit(act: Act, kind: str, record: Json, previous: Json | None = None) -> None:
    """Tell the world that `record` changed: `kind` is the event's type, `previous` the former values."""
    act.changed = True
    world = act.world
    for _ in range(world.settings.event_copies):
        event = _event(act, kind, record, previous)
        act.account.events[event["id"]] = event
        world.event_count += 1
        if world.settings.event_lag_seconds and not world.event_count % world.settings.event_lag_every:
            act.account.late_events[event["id"]] = world.clock.now() + world.settings.event_lag_seconds
        _announce(act, event)


def emit_to_older(act: Act, kind: str, record: Json, previous: Json | None = None, *, before: str) -> None:
    """Send an event that only versions before this day know: no list of ours shows it."""
    event = _event(act, kind, record, previous)
    act.account.older_events[event["id"]] = event
    _announce(act, event, before=before)


def _announce(act: Act, event: Json, *, before: str | None = None) -> None:
    present = act.world.accounts.get((act.account.id, act.account.livemode))
    if present is act.account:  # not one that a reset has forgotten meanwhile
        act.world.webhooks.announce(event, before=before)


def _event(act: Act, kind: str, record: Json, previous: Json | None) -> Json:
    data: Json = {"object": dict(record)}
    if previous is not None:
        data["previous_attributes"] = previous
    event: Json = {
        "id": act.new_id("evt_1"),
        "object": "event",
        "api_version": API_VERSION,
        "created": act.now,
        "data": data,
        "livemode": act.account.livemode,
        "pending_webhooks": 0,
        "request": {"id": act.request_id, "idempotency_key": act.idempotency_key},
        "type": kind,
    }
    if act.account.id not in act.world.platforms:
        event["account"] = act.account.id
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
