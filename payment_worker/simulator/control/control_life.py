"""Control of the simulator itself: life, settings, clock, faults, and its books."""

from starlette.routing import Route

from payment_worker.simulator.control.control import ControlError, Given, Json, answered
from payment_worker.simulator.control.journal import ENTRY_FIELDS
from payment_worker.simulator.control.ledger import ledger
from payment_worker.simulator.world import World


def _health(given: Given) -> Json:
    counts = given.world.journal.counts.values()
    return {
        "ready": True,
        "now": given.world.clock.now(),
        "requests": sum(sum(by_status.values()) for by_status in counts),
    }


def _reset(given: Given) -> Json:
    given.world.forget()
    if given.fields(endpoints=False)["endpoints"]:
        given.world.webhooks.endpoints.clear()
    return _health(given)


def _settings(given: Given) -> Json:
    given.world.settings.change(given.body)
    return given.world.settings.shown()


def _disconnect(given: Given) -> Json:
    return _connection(given, is_connected=False)


def _connect(given: Given) -> Json:
    return _connection(given, is_connected=True)


def _connection(given: Given, *, is_connected: bool) -> Json:
    given.fields()
    account_id, disconnected = given.account_id, given.world.disconnected
    if account_id is None or account_id in given.world.platforms:
        raise ControlError("account must name a connected account")
    if is_connected:
        disconnected.discard(account_id)
    else:
        disconnected.add(account_id)
    return {"account": account_id, "connected": is_connected}


def _clock(given: Given) -> Json:
    return given.world.clock.state()


def _advance(given: Given) -> Json:
    seconds = given.fields(seconds=None)["seconds"]
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
        raise ControlError("seconds must be a number, 0 or more")
    ran = given.world.clock.advance(float(seconds))
    return {**given.world.clock.state(), "ran": ran}


def _add_fault(given: Given) -> Json:
    return given.world.faults.add(given.body).shown()


def _list_faults(given: Given) -> Json:
    return {"faults": [fault.shown() for fault in given.world.faults.by_id.values()]}


def _clear_faults(given: Given) -> Json:
    cleared = len(given.world.faults.by_id)
    given.world.faults.by_id.clear()
    return {"cleared": cleared}


def _remove_fault(given: Given) -> Json:
    fault = given.world.faults.by_id.pop(given.path["id"], None)
    if fault is None:
        raise ControlError(f"no fault {given.path['id']}", status=404)
    return fault.shown()


def _journal(given: Given) -> Json:
    query = given.query
    entries = given.world.journal.entries
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
    return {"entries": given.world.journal.shown(entries[-limit:])}


def _clear_journal(given: Given) -> Json:
    cleared = len(given.world.journal.entries)
    given.world.journal.entries.clear()
    return {"cleared": cleared}


def _requests(given: Given) -> Json:
    return {name: dict(statuses) for name, statuses in given.world.journal.counts.items()}


def _ledger(given: Given) -> Json:
    query = given.query
    unknown = query.keys() - {"account", "livemode", "payment_intent", "metadata", "by"}
    if unknown:
        raise ControlError(f"unknown filters: {', '.join(sorted(unknown))}")
    return ledger(
        given.world,
        account_id=given.account_id,
        livemode=given.livemode,
        intent_id=query.get("payment_intent"),
        metadata=query.get("metadata", {}),
        by=query.get("by"),
    )


def routes(world: World) -> list[Route]:
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
    return [answered(world, path, method, control) for path, method, control in table]
