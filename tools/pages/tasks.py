"""The reference of the tasks: its words, and the tables of arguments and refusals that the code is asked for."""

from collections.abc import Mapping
from typing import Any

from payment_worker.contracts.requests import (
    AdoptRequest,
    CancelRequest,
    CaptureRequest,
    ChargeRequest,
    FetchEventRequest,
    ReconcileRequest,
    RefundRequest,
    Request,
    RetryChargeRequest,
    StripeEventRequest,
)
from payment_worker.domain.adoption import AdoptionRejection
from payment_worker.domain.eligibility import RefundRejectionReason, RejectionReason
from payment_worker.domain.money import CURRENCIES

PAGE = """# Tasks

Made from `payment_worker/contracts/requests.py` and the refusals in `payment_worker/domain` by `tools/generate.py`.

Other apps send these by name, with arguments by name, to the queue in brackets; they need nothing of ours installed:

```python
app.send_task("payment_worker.capture", kwargs={{"payment_id": payment_id, "amount": 1234}}, queue="charges")
```

`null` means the same as leaving an argument out. A request with unknown, missing or malformed arguments fails with one
error that names every bad field; it is kept in `rejected_request`, and no retry is spent on it.

Every task answers `{{"payment_id" | "refund_id" | "event_id", "status", "stripe_id", "reason"}}`: the present state,
and why it is so or why the request was refused. Answers are kept only where `PAYMENT_WORKER_RESULT_BACKEND` is set;
the tables and the stream say the same. Nothing else follows a task: what a sender gives as `link`, `link_error`,
`chain` or `chord` is dropped.

## Rules for arguments

- A UUID is written in its canonical form, 8-4-4-4-12 hexadecimal digits.
- An amount is a positive integer in minor units of the payment's currency: 1099 is 10.99 EUR and 1099 JPY is 1099 yen.
  It is at most {most:,}
  ({larger}).
  Amounts in {tens} are multiples of 10, in {hundreds} of 100. A charge is at least Stripe's minimum
  where Stripe documents one (0.50 EUR).
- `metadata` has at most 47 keys, for Stripe takes 50 and the worker needs some. A key has 1 to 40 characters, no square
  brackets, and does not begin with `payment_worker`; `payment_id` is always the payment's own. A value is a string of
  at most 500 characters.
- A `statement_descriptor_suffix` has none of `< > \\ ' " *`.
- No text has a NUL character.
- **A card number in any text field makes the request malformed; it is masked before the request is kept.** (`payload`
  is not searched: Stripe signed it.)

## Where the payment is not there

A refund, capture, cancellation or retry may overtake the charge of its payment. So a request that names no
payment is retried for about 15 seconds, and for longer while charges are queued or a worker holds this one.
After that it is rejected and stored in `rejected_request` with the code `unknown_payment`. A refund that was
rejected so has no row in `refund`: send it again, with the same `refund_id`, once the payment exists.

## payment_worker.charge [charges]

{charge}

Takes the money, or with `manual` holds it. The same `payment_id` with the same arguments again changes nothing and is
answered with the present state; with other arguments it is refused as a `conflict`.

Where Stripe wants the customer, the payment becomes `REQUIRES_ACTION`, and `PaymentActionRequired` tells once what is
needed of them: Stripe's PaymentIntent, which their browser completes with the client secret that your app asks Stripe
for, and `actionUrl` where it is enough to send them there. By default they are not there. While they are there
(`customer_present`) give a `return_url` too, for what sends them to their bank's page. The payment ends whatever they
do: as Stripe says, or `CANCELED` with the reason `abandoned` once they let `PAYMENT_WORKER_ACTION_EXPIRY` pass. A
payment whose customer was there is never tried again by the worker itself.

With `not_before` the charge is recorded now, `PaymentRequested` is published, and Stripe is called at that time: the
row says when, and no message waits for it. Until then `payment_worker.cancel` cancels it without a call to Stripe.

A bank debit (SEPA, ACH, Bacs) is `PROCESSING` for days, and `PaymentProcessing` says so: it is neither paid nor
failed, and the order is not to be paid again. Then the bank decides, and `PaymentSucceeded` or `PaymentFailed` follows.
What a bank takes back later still is a dispute that is lost when it begins: `DisputeOpened` and `DisputeClosed`. A new
debit needs a mandate: `mandate_data` as the customer has just accepted it, the `mandate` of before, or a payment method
that was saved with one.

A platform (Connect) splits a payment in the one call that charges it: with `transfer_data`, or on the connected
account itself with `stripe_account`. Whether a fee or a transfer may be is Stripe's to judge. Both stay with a later
capture, cancellation and further try, and of a partial capture Stripe takes at most what was captured. Where Stripe
shows another fee or transfer than was asked for, that is [a finding](../how-to/reconcile.md).

## payment_worker.adopt [charges]

{adopt}

Makes a payment of ours of a PaymentIntent that Checkout, Elements or another program made: from then on it is captured,
canceled, refunded, reconciled and published as if the worker had created it. Earlier changes are recorded too:
captures, refunds, disputes. While its customer has not paid yet it is `REQUIRES_ACTION`, and canceled after
`PAYMENT_WORKER_ACTION_EXPIRY` like every such payment. The same request again changes nothing. It is rejected, with one
of these codes, where the PaymentIntent

{adoption_refusals}

Nothing is written at Stripe: a database that was restored to an older point knows of the payment again once it is
adopted again. While Stripe does not answer, the task comes back for as long as it takes.

## payment_worker.capture [charges]

{capture}

Takes what is held, once; the rest is released. Sent right after its charge,
[it waits for it](#where-the-payment-is-not-there).

With `final: false` the rest stays held, and the payment stays `AUTHORIZED`: `amount_captured` says what was taken so
far, and `PaymentAuthorized` tells again what is left. It needs a charge with `multicapture`, and an account and a card
that may; Stripe refuses it otherwise, and nothing is taken. The last capture, or the end of the authorisation, makes it
`SUCCEEDED`; refunds wait until then. A message takes its part once, so send one for each part.

## payment_worker.cancel [charges]

{cancel}

Cancels a payment that has not succeeded and releases its authorisation; it can no longer be charged. `PaymentCanceled`
has the reason. An authorisation that runs out, or is canceled at Stripe, ends as `CANCELED` too; Stripe's reason is
then `automatic` or `expired`, or what somebody chose there.

## payment_worker.retry_charge [charges]

{retry}

Confirms the same PaymentIntent again, after a decline or while the payment waits for its customer; `PaymentRequested`
is published again. It is done once for each message, however often that is delivered; a second message asks for a
second try. Caps: `PAYMENT_WORKER_RETRIES_MOST`, and `PAYMENT_WORKER_RETRIES_IN_PERIOD` within
`PAYMENT_WORKER_RETRIES_PERIOD`. The worker tries again by itself only where `PAYMENT_WORKER_AUTOMATIC_RETRIES` says how
often, and the issuer's advice or else the decline code allows it.

## What a capture, a cancellation or another try is refused for

The payment stays as it is. The word is the `reason` of the answer, and the code in the message's row of
`rejected_request`; where Stripe refuses for a reason of its own, it is Stripe's code. What is so already is no
refusal: a second capture of the same amount, a second cancellation, another try of what has succeeded.

{refusals}

## payment_worker.refund [refunds]

{refund}

Gives the money back, once for each `refund_id`. While its payment is not known to be captured it waits; [where there is
no payment](#where-the-payment-is-not-there) it is refused without a row. What cannot be leaves a refund that is
`FAILED`, with one of these as its `failure_reason`, or with Stripe's. Of what a platform transferred or kept, nothing
is taken back unless `reverse_transfer` or `refund_application_fee` says so; Stripe takes the refund's share of each.

{refund_refusals}

Stripe may accept a refund and wait with it: for the bank, for money in your balance, for the charge itself. It is
`PENDING` then, and `RefundPending` says why, again if that changes. It is neither done nor failed: do not refund in
another way.

Where a card's issuer reports a payment as fraud (Stripe's early fraud warning), `PaymentSuspected` says so once and the
table `early_fraud_warning` has a row; a dispute is likely to follow. With `PAYMENT_WORKER_FRAUD_REFUND_WITHIN` the
worker requests a refund of what is left by itself: reason `fraudulent`, the warning as its `note`, its `refund_id` made
of the payment's and the warning's ids, and what was transferred is taken back. Not of what is disputed, nor when the
warning is older than that; an authorisation is refunded once it is captured.

## payment_worker.receive_stripe_event [events]

{event}

For an app that terminates Stripe's webhooks itself. What is not signed is refused;
how long ago it was signed makes no difference.

## payment_worker.fetch_stripe_event [events]

{fetch}

For an app that is told of events by a way that carries no signature of Stripe's, such as Amazon EventBridge or Azure
Event Grid: `detail.id` of a snapshot event, `detail.snapshot_event` of a thin one. Nothing but the id is believed; the
event is retrieved with the worker's own key, for as long as it takes. One that Stripe does not show is rejected.

## Maintenance [maintenance]

Beat enqueues these, and anybody may; each is harmless when it runs twice, or twice at once. They take no arguments,
but for `reconcile` and `import_balance`, which takes `since`.

| task | does |
|---|---|
| `payment_worker.resume_stalled` | hands out what is due, or whose owner died, and the worker's own tries |
| `payment_worker.publish_events` | publishes messages that are not published yet |
| `payment_worker.poll_stripe_events` | reads Stripe's list of events, for what no webhook brought |
| `payment_worker.reconcile` | compares with Stripe what is new, or what was made from `since` until `until` |
| `payment_worker.import_balance` | imports Stripe's balance transactions into the ledger and compares the balance |
| `payment_worker.prune` | deletes and archives what is past its retention (`PAYMENT_WORKER_RETENTION_…`) |

{reconcile}
"""

