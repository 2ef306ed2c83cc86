"""The reference of the webhook receiver: its paths, and what it answers."""

from collections.abc import Mapping
from typing import Any

from payment_worker.flows.events.subjects import SUBJECTS
from payment_worker.gateway.webhook import TOLERANCE_SECONDS
from payment_worker.webhook.application import PATH, application
from payment_worker.webhook.body import MOST_BYTES, SLOWEST_SECONDS
from payment_worker.webhook.protocol import SLOWEST_SECONDS as SLOWEST_HEAD_SECONDS
from payment_worker.webhook.receiver import ANSWER_SECONDS
from payment_worker.webhook.responses import ANSWERS, Outcome
from payment_worker.webhook.server import KEEP_ALIVE_SECONDS, MOST_REQUESTS

PAGE = """# Webhook

Made from `payment_worker/webhook` by `tools/generate.py`. `payment-worker webhook` receives what Stripe sends, behind a
proxy of yours that ends TLS. Several may run; each needs `DATABASE_URL`, `REDIS_URL` and `STRIPE_WEBHOOK_SECRET`.

| path | methods | |
|---|---|---|
{paths}

## Which events to subscribe to

In Stripe's dashboard, an endpoint of any API version for these events; all others are stored and ignored.

{events}

A further account of `STRIPE_API_KEYS` has an endpoint of its own with the same address and events, and its secret
stands after its name: `eu=whsec_…`. An event changes payments of the account whose secret signed it, and of those
connected to it, only.

For connected accounts make a second endpoint, for events on connected accounts, with the same address and events. Each
endpoint has a signing secret of its own: `STRIPE_WEBHOOK_SECRET` takes both, comma-separated. What no webhook brings,
the [poll](../how-to/reconcile.md#the-poll) finds.

Event destinations may send the same events as thin ones (`v1.payment_intent.succeeded`, …) to the same address: they
name the object, which the worker then retrieves, and are the same event as their snapshot where both come. An
organisation's destination may send here too: `context` names the account, what concerns our own account or those
connected to it is processed, and events of the organisation's other accounts are kept as ignored. Amazon EventBridge
and Azure Event Grid send no signature: there an app of yours passes on the event's id with the task
[`fetch_stripe_event`](tasks.md#payment_workerfetch_stripe_event-events).

## What a webhook is answered

Only what is committed is answered with 200; everything else Stripe sends again. The answer's body is
`{{"outcome": "…"}}` with the word in the first column, which is also the label in the [metrics](metrics.md) and the
word in the log. From the whole body to the answer pass at most {answer:g} seconds.

| outcome | status | |
|---|---|---|
{answers}

The event is processed later, by a worker. An app that receives Stripe's webhooks itself hands them over with the task
[`receive_stripe_event`](tasks.md#payment_workerreceive_stripe_event-events).

## How long a connection is kept

A request's head has to be there within {head:g} seconds, and so has the rest of a body that was answered before its
end; a connection that is idle between two requests is kept for {idle} seconds. Whoever is slower is hung up. From
{most} open connections on, a request is answered with 503. What the
[proxy in front](../how-to/deploy.md#the-proxy-before-the-webhook) has to do.
"""

PATHS: Mapping[str, str] = {
    PATH: "Stripe's endpoint: verified, stored, then acknowledged.",
    "/healthz": "200 while the process lives.",
    "/readyz": "200 when the database answers and has every migration, otherwise 503 and why.",
    "/metrics": "What Prometheus reads.",
}

MEANS: Mapping[Outcome, str] = {
    Outcome.STORED: "The event is committed.",
    Outcome.KNOWN: "It was committed before: Stripe sends events more than once.",
    Outcome.BAD_SIGNATURE: "Not signed with a secret in `STRIPE_WEBHOOK_SECRET`, or signed more than "
    f"{TOLERANCE_SECONDS // 60} minutes ago.",
    Outcome.BAD_BODY: "It is signed, but is not an event.",
    Outcome.GONE: "The sender hung up before all of it was there.",
    Outcome.TOO_LARGE: f"More than {MOST_BYTES} bytes.",
    Outcome.TOO_SLOW: f"Not there within {SLOWEST_SECONDS} seconds.",
    Outcome.UNAVAILABLE: "PostgreSQL could not store it in time.",
    Outcome.BROKEN: "A bug of ours; the log says where.",
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
