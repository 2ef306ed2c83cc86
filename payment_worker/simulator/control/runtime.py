"""Control routes of the simulator itself: reset, settings, clock, faults, journal and ledger."""

from starlette.routing import Route

from payment_worker.simulator.control.journal import ENTRY_FIELDS
from payment_worker.simulator.control.ledger import ledger
from payment_worker.simulator.control.routing import ControlError, ControlRequest, Json, json_route
from payment_worker.simulator.state import State


def _health(request: ControlRequest) -> Json:
    counts = request.state.journal.counts.values()
    return {
        "ready": True,
        "now": request.state.clock.now(),
        "requests": sum(sum(by_status.values()) for by_status in counts),
    }


def _reset(request: ControlRequest) -> Json:
    request.state.reset()
    if request.fields(endpoints=False)["endpoints"]:
        request.state.webhooks.endpoints.clear()
    return _health(request)


def _settings(request: ControlRequest) -> Json:
    state = request.state
    clock_skew = state.settings.clock_skew_seconds
    state.settings.change(request.body)
    if state.settings.clock_skew_seconds != clock_skew:
        # Stripe's clock never jumps: an event that became visible after that would be older than its list shows.
        for account in state.accounts.values():
            account.late_events.clear()
    return state.settings.to_dict()


def _disconnect(request: ControlRequest) -> Json:
    return _connection(request, is_connected=False)


def _connect(request: ControlRequest) -> Json:
    return _connection(request, is_connected=True)


def _connection(request: ControlRequest, *, is_connected: bool) -> Json:
    request.fields()
    account_id, disconnected = request.account_id, request.state.disconnected
    if account_id is None or account_id in request.state.platforms:
        raise ControlError("account must name a connected account")
    if is_connected:
        disconnected.discard(account_id)
    else:
        disconnected.add(account_id)
    return {"account": account_id, "connected": is_connected}


def _clock(request: ControlRequest) -> Json:
    return request.state.clock.state()


def _advance(request: ControlRequest) -> Json:
    seconds = request.fields(seconds=None)["seconds"]
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
        raise ControlError("seconds must be a number, 0 or more")
    ran = request.state.clock.advance(float(seconds))
    return {**request.state.clock.state(), "ran": ran}


def _add_fault(request: ControlRequest) -> Json:
    return request.state.faults.add(request.body).to_dict()


def _list_faults(request: ControlRequest) -> Json:
    return {"faults": [fault.to_dict() for fault in request.state.faults.by_id.values()]}


def _clear_faults(request: ControlRequest) -> Json:
    cleared = len(request.state.faults.by_id)
    request.state.faults.by_id.clear()
    return {"cleared": cleared}


def _remove_fault(request: ControlRequest) -> Json:
    fault = request.state.faults.by_id.pop(request.path["id"], None)
    if fault is None:
        raise ControlError(f"no fault {request.path['id']}", status=404)
    return fault.to_dict()


def _journal(request: ControlRequest) -> Json:
    query = request.query
    entries = request.state.journal.entries
    for name, field in (("key", "key"), ("endpoint", "endpoint"), ("payment_intent", "object")):
        if name in query:
            entries = [
                entry
                for entry in entries
                if query[name] == getattr(entry, field)
                or (name == "payment_intent" and query[name] in entry.path)
            ]
    if "effect" in query:
        entries = [entry for entry in entries if entry.effect == (query["effect"] == "true")]
    unknown = query.keys() - ENTRY_FIELDS - {"payment_intent", "limit"}
    if unknown:
        raise ControlError(f"unknown filters: {', '.join(sorted(unknown))}")
    limit = int(query.get("limit", 0))
    return {"entries": request.state.journal.to_dicts(entries[-limit:])}


def _clear_journal(request: ControlRequest) -> Json:
    cleared = len(request.state.journal.entries)
    request.state.journal.entries.clear()
    return {"cleared": cleared}


def _requests(request: ControlRequest) -> Json:
    return {name: dict(statuses) for name, statuses in request.state.journal.counts.items()}


def _ledger(request: ControlRequest) -> Json:
    query = request.query
    unknown = query.keys() - {"account", "livemode", "payment_intent", "metadata", "by"}
    if unknown:
        raise ControlError(f"unknown filters: {', '.join(sorted(unknown))}")
    return ledger(
        request.state,
        account_id=request.account_id,
        livemode=request.livemode,
        intent_id=query.get("payment_intent"),
        metadata=query.get("metadata", {}),
        by=query.get("by"),
    )


def routes(state: State) -> list[Route]:
    """The routes of docs/simulator.md from Life to Faults, the journal and the ledger."""
    table = (
        ("/health", "GET", _health),
        ("/reset", "POST", _reset),
        ("/settings", "GET", _settings),
        ("/settings", "POST", _settings),
        ("/accounts/disconnect", "POST", _disconnect),
        ("/accounts/connect", "POST", _connect),
        ("/clock", "GET", _clock),
        ("/clock/advance", "POST", _advance),
        ("/faults", "POST", _add_fault),
        ("/faults", "GET", _list_faults),
        ("/faults", "DELETE", _clear_faults),
        ("/faults/{id}", "DELETE", _remove_fault),
        ("/journal", "GET", _journal),
        ("/journal", "DELETE", _clear_journal),
        ("/requests", "GET", _requests),
        ("/ledger", "GET", _ledger),
    )
    return [json_route(state, path, method, control) for path, method, control in table]
