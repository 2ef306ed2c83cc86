"""The reference of the webhook receiver: its paths, and what it answers."""

from collections.abc import Mapping
from typing import Any

from payment_worker.flows.events.event_types import SUBJECTS
from payment_worker.gateway.webhook import TOLERANCE_SECONDS
from payment_worker.webhook.application import PATH, application
from payment_worker.webhook.body import MOST_BYTES, SLOWEST_SECONDS
from payment_worker.webhook.protocol import SLOWEST_SECONDS as SLOWEST_HEAD_SECONDS
from payment_worker.webhook.receiver import ANSWER_SECONDS
from payment_worker.webhook.responses import ANSWERS, Outcome
from payment_worker.webhook.server import KEEP_ALIVE_SECONDS, MOST_REQUESTS

PAGE = """# Webhook

Generated from `payment_worker/webhook` by `tools/generate.py`. `payment-worker webhook` receives Stripe's webhooks,
behind your proxy, which terminates TLS. You can run several; each needs `DATABASE_URL`, `REDIS_URL` and
`STRIPE_WEBHOOK_SECRET`.

| path | methods | |
|---|---|---|
{paths}

## Which events to subscribe to

In Stripe's dashboard create an endpoint, of any API version, for these events. All others are stored and ignored.

{events}

Each further account in `STRIPE_API_KEYS` needs its own endpoint with the same address and events. Write its secret
after its name: `eu=whsec_…`. An event changes only payments of the account whose secret signed it, and of accounts
connected to it.

For connected accounts create a second endpoint, for events on connected accounts, with the same address and events.
Each endpoint has its own signing secret: `STRIPE_WEBHOOK_SECRET` takes both, comma-separated. The
[poll](../how-to/reconcile.md#the-poll) finds events that no webhook delivers.

Event destinations may send the same events as thin events (`v1.payment_intent.succeeded`, …) to the same address. A
thin event names the object, which the worker then retrieves. If its snapshot event arrives too, both count as one
event. An organisation's destination may also send here: `context` names the account. Events of our own account and
those connected to it are processed; events of the organisation's other accounts are stored as ignored. Amazon
EventBridge and Azure Event Grid send no signature: let your app pass on the event's id with the task
[`fetch_stripe_event`](tasks.md#payment_workerfetch_stripe_event-events).

## Responses to a webhook

The receiver answers 200 only once the event is committed; Stripe sends everything else again. The response body is
`{{"outcome": "…"}}` with the value in the first column, which is also the label in the [metrics](metrics.md) and the
value in the log. The response follows at most {answer:g} seconds after the complete body.

| outcome | status | |
|---|---|---|
{answers}

The event is processed later, by a worker. An app that receives Stripe's webhooks itself forwards them with the task
[`receive_stripe_event`](tasks.md#payment_workerreceive_stripe_event-events).

## How long a connection is kept

The receiver closes a connection if a request's header does not arrive within {head:g} seconds, if the rest of a body
that was answered early does not, or if it is idle between two requests for {idle} seconds. Once {most} connections are
open, further requests get 503. See what the [proxy in front](../how-to/deploy.md#the-proxy-before-the-webhook) must do.
"""

PATHS: Mapping[str, str] = {
    PATH: "Stripe's endpoint: verified, stored, then acknowledged.",
    "/healthz": "200 while the process is alive.",
    "/readyz": "200 when the database answers and has every migration, otherwise 503 and why.",
    "/metrics": "Metrics for Prometheus.",
}

MEANS: Mapping[Outcome, str] = {
    Outcome.STORED: "The event is committed.",
    Outcome.KNOWN: "It was committed before: Stripe sends events more than once.",
    Outcome.BAD_SIGNATURE: "Not signed with a secret in `STRIPE_WEBHOOK_SECRET`, or signed more than "
    f"{TOLERANCE_SECONDS // 60} minutes ago.",
    Outcome.BAD_BODY: "It is signed, but is not an event.",
    Outcome.GONE: "The sender disconnected before the body was complete.",
    Outcome.TOO_LARGE: f"More than {MOST_BYTES} bytes.",
    Outcome.TOO_SLOW: f"Not complete within {SLOWEST_SECONDS} seconds.",
    Outcome.UNAVAILABLE: "PostgreSQL could not store it in time.",
    Outcome.BROKEN: "Our bug; the log says where.",
}


def page() -> str:
    """The page as it must be.

    Raises:
        KeyError: a path or an outcome has no words here.
    """
    nothing: Any = None
    routes = application(nothing, nothing, close=lambda: None).routes
    paths = [f"| `{each.path}` | {_methods(each)} | {PATHS[each.path]} |" for each in routes]
    answers = [f"| `{outcome}` | {status.value} | {MEANS[outcome]} |" for outcome, status in ANSWERS.items()]
    return PAGE.format(
        paths="\n".join(paths),
        events="\n".join(f"- `{each}`" for each in SUBJECTS),
        answers="\n".join(answers),
        answer=ANSWER_SECONDS,
        head=SLOWEST_HEAD_SECONDS,
        idle=KEEP_ALIVE_SECONDS,
        most=MOST_REQUESTS,
    )


def _methods(route: Any) -> str:  # noqa: ANN401 - Starlette's routes are of many kinds
    return ", ".join(sorted(route.methods))
