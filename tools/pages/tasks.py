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

Generated from `payment_worker/contracts/requests.py` and the refusals in `payment_worker/domain` by
`tools/generate.py`.

Other apps send these tasks by name, with keyword arguments, to the queue in brackets. They need none of our code:

```python
app.send_task("payment_worker.capture", kwargs={{"payment_id": payment_id, "amount": 1234}}, queue="charges")
```

`null` is the same as omitting an argument. A request with unknown, missing or malformed arguments fails with one error
that names every invalid field. It is stored in `rejected_request` and not retried.

Every task returns `{{"payment_id" | "refund_id" | "event_id", "status", "stripe_id", "reason"}}`: the current state,
with its reason or the reason for a refusal. Results are stored only if `PAYMENT_WORKER_RESULT_BACKEND` is set; the
tables and the stream have the same information. The worker ignores a sender's `link`, `link_error`, `chain` and
`chord`.

## Rules for arguments

- A UUID is written in its canonical form, 8-4-4-4-12 hexadecimal digits.
- An amount is a positive integer in minor units of the payment's currency: 1099 is 10.99 EUR and 1099 JPY is 1099 yen.
  It is at most {most:,}
  ({larger}).
  Amounts in {tens} are multiples of 10, in {hundreds} of 100. A charge is at least Stripe's minimum
  where Stripe documents one (0.50 EUR).
- `metadata` has at most 47 keys, because Stripe accepts 50 and the worker needs some. A key has 1 to 40 characters, no
  square brackets, and does not begin with `payment_worker`; `payment_id` is always the payment's own id. A value is a
  string of at most 500 characters.
- A `statement_descriptor_suffix` may not contain `< > \\ ' " *`.
- No text may contain a NUL character.
- **A card number in any text field makes the request malformed, and is masked before the request is stored.**
  (`payload` is not searched, because Stripe signed it.)

## Where the payment is not there

A refund, capture, cancellation or retry may overtake the charge of its payment. So a request whose payment does not
exist is retried for about 15 seconds, and longer while charges are queued or a worker holds this one. After that it is
rejected and stored in `rejected_request` with the code `unknown_payment`. A refund that was rejected for this reason
has no row in `refund`: send it again, with the same `refund_id`, once the payment exists.

## payment_worker.charge [charges]

{charge}

Charges the payment method, or with `manual` only authorises the amount. Repeating the same `payment_id` with the same
arguments changes nothing and returns the current state; with other arguments it is refused as a `conflict`.

If Stripe requires an action of the customer, the payment becomes `REQUIRES_ACTION`, and `PaymentActionRequired` is
published once. It names Stripe's PaymentIntent, which the customer's browser completes with the client secret that your
app retrieves from Stripe, and `actionUrl` if a redirect is enough. By default the customer is not present. If they are
(`customer_present`), also give a `return_url`, for redirects to their bank's page. The payment always ends: as Stripe
says, or as `CANCELED` with the reason `abandoned` if the customer does nothing within `PAYMENT_WORKER_ACTION_EXPIRY`.
The worker never automatically retries a payment whose customer was present.

With `not_before` the charge is recorded and `PaymentRequested` is published now, but Stripe is called at that time. The
row holds the time, so no message has to wait in Redis. Until then `payment_worker.cancel` cancels it without a call to
Stripe.

A bank debit (SEPA, ACH, Bacs) is `PROCESSING` for days, and `PaymentProcessing` is published: it is neither paid nor
failed, so do not charge the order again. Then the bank decides, and `PaymentSucceeded` or `PaymentFailed` follows. If
the bank returns a debit even later, that is a dispute which is lost from the start: `DisputeOpened` and
`DisputeClosed`. A new debit needs a mandate: `mandate_data` that the customer has just accepted, an earlier `mandate`,
or a payment method that was saved with one.

A platform (Connect) splits a payment in the same call that charges it: with `transfer_data`, or on the connected
account itself with `stripe_account`. Stripe decides whether a fee or a transfer is allowed. Both also apply to a later
capture, cancellation or retry; after a partial capture, Stripe takes at most the captured amount. If Stripe shows a
different fee or transfer than requested, that is [a finding](../how-to/reconcile.md).

## payment_worker.adopt [charges]

{adopt}

Takes over a PaymentIntent created by Checkout, Elements or another program as one of our payments. From then on it is
captured, canceled, refunded, reconciled and published as if the worker had created it. Earlier captures, refunds and
disputes are recorded too. Until the customer has paid, it is `REQUIRES_ACTION`, and is canceled after
`PAYMENT_WORKER_ACTION_EXPIRY` like every such payment. Repeating the same request changes nothing. The request is
rejected, with one of these codes, if the PaymentIntent

{adoption_refusals}

Nothing is written at Stripe, so after restoring the database to an older point, adopt the payment again. While Stripe
does not respond, the task is retried for as long as it takes.

## payment_worker.capture [charges]

{capture}

