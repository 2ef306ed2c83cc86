"""What other apps ask of us: one model a task, validated once, every bad field named at once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from payment_worker.contracts.arguments import (
    ChargeAmount,
    CurrencyCode,
    Description,
    DescriptorSuffix,
    Header,
    Id,
    Instant,
    LongText,
    Metadata,
    OwnId,
    PartAmount,
    Payload,
    ShortText,
    StripeAccount,
    StripeCustomer,
    StripeId,
)
from payment_worker.contracts.faults import FieldError, InvalidRequest, fault, field_error

__all__ = [
    "CancelRequest",
    "CaptureMethod",
    "CaptureRequest",
    "ChargeRequest",
    "FieldError",
    "InvalidRequest",
    "MaintenanceRequest",
    "ReconcileRequest",
    "RefundReason",
    "RefundRequest",
    "Request",
    "RetryChargeRequest",
    "StripeEventRequest",
    "fingerprint",
    "parse",
]

CaptureMethod = Literal["automatic", "manual"]
RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]


class Request(BaseModel):
    """Strict, closed and frozen. `null` means the same as leaving an optional argument out."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class ChargeRequest(Request):
    """Arguments of `payment_worker.charge`: take this much from this payment method, once."""

    payment_id: Id = Field(description="Yours, and the key of the request: the same id charges once.")
    order_id: OwnId = Field(description="Your number of the order that is paid for: any text.")
    customer_id: OwnId | None = Field(None, description="Your number of the customer, if known: any text.")
    # Before the amount, which is judged by it.
    currency: CurrencyCode = Field(description="ISO 4217, in any case.")
    amount: ChargeAmount = Field(description="Minor units: cents, or yen.")
    payment_method: StripeId = Field(description="Stripe's id of the payment method.")
    stripe_customer: StripeCustomer | None = Field(None, description="Stripe's id of the customer.")
    capture_method: Annotated[
        CaptureMethod, BeforeValidator(lambda given: "automatic" if given is None else given)
    ] = Field(
        "automatic", description="`manual` only authorises; `payment_worker.capture` then takes the money."
    )
    description: Description | None = Field(None, description="Shown in Stripe's dashboard and receipts.")
    statement_descriptor_suffix: DescriptorSuffix | None = Field(
        None, description="What the cardholder's statement says after the account's own prefix."
    )
    metadata: Annotated[Metadata, BeforeValidator(lambda given: {} if given is None else given)] = Field(
        {}, description="Strings kept with Stripe's objects: at most 47 keys, 40 and 500 characters."
    )
    stripe_account: StripeAccount | None = Field(None, description="The connected account (Connect).")


class CaptureRequest(Request):
    """Arguments of `payment_worker.capture`: take what was authorised, or a part of it."""

    payment_id: Id
    amount: PartAmount | None = Field(None, description="Minor units. Default: all that is authorised.")


class CancelRequest(Request):
    """Arguments of `payment_worker.cancel`: give up a payment that has not succeeded."""

    payment_id: Id
    reason: ShortText | None = Field(
        None, description="Kept in the history; Stripe is told if it is one of Stripe's own reasons."
    )


class RetryChargeRequest(Request):
    """Arguments of `payment_worker.retry_charge`: try a declined payment again."""

    payment_id: Id
    payment_method: StripeId | None = Field(None, description="Another one. Default: the same again.")


class RefundRequest(Request):
    """Arguments of `payment_worker.refund`: give back a payment, or a part of it, once."""

    refund_id: Id = Field(description="Yours, and the key of the request: the same id refunds once.")
    payment_id: Id
    amount: PartAmount | None = Field(None, description="Minor units. Default: all still refundable.")
    reason: RefundReason | None = Field(None, description="As Stripe's dashboard shows it.")
    requested_by: ShortText | None = Field(None, description="Who asked for it, for the record.")
    note: LongText | None = Field(None, description="Why, for the record.")


class StripeEventRequest(Request):
    """Arguments of `payment_worker.receive_stripe_event`: a webhook that another app received.

    The payload is not searched for card numbers: its signature vouches for it, and Stripe never sends one.
    """

    payload: Payload = Field(description="The body exactly as it came, as text.")
    signature: Header = Field(description="The header `Stripe-Signature`.")


class MaintenanceRequest(Request):
    """Arguments of the tasks that beat enqueues: none."""


class ReconcileRequest(Request):
    """Arguments of `payment_worker.reconcile`: the period whose payments are compared, `since` included."""

    since: Instant | None = Field(None, description="ISO 8601; without a zone, UTC.")
    until: Instant | None = Field(None, description="ISO 8601; without a zone, UTC.")

    @field_validator("until")
    @classmethod
    def _after_since(cls, until: Instant | None, info: ValidationInfo) -> Instant | None:
        since = info.data.get("since")
        if until is not None and since is not None and until <= since:
            raise fault("before_since", "must be later than since")
        return until


M = TypeVar("M", bound=Request)


def parse(model: type[M], kwargs: Mapping[str, object], args: Sequence[object] = ()) -> M:
    """The request that a task's arguments make.

    Raises:
        InvalidRequest: with one error for every bad field.
    """
    errors = [FieldError("arguments", "positional", "must be given by name")] if args else []
    try:
        request = model.model_validate(dict(kwargs))
    except ValidationError as invalid:
        details = invalid.errors(include_url=False, include_context=True, include_input=False)
        errors += [field_error(detail) for detail in details]
    if errors:
        raise InvalidRequest(tuple(errors))
    return request


def fingerprint(request: Request) -> str:
    """SHA-256, in hexadecimal, of what the request means, its kind and its ids included.

    Two requests mean the same if they differ only in the order of arguments, in the case of a UUID or a
    currency, or in whether a default is written out. Defaults are left out of the hash, so that an argument
    that is added to a task later changes no fingerprint already kept.
    """
    meaning = request.model_dump(mode="json", exclude_defaults=True)
    canonical = json.dumps([type(request).__name__, meaning], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
