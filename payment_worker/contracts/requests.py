"""The Pydantic model of each task's arguments."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from payment_worker.contracts.arguments import (
    MOST,
    AccountName,
    ChargeAmount,
    ConfirmationToken,
    CurrencyCode,
    Description,
    DescriptorSuffix,
    Email,
    EventId,
    FeeAmount,
    Header,
    Id,
    Instant,
    LongText,
    Mandate,
    Metadata,
    OwnId,
    PartAmount,
    Payload,
    PaymentIntentId,
    ShortText,
    StripeAccount,
    StripeCustomer,
    StripeId,
    WebAddress,
    YesOrNo,
    YesUnlessNo,
)
from payment_worker.contracts.faults import FieldError, InvalidRequest, fault
from payment_worker.contracts.request import Request, fingerprint, in_one_piece, parse
from payment_worker.domain.accounts import account_name

__all__ = [
    "AdoptRequest",
    "CancelRequest",
    "CaptureMethod",
    "CaptureRequest",
    "ChargeRequest",
    "FetchEventRequest",
    "FieldError",
    "ImportBalanceRequest",
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
FutureUsage = Literal["on_session", "off_session"]
RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]


OwnAccount = Annotated[
    AccountName | None,
    Field(
        description="The Stripe account, by its name in `STRIPE_API_KEYS`. Default: that of `STRIPE_API_KEY`."
    ),
]


class TransferData(Request):
    """Where Stripe transfers the payment, and how much of it."""

    destination: StripeAccount = Field(description="The connected account.")
    amount: PartAmount | None = Field(None, description="Minor units. Default: all, less the fee.")


class OnlineAcceptance(Request):
    """Where a customer accepted a mandate."""

    ip_address: ShortText = Field(description="The customer's IP address.")
    user_agent: LongText = Field(description="The customer's browser.")


class CustomerAcceptance(Request):
    """How a customer accepted a mandate."""

    type: Literal["online", "offline"]
    accepted_at: Annotated[int, Field(strict=True, ge=0, le=MOST)] | None = Field(
        None, description="Seconds since 1970."
    )
    online: OnlineAcceptance | None = Field(None, description="Needed where the type is `online`.")


class MandateData(Request):
    """A mandate that the customer has just given."""

    customer_acceptance: CustomerAcceptance


PASSED_ON: Final = frozenset(
    {
        "application_fee_amount",
        "confirmation_token",
        "description",
        "mandate",
        "mandate_data",
        "on_behalf_of",
        "receipt_email",
        "return_url",
        "setup_future_usage",
        "statement_descriptor_suffix",
        "transfer_data",
        "transfer_group",
    }
)
"""Arguments of a charge that Stripe is sent under the same name, as they were given."""


class ChargeRequest(Request):
    """Arguments of `payment_worker.charge`: charge this amount to this payment method, once."""

    payment_id: Id = Field(description="Your id, and the idempotency key: the same id charges once.")
    order_id: OwnId = Field(description="Your id of the order: any text.")
    customer_id: OwnId | None = Field(None, description="Your id of the customer, if known: any text.")
    # Before the amount, which is judged by it.
    currency: CurrencyCode = Field(description="ISO 4217, in any case.")
    amount: ChargeAmount = Field(description="Minor units: cents, or yen.")
    customer_present: YesOrNo = Field(
        default=False,
        description="Whether the customer is present and can authenticate: the same as `off_session` false.",
    )
    off_session: YesUnlessNo = Field(
        default=True, description="Whether the customer is absent and cannot authenticate now."
    )
    return_url: WebAddress | None = Field(
        None, description="Where Stripe sends the customer back to; only with a customer who is present."
    )
    confirmation_token: ConfirmationToken | None = Field(
        None,
        description="Stripe's id of the ConfirmationToken from the customer's browser, instead of `payment_method`.",
    )
    payment_method: StripeId | None = Field(
        None,
        validate_default=True,
        description="Stripe's id of the payment method; optional only with a `confirmation_token`.",
    )
    stripe_customer: StripeCustomer | None = Field(None, description="Stripe's id of the customer.")
    capture_method: Annotated[
        CaptureMethod, BeforeValidator(lambda given: "automatic" if given is None else given)
    ] = Field("automatic", description="`manual` only authorises; `payment_worker.capture` then captures.")
    multicapture: YesOrNo = Field(
        default=False,
        description="With `manual`: ask Stripe for several captures, if account and card allow them.",
    )
    description: Description | None = Field(None, description="Shown in Stripe's dashboard and receipts.")
    statement_descriptor_suffix: DescriptorSuffix | None = Field(
        None, description="Text on the cardholder's statement after the account's own prefix."
    )
    metadata: Annotated[Metadata, BeforeValidator(lambda given: {} if given is None else given)] = Field(
        {}, description="Strings stored with Stripe's objects: at most 47 keys, 40 and 500 characters."
    )
    account: OwnAccount = None
    stripe_account: StripeAccount | None = Field(None, description="The connected account (Connect).")
    not_before: Instant | None = Field(
        None, description="ISO 8601; without a zone, UTC. Stripe is not called before then. Default: at once."
    )
    application_fee_amount: FeeAmount | None = Field(
        None, description="Connect: the platform's fee, in minor units."
    )
    on_behalf_of: StripeAccount | None = Field(
        None, description="Connect: the account whose name and country the charge has."
    )
    transfer_data: Annotated[TransferData, in_one_piece(TransferData)] | None = Field(
        None, description="Connect: `{destination, amount?}`, which Stripe transfers once it is paid."
    )
    transfer_group: ShortText | None = Field(
        None, description="Connect: the name for all transfers of one order."
    )
    receipt_email: Email | None = Field(None, description="Where Stripe sends the receipt.")
    setup_future_usage: FutureUsage | None = Field(
        None, description="Save the payment method for later charges; only with a customer who is present."
    )
    mandate: Mandate | None = Field(None, description="Bank debits: Stripe's id of the mandate.")
    mandate_data: Annotated[MandateData, in_one_piece(MandateData)] | None = Field(
        None, description="Bank debits: `{customer_acceptance}`, a mandate that the customer has just given."
    )

    @field_validator("payment_method")
    @classmethod
    def _one_of_both(cls, method: str | None, info: ValidationInfo) -> str | None:
        if method is None and info.data.get("confirmation_token", "faulty") is None:
            raise fault("missing", "is required")
        return method

    @field_validator("return_url", "confirmation_token", "setup_future_usage")
    @classmethod
    def _while_present(cls, value: str | None, info: ValidationInfo) -> str | None:
        is_away = info.data.get("off_session") and not info.data.get("customer_present")
        if value is not None and is_away:
            raise fault("customer_is_away", "needs customer_present: true")
        return value

    @property
    def on_account(self) -> str:
        """The account that it is made on, as our rows name it."""
        return account_name(self.account or "", self.stripe_account or "")

    @property
    def is_customer_away(self) -> bool:
        """Whether the customer cannot be asked to authenticate."""
        return self.off_session and not self.customer_present

    @property
    def passed_on(self) -> dict[str, object]:
        """What Stripe is sent under the same name."""
        names = set(PASSED_ON & self.model_fields_set)
        return self.model_dump(include=names, exclude_none=True) if names else {}


class AdoptRequest(Request):
    """Arguments of `payment_worker.adopt`: adopt a PaymentIntent that another program created."""

    payment_id: Id = Field(description="Your id, and the idempotency key: the same id adopts once.")
    order_id: OwnId = Field(description="Your id of the order: any text.")
    payment_intent: PaymentIntentId = Field(description="Stripe's id of the PaymentIntent.")
    account: OwnAccount = None
    stripe_account: StripeAccount | None = Field(
        None, description="The connected account of the PaymentIntent."
    )
    customer_id: OwnId | None = Field(None, description="Your id of the customer, if known: any text.")

    @property
    def on_account(self) -> str:
        """The account that it is on, as our rows name it."""
        return account_name(self.account or "", self.stripe_account or "")


class CaptureRequest(Request):
    """Arguments of `payment_worker.capture`: capture the authorised amount, or a part of it."""

    payment_id: Id
    amount: PartAmount | None = Field(None, description="Minor units. Default: the whole authorised amount.")
    final: YesUnlessNo = Field(
        default=True, description="Whether the rest is released. `false` needs a charge with `multicapture`."
    )


class CancelRequest(Request):
    """Arguments of `payment_worker.cancel`: cancel a payment that has not succeeded."""

    payment_id: Id
    reason: ShortText | None = Field(
        None, description="Stored in the history; sent to Stripe if it is one of Stripe's reasons."
    )


class RetryChargeRequest(Request):
    """Arguments of `payment_worker.retry_charge`: retry a declined payment."""

    payment_id: Id
    payment_method: StripeId | None = Field(
        None, description="Another payment method. Default: the same one."
    )


class RefundRequest(Request):
    """Arguments of `payment_worker.refund`: refund a payment, or a part of it, once."""

    refund_id: Id = Field(description="Your id, and the idempotency key: the same id refunds once.")
    payment_id: Id
    amount: PartAmount | None = Field(None, description="Minor units. Default: the whole refundable amount.")
    reason: RefundReason | None = Field(None, description="As Stripe's dashboard shows it.")
    requested_by: ShortText | None = Field(None, description="Who requested it; stored with the refund.")
    note: LongText | None = Field(None, description="Why, for the record.")
    reverse_transfer: YesOrNo = Field(
        default=False, description="Connect: reverse the same share of the transfer."
    )
    refund_application_fee: YesOrNo = Field(
        default=False, description="Connect: refund the same share of the application fee."
    )


class StripeEventRequest(Request):
    """Arguments of `payment_worker.receive_stripe_event`: a webhook that another app received.

    The payload is not searched for card numbers: its signature vouches for it, and Stripe never sends one.
    """

    payload: Payload = Field(description="The raw request body, as text.")
    signature: Header = Field(description="The header `Stripe-Signature`.")


class FetchEventRequest(Request):
    """Arguments of `payment_worker.fetch_stripe_event`: an event that arrived without Stripe's signature."""

    event_id: EventId = Field(description="Stripe's id of the event; of a thin one, its `snapshot_event`.")
    account: OwnAccount = None
    stripe_account: StripeAccount | None = Field(None, description="The connected account of the event.")

    @property
    def on_account(self) -> str:
        """The account that it is of, as our rows name it."""
        return account_name(self.account or "", self.stripe_account or "")


class MaintenanceRequest(Request):
    """Arguments of the tasks that beat enqueues: none."""


class ImportBalanceRequest(Request):
    """Arguments of `payment_worker.import_balance`: where to start reading Stripe's list again, and the account."""

    since: Instant | None = Field(None, description="ISO 8601; without a zone, UTC.")
    stripe_account: StripeAccount | Literal[""] | None = Field(
        None,
        description="Only this connected account, or the platform's own if empty; default: all.",
    )


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
