"""Parameter schemas: which parameters each endpoint takes. Those without effect here are accepted unchecked."""

from payment_worker.simulator.api.parameters.checks import (
    Check,
    anything,
    boolean,
    clearable,
    integer,
    mapping,
    off_session,
    one_of,
    strings,
    text,
)
from payment_worker.simulator.api.parameters.metadata import metadata

_DESCRIPTOR = clearable(text(22))
_TYPES = one_of("automatic", "automatic_async", "manual")
_FUTURE = clearable(one_of("off_session", "on_session"))
EXPAND: dict[str, Check] = {"expand": strings}

CONFIRM: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(
        (
            "allowed_payment_method_types", "amount_details", "amount_to_confirm", "confirmation_token",
            "excluded_payment_method_types", "hooks", "mandate", "mandate_data", "payment_details",
            "payment_method_data", "payment_method_options", "radar_options", "shipping",
        ),
        anything,
    ),
    "capture_method": _TYPES,
    "error_on_requires_action": boolean,
    "off_session": off_session,
    "payment_method": text(),
    "receipt_email": clearable(text()),
    "return_url": text(),
    "setup_future_usage": _FUTURE,
    "use_stripe_sdk": boolean,
}  # fmt: skip
CREATE: dict[str, Check] = {
    **{name: check for name, check in CONFIRM.items() if name != "amount_to_confirm"},
    **dict.fromkeys(("customer_account", "payment_method_configuration"), anything),
    "allowed_payment_method_types": strings,
    "application_fee_amount": integer,
    "on_behalf_of": text(),
    "transfer_data": mapping(destination=text(), amount=integer),
    "transfer_group": text(),
    "amount": integer,
    "automatic_payment_methods": mapping(enabled=boolean, allow_redirects=one_of("always", "never")),
    "confirm": boolean,
    "confirmation_method": one_of("automatic", "manual"),
    "currency": text(),
    "customer": text(),
    "description": text(1000),
    "metadata": metadata,
    "statement_descriptor": _DESCRIPTOR,
    "statement_descriptor_suffix": _DESCRIPTOR,
}  # fmt: skip
UPDATE: dict[str, Check] = {
    **dict.fromkeys(
        (
            "allowed_payment_method_types", "amount_details", "application_fee_amount", "customer_account",
            "excluded_payment_method_types", "hooks", "payment_details", "payment_method_configuration",
            "payment_method_data", "payment_method_options", "shipping", "transfer_data", "transfer_group",
        ),
        anything,
    ),
    **EXPAND,
    **{name: CREATE[name] for name in ("amount", "capture_method", "currency", "customer", "metadata")},
    "description": clearable(text(1000)),
    "payment_method": clearable(text()),
    "receipt_email": clearable(text()),
    "setup_future_usage": _FUTURE,
    "statement_descriptor": _DESCRIPTOR,
    "statement_descriptor_suffix": _DESCRIPTOR,
}  # fmt: skip
CAPTURE: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(
        ("amount_details", "application_fee_amount", "hooks", "payment_details", "transfer_data"), anything
    ),
    "amount_to_capture": integer,
    "final_capture": boolean,
    "metadata": metadata,
    "statement_descriptor": _DESCRIPTOR,
    "statement_descriptor_suffix": _DESCRIPTOR,
}
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
CANCEL: dict[str, Check] = {**EXPAND, "cancellation_reason": one_of("abandoned", *_REASONS)}
REFUND: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(
        (
            "currency",
            "customer",
            "instructions_email",
            "origin",
        ),
        anything,
    ),
    "refund_application_fee": boolean,
    "reverse_transfer": boolean,
    "amount": integer,
    "charge": text(),
    "metadata": metadata,
    "payment_intent": text(),
    "reason": one_of(*_REASONS),
}
CREATE_CHARGE: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(
        (
            "application_fee_amount", "on_behalf_of", "radar_options", "shipping", "transfer_data",
            "transfer_group",
        ),
        anything,
    ),
    "amount": integer,
    "capture": boolean,
    "currency": text(),
    "customer": text(),
    "description": clearable(text(1000)),
    "metadata": metadata,
    "receipt_email": clearable(text()),
    "source": text(),
    "statement_descriptor": _DESCRIPTOR,
    "statement_descriptor_suffix": _DESCRIPTOR,
}  # fmt: skip
UPDATE_CHARGE: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(("fraud_details", "shipping", "transfer_group"), anything),
    **{name: CREATE_CHARGE[name] for name in ("customer", "description", "metadata", "receipt_email")},
}
CAPTURE_CHARGE: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(("application_fee_amount", "transfer_data", "transfer_group"), anything),
    "amount": integer,
    "receipt_email": clearable(text()),
    "statement_descriptor": _DESCRIPTOR,
    "statement_descriptor_suffix": _DESCRIPTOR,
}
