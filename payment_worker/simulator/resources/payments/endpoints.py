"""Endpoints of PaymentIntents, charges, refunds and disputes."""

from payment_worker.simulator.api.endpoints.endpoint import (
    Endpoint,
    acts,
    creates,
    lists,
    retrieves,
    searches,
    updates,
)
from payment_worker.simulator.api.parameters.checks import anything, boolean, text
from payment_worker.simulator.api.parameters.metadata import metadata
from payment_worker.simulator.api.parameters.schemas import (
    CANCEL,
    CAPTURE,
    CAPTURE_CHARGE,
    CONFIRM,
    CREATE,
    CREATE_CHARGE,
    EXPAND,
    REFUND,
    UPDATE,
    UPDATE_CHARGE,
)
from payment_worker.simulator.resources import search
from payment_worker.simulator.resources.payments import (
    capture_and_cancel,
    charges,
    connect,
    direct_charges,
    disputes,
    early_fraud_warnings,
    payment_intents,
    refunds,
)

_INTENT, _INTENTS = "payment_intent", "payment_intents"
_WARNING, _WARNINGS = "radar.early_fraud_warning", "radar/early_fraud_warnings"
ENDPOINTS: tuple[Endpoint, ...] = (
    creates(_INTENTS, payment_intents.create, _INTENT, CREATE, "amount", "currency"),
    lists(_INTENTS, payment_intents.list_intents, _INTENT, customer=text(), customer_account=text()),
    searches(_INTENTS, search.payment_intents, _INTENT),
    retrieves(_INTENTS, payment_intents.retrieve, _INTENT, client_secret=text()),
    updates(_INTENTS, payment_intents.update, _INTENT, UPDATE),
    acts(_INTENTS, "confirm", payment_intents.confirm, _INTENT, CONFIRM),
    acts(_INTENTS, "capture", capture_and_cancel.capture, _INTENT, CAPTURE),
    acts(_INTENTS, "cancel", capture_and_cancel.cancel, _INTENT, CANCEL),
    creates("charges", direct_charges.create, "charge", CREATE_CHARGE, "amount", "currency"),
    lists(
        "charges",
        charges.list_charges,
        "charge",
        customer=text(),
        payment_intent=text(),
        transfer_group=text(),
    ),
    searches("charges", search.charges, "charge"),
    retrieves("charges", charges.retrieve, "charge"),
    updates("charges", direct_charges.update, "charge", UPDATE_CHARGE),
    acts("charges", "capture", direct_charges.capture, "charge", CAPTURE_CHARGE),
    creates("refunds", refunds.create, "refund", REFUND),
    lists("refunds", refunds.list_refunds, "refund", charge=text(), payment_intent=text()),
    retrieves("refunds", refunds.retrieve, "refund"),
    updates("refunds", refunds.update, "refund", {**EXPAND, "metadata": metadata}),
    acts("refunds", "cancel", refunds.cancel, "refund", EXPAND),
    lists("transfers", connect.list_transfers, "transfer", destination=text(), transfer_group=text()),
    retrieves("transfers", connect.retrieve_transfer, "transfer"),
    lists("application_fees", connect.list_fees, "application_fee", charge=text()),
    retrieves("application_fees", connect.retrieve_fee, "application_fee"),
    lists("disputes", disputes.list_disputes, "dispute", charge=text(), payment_intent=text()),
    retrieves("disputes", disputes.retrieve, "dispute"),
    updates(
        "disputes",
        disputes.update,
        "dispute",
        {**EXPAND, "evidence": anything, "metadata": metadata, "submit": boolean},
    ),
    acts("disputes", "close", disputes.close, "dispute", EXPAND),
    lists(_WARNINGS, early_fraud_warnings.list_warnings, _WARNING, charge=text(), payment_intent=text()),
    retrieves(_WARNINGS, early_fraud_warnings.retrieve, _WARNING),
)
