"""Parameter schemas of what belongs to an account: payouts, customers, payment methods, webhook endpoints."""

from payment_worker.simulator.api.parameters.checks import (
    Check,
    anything,
    boolean,
    clearable,
    hash_of_anything,
    integer,
    mapping,
    one_of,
    strings,
    text,
)
from payment_worker.simulator.api.parameters.metadata import metadata
from payment_worker.simulator.api.parameters.schemas import CREATE, EXPAND

CUSTOMER: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(("payment_method", "preferred_locales", "shipping"), anything),
    "address": clearable(hash_of_anything),
    "invoice_settings": hash_of_anything,
    **{name: clearable(text()) for name in ("description", "email", "name", "phone")},
    "metadata": metadata,
}
PAYOUT: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(("destination", "payout_method", "source_type"), anything),
    "amount": integer,
    "currency": text(),
    "description": text(1000),
    "metadata": metadata,
    "method": one_of("instant", "standard"),
    "statement_descriptor": text(22),
}
ATTACH: dict[str, Check] = {**EXPAND, "customer": text()}
PAYMENT_METHOD: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(("card", "radar_options", "us_bank_account"), hash_of_anything),
    "billing_details": mapping(
        address=hash_of_anything, email=anything, name=anything, phone=anything, tax_id=anything
    ),
    "allow_redisplay": one_of("always", "limited", "unspecified"),
    "customer": text(),
    "metadata": metadata,
    "payment_method": text(),
    "type": text(),
}
UPDATE_PAYMENT_METHOD: dict[str, Check] = {
    name: PAYMENT_METHOD[name]
    for name in ("allow_redisplay", "billing_details", "card", "expand", "metadata")
}
CONFIRM_SETUP: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(
        (
            "allowed_payment_method_types", "confirmation_token", "mandate_data", "payment_method_data",
            "payment_method_options",
        ),
        anything,
    ),
    "payment_method": text(),
    "return_url": text(),
    "use_stripe_sdk": boolean,
}  # fmt: skip
CONFIRMATION_TOKEN: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(("payment_method_data", "payment_method_options", "shipping"), anything),
    "payment_method": text(),
    "return_url": text(),
    "setup_future_usage": one_of("off_session", "on_session"),
}
UPDATE_SETUP: dict[str, Check] = {
    **EXPAND,
    **dict.fromkeys(
        (
            "attach_to_self", "customer_account", "excluded_payment_method_types", "flow_directions",
            "payment_method_configuration", "payment_method_data", "payment_method_options",
        ),
        anything,
    ),
    "allowed_payment_method_types": strings,
    "customer": text(),
    "description": text(1000),
    "metadata": metadata,
    "payment_method": text(),
}  # fmt: skip
CREATE_SETUP: dict[str, Check] = {
    **CONFIRM_SETUP,
    **UPDATE_SETUP,
    **dict.fromkeys(("on_behalf_of", "single_use"), anything),
    "automatic_payment_methods": CREATE["automatic_payment_methods"],
    "confirm": boolean,
    "usage": one_of("off_session", "on_session"),
}
CANCEL_SETUP: dict[str, Check] = {
    **EXPAND,
    "cancellation_reason": one_of("abandoned", "duplicate", "requested_by_customer"),
}
UPDATE_WEBHOOK_ENDPOINT: dict[str, Check] = {
    **EXPAND,
    "description": clearable(text()),
    "disabled": boolean,
    "enabled_events": strings,
    "metadata": metadata,
    "url": text(),
}
WEBHOOK_ENDPOINT: dict[str, Check] = {
    **{name: check for name, check in UPDATE_WEBHOOK_ENDPOINT.items() if name != "disabled"},
    "api_version": text(),
    "connect": boolean,
}