Captures the authorised amount, once; the rest is released. If you send it right after its charge,
[it waits for the charge](#where-the-payment-is-not-there).

With `final: false` the rest stays authorised, and the payment stays `AUTHORIZED`: `amount_captured` is the amount
captured so far, and `PaymentAuthorized` is published again with the rest. This needs a charge with `multicapture`, and
an account and a card that allow it; otherwise Stripe refuses, and nothing is captured. The last capture, or the end of
the authorisation, makes it `SUCCEEDED`; refunds wait until then. Each message captures its part once, so send one per
part.

## payment_worker.cancel [charges]

{cancel}

Cancels a payment that has not succeeded and releases its authorisation; it can no longer be charged. `PaymentCanceled`
has the reason. An authorisation that expires, or is canceled at Stripe, also ends as `CANCELED`; Stripe's reason is
then `automatic` or `expired`, or the reason that somebody chose there.

## payment_worker.retry_charge [charges]

{retry}

Confirms the same PaymentIntent again, after a decline or while the payment waits for its customer; `PaymentRequested`
is published again. Each message causes one retry, however often it is delivered; a second message requests a second
retry. Limits: `PAYMENT_WORKER_RETRIES_MOST`, and `PAYMENT_WORKER_RETRIES_IN_PERIOD` within
`PAYMENT_WORKER_RETRIES_PERIOD`. The worker retries automatically only as often as `PAYMENT_WORKER_AUTOMATIC_RETRIES`
says, and only if the issuer's advice (or, without advice, the decline code) allows it.

## Why a capture, a cancellation or a retry is refused

The payment does not change. The reason is the result's `reason`, and the code in the message's row of
`rejected_request`; if Stripe refuses for another reason, it is Stripe's code. Repeating what is already done is not
refused: a second capture of the same amount, a second cancellation, a retry of a payment that has succeeded.

{refusals}

## payment_worker.refund [refunds]

{refund}

Refunds the payment, once for each `refund_id`. It waits until the payment is known to be captured;
[if there is no payment](#where-the-payment-is-not-there), it is refused without a row. An impossible refund leaves a
row that is `FAILED`, with one of these reasons, or Stripe's, as its `failure_reason`. A platform's transfer is reversed
only with `reverse_transfer`, its fee refunded only with `refund_application_fee`; Stripe takes the refund's share of
each.

{refund_refusals}

Stripe may accept a refund but delay it: for the bank, for funds in your balance, for the charge itself. It is then
`PENDING`, and `RefundPending` says why, again if the reason changes. It is neither done nor failed: do not refund in
another way.

If a card's issuer reports a payment as fraud (Stripe's early fraud warning), `PaymentSuspected` is published once and
the table `early_fraud_warning` gets a row; a dispute is likely to follow. With `PAYMENT_WORKER_FRAUD_REFUND_WITHIN` the
worker itself refunds the remaining amount: with the reason `fraudulent`, the warning as its `note`, a `refund_id`
derived from the payment's and the warning's ids, and the transfer reversed. It does not refund disputed payments, or
after a warning older than that; an authorisation is refunded once it is captured.

## payment_worker.receive_stripe_event [events]

{event}

For an app that receives Stripe's webhooks itself. Unsigned events are refused; the age of the signature does not
matter.

## payment_worker.fetch_stripe_event [events]

{fetch}

For an app that receives events in a way that carries no Stripe signature, such as Amazon EventBridge or Azure Event
Grid: pass `detail.id` of a snapshot event, `detail.snapshot_event` of a thin one. The worker trusts only the id and
retrieves the event with its own key, retrying for as long as it takes. An event that Stripe does not show is rejected.

## Maintenance [maintenance]

Beat enqueues these, and you may too: running one twice, even concurrently, is harmless. They take no arguments, except
`reconcile`, and `import_balance`, which takes `since`.

| task | does |
|---|---|
| `payment_worker.resume_stalled` | enqueues work that is due or whose worker died, and automatic retries |
| `payment_worker.publish_events` | publishes messages that are not published yet |
| `payment_worker.poll_stripe_events` | reads Stripe's list of events, for events that no webhook delivered |
| `payment_worker.reconcile` | compares new objects with Stripe, or those created from `since` until `until` |
| `payment_worker.import_balance` | imports Stripe's balance transactions into the ledger and compares the balance |
| `payment_worker.prune` | deletes and archives rows past their retention (`PAYMENT_WORKER_RETENTION_…`) |

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
    RejectionReason.NOT_AUTHORIZED: "capture: it is not authorised, or not yet",
    RejectionReason.FAILED: "capture: it was declined",
    RejectionReason.SUCCEEDED: "cancel: too late; a captured payment can be refunded",
    RejectionReason.CANCELED: "capture, retry: it was canceled",
    RejectionReason.EXPIRED: "capture: the authorisation has expired",
    RejectionReason.ALREADY_CAPTURED: "capture: another amount was captured",
    RejectionReason.EXCEEDS_AUTHORIZED: "capture: more than is authorised",
    RejectionReason.NOT_A_STEP: "capture: amounts in its currency are multiples of 10 or 100",
    RejectionReason.NOTHING_AT_STRIPE: "cancel, retry: Stripe rejected the charge's parameters, and created nothing",
    RejectionReason.DECLINED_FOR_GOOD: "retry: only with another payment method",
    RejectionReason.TOO_MANY_RETRIES: "retry: a limit is reached",
    RejectionReason.ATTEMPT_UNANSWERED: "the outcome of another request to Stripe is not known yet; a retry is refused"
    " at once, the others after 15 seconds",
    RejectionReason.NEVER_EXECUTED: "several attempts were sent, and Stripe never executed one",
}

REFUND_REFUSALS: Mapping[RefundRejectionReason, str] = {
    RefundRejectionReason.PAYMENT_FAILED: "nothing was charged",
    RefundRejectionReason.PAYMENT_CANCELED: "nothing was charged",
    RefundRejectionReason.PAYMENT_NOT_CAPTURED: "it is only authorised: cancel it",
    RefundRejectionReason.NOTHING_LEFT: "all of it is already refunded or reserved by refunds",
    RefundRejectionReason.EXCEEDS_REFUNDABLE: "more than the refundable amount",
    RefundRejectionReason.CHARGE_DISPUTED: "the payment is disputed",
    RefundRejectionReason.NEVER_EXECUTED: "several attempts were sent, and Stripe never executed one",
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
