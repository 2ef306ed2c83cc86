"""Doctor's checks of Stripe: reachable, the right account and mode, and clocks that agree."""

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from payment_worker import bootstrap
from payment_worker.cli.doctor.connections import stored
from payment_worker.cli.views.webhook_endpoint import endpoints, ours_among
from payment_worker.domain.accounts import account_of
from payment_worker.flows.clocks import MOST_SKEW
from payment_worker.gateway.account.reachability import KeyRefused, NotReached, Reached, probe
from payment_worker.gateway.account.webhook_endpoints import EndpointsUnavailable
from payment_worker.monitoring.check import ACCOUNT, Check, fine, problem, warning
from payment_worker.settings import Settings
from payment_worker.store import stripe_identity
from payment_worker.store.connection.database import DatabaseUnavailableError
from payment_worker.store.events import event_polls
from payment_worker.store.stripe_identity import Identity
from payment_worker.telemetry.formats import duration

STRIPE_SECONDS: Final = 10


def stripe(settings: Settings) -> Iterator[Check]:
    """Check that Stripe is reachable with each key, then the keys' accounts and the clocks."""
    for account, key in bootstrap.api_keys(settings).items():
        for each in _with_key(settings, account, key):
            yield replace(each, name=f"{each.name} {account}".strip())
    yield from _without_key(settings)


def _with_key(settings: Settings, account: str, key: str) -> Iterator[Check]:
    began = time.monotonic()
    result = probe(
        api_key=key,
        api_base=settings.stripe_api_base,
        timeout_seconds=min(STRIPE_SECONDS, settings.stripe_timeout),
    )
    api_base = settings.stripe_api_base
    match result:
        case NotReached(reason):
            yield problem(
                "stripe",
                f"{api_base} is unreachable ({reason})",
                remedy="check https://status.stripe.com, the outgoing network, and STRIPE_API_BASE",
            )
            return
        case KeyRefused(word=code):
            yield problem(
                "stripe",
                f"{api_base} rejects the key (401{f' {code}' if code else ''})",
                remedy=f"set {_setting(account)} to a key that is not revoked",
            )
        case Reached():
            milliseconds = f"{(time.monotonic() - began) * 1000:.0f} ms"
            yield _reached(settings, result, api_base, milliseconds)
            yield from _account(settings, account, result.account_id)
            yield from _webhook_endpoint(settings, account)
    if result.date and not account:
        yield _clocks(settings, result.date)


def _setting(account: str) -> str:
    return f"{account} of STRIPE_API_KEYS" if account else "STRIPE_API_KEY"


def _reached(settings: Settings, reached: Reached, api_base: str, latency: str) -> Check:
    is_live = bootstrap.is_live(settings)
    if is_live and reached.is_simulator:
        return problem(
            "stripe",
            f"{api_base} is a simulator, and STRIPE_API_KEY is a live key",
            remedy="unset STRIPE_API_BASE to reach Stripe; for the simulator set a key sk_test_…, and roll this one",
        )
    if reached.forbidden:
        return problem(
            "stripe",
            f"the key lacks read permission for: {', '.join(reached.forbidden)}",
            remedy="grant the restricted key these read permissions in Stripe's dashboard",
        )
    return fine(
        "stripe",
        f"{api_base} accepts the key ({'live' if is_live else 'test'} mode) and responds in {latency}",
    )


def _webhook_endpoint(settings: Settings, account: str) -> Iterator[Check]:
    """Only a difference: events may come by another way, and a restricted key need not read endpoints."""
    listed = endpoints(settings, account).list()
    for each, differences in (
        {} if isinstance(listed, EndpointsUnavailable) else ours_among(listed, None).items()
    ):
        if differences:
            yield warning(
                "webhook endpoint",
                f"{each.stripe_webhook_endpoint_id}: {'; '.join(differences)}",
                remedy="change it in Stripe's dashboard, or payment-worker webhook-endpoint create a new one",
            )


def _mode(settings: Settings) -> str:
    return "live" if bootstrap.is_live(settings) else "test"


def _account(settings: Settings, account: str, account_id: str | None) -> Iterator[Check]:
    if account_id is None:
        yield problem(
            ACCOUNT,
            "the key may not read its own account: nothing is sent to Stripe",
            remedy="grant the restricted key read permission for accounts (rak_accounts_kyc_basic_read)",
        )
        return
    recorded = stored(settings, lambda connection: stripe_identity.on_record(connection, account))
    if recorded and recorded != Identity(account_id, bool(bootstrap.is_live(settings))):
        mode = "live" if recorded.livemode else "test"
        yield problem(
            ACCOUNT,
            f"the key belongs to {account_id} ({_mode(settings)} mode), our payments are on "
            f"{recorded.stripe_account_id} ({mode} mode): nothing is sent to Stripe",
            remedy=f"set {_setting(account)} to a key of {recorded.stripe_account_id}, or DATABASE_URL to another"
            " database",
        )
    else:
        yield fine(ACCOUNT, f"{account_id} ({_mode(settings)} mode)")


def _without_key(settings: Settings) -> Iterator[Check]:
    keys_in_use = {account_of(each).key for each in stored(settings, event_polls.accounts) or ()}
    for missing in sorted(keys_in_use - bootstrap.api_keys(settings).keys()):
        yield problem(
            f"{ACCOUNT} {missing}",
            f"STRIPE_API_KEYS has no key of {missing}: nothing is sent for its payments",
            remedy=f"add a key of this account as {missing}=sk_…: an account's name may not be changed",
        )


def _clocks(settings: Settings, stripe_now: datetime) -> Check:
    began, machine_now = time.monotonic(), bootstrap.now()
    clocks = {"this machine's": machine_now}
    if settings.database_url:
        # An outage is reported by the database check.
        with (
            suppress(DatabaseUnavailableError),
            closing(bootstrap.database(settings, connections=1)) as database,
        ):
            clocks["PostgreSQL's"] = database.now() - timedelta(seconds=time.monotonic() - began)
    skewed = [
        f"{name} is {duration(abs(skew))} {'ahead of' if skew > timedelta() else 'behind'} Stripe's"
        for name, at in clocks.items()
        if abs(skew := at - stripe_now) > MOST_SKEW
    ]
    if not skewed:
        return fine("clock", "agrees with Stripe's")
    return problem(
        "clock",
        f"{'; '.join(skewed)}: absent objects stay unknown, and webhook signatures older than 300 s are rejected",
        remedy="synchronise the clocks of this machine and of PostgreSQL's with NTP",
    )