ARGUMENTS: Mapping[str, type[Request]] = {
    "charge": ChargeRequest,
    "adopt": AdoptRequest,
    "capture": CaptureRequest,
    "cancel": CancelRequest,
    "retry": RetryChargeRequest,
    "refund": RefundRequest,
    "event": StripeEventRequest,
    "fetch": FetchEventRequest,
    "reconcile": ReconcileRequest,
}

REFUSALS: Mapping[RejectionReason, str] = {
    RejectionReason.NOT_AUTHORIZED: "capture: it is not, or not yet, held",
    RejectionReason.FAILED: "capture: it was declined",
    RejectionReason.SUCCEEDED: "cancel: too late; a captured payment can be refunded",
    RejectionReason.CANCELED: "capture, retry: it was canceled",
    RejectionReason.EXPIRED: "capture: the authorisation ran out",
    RejectionReason.ALREADY_CAPTURED: "capture: another amount was",
    RejectionReason.EXCEEDS_AUTHORIZED: "capture: more than is held",
    RejectionReason.NOT_A_STEP: "capture: amounts in its currency are multiples of 10 or 100",
    RejectionReason.NOTHING_AT_STRIPE: "cancel, retry: Stripe refused the charge as it was, and made nothing",
    RejectionReason.DECLINED_FOR_GOOD: "retry: only another payment method may be tried",
    RejectionReason.TOO_MANY_RETRIES: "retry: a cap is reached",
    RejectionReason.ATTEMPT_UNANSWERED: "it is not known yet what another request to Stripe came to; a retry is refused"
    " at once, the others after 15 seconds",
    RejectionReason.NEVER_EXECUTED: "Stripe was asked often enough, and turned out never to have done it",
}

REFUND_REFUSALS: Mapping[RefundRejectionReason, str] = {
    RefundRejectionReason.PAYMENT_FAILED: "nothing was charged",
    RefundRejectionReason.PAYMENT_CANCELED: "nothing was charged",
    RefundRejectionReason.PAYMENT_NOT_CAPTURED: "it is only held: cancel it",
    RefundRejectionReason.NOTHING_LEFT: "all of it is, or is being, given back",
    RefundRejectionReason.EXCEEDS_REFUNDABLE: "more than is left",
    RefundRejectionReason.CHARGE_DISPUTED: "the bank holds the money",
    RefundRejectionReason.NEVER_EXECUTED: "Stripe was asked often enough, and turned out never to have done it",
}


def page() -> str:
    """The page as it must be.

    Raises:
        KeyError: a refusal has no words here.
    """
    tables = {name: _arguments(model) for name, model in ARGUMENTS.items()}
    refusals = _table("reason", {each.value: REFUSALS[each] for each in RejectionReason})
    adoption_refusals = _table("code", {each.value: each.sentence for each in AdoptionRejection})
    refund_refusals = _table("reason", {each.value: REFUND_REFUSALS[each] for each in RefundRejectionReason})
    return PAGE.format(
        **tables,
        **_amounts(),
        refusals=refusals,
        refund_refusals=refund_refusals,
        adoption_refusals=adoption_refusals,
    )


def _amounts() -> Mapping[str, object]:
    most = min(each.maximum for each in CURRENCIES.values())
    larger = [f"{each.maximum:,} in {code}" for code, each in CURRENCIES.items() if each.maximum > most]
    return {
        "most": most,
        "larger": ", ".join(larger),
        "tens": _with_step(10),
        "hundreds": _with_step(100),
    }


def _with_step(step: int) -> str:
    return ", ".join(code for code, each in CURRENCIES.items() if each.step == step)


def _arguments(model: type[Request]) -> str:
    schema = model.model_json_schema()
    required = schema.get("required", [])
    rows = ["| argument | | meaning |", "|---|---|---|"]
    for name, form in schema["properties"].items():
        told = form.get("description") or "The payment."
        given = "" if name in required else _default(form)
        rows.append(f"| `{name}` | {_kind(form)}{given} | {told} |")
    return "\n".join(rows)


def _kind(form: Mapping[str, Any]) -> str:
    kind = next((each for each in form.get("anyOf", []) if each.get("type") != "null"), form)
    if "enum" in kind:
        return " or ".join(f"`{each}`" for each in kind["enum"])
    if "maxLength" in kind and "pattern" not in kind:
        return f"string of at most {kind['maxLength']:,} characters"
    return {"uuid": "UUID", "date-time": "instant"}.get(kind.get("format", ""), kind.get("type", "object"))


def _default(form: Mapping[str, Any]) -> str:
    default = form.get("default")
    default = "true" if default is True else default
    return f", default `{default}`" if default else ", optional"


def _table(head: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {head} | |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in rows.items())]
    return "\n".join(lines)
