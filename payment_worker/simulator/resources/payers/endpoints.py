"""Endpoints of customers, payment methods and SetupIntents."""

from payment_worker.simulator.api import pagination
from payment_worker.simulator.api.endpoints.endpoint import (
    Endpoint,
    acts,
    creates,
    lists,
    retrieves,
    searches,
    updates,
)
from payment_worker.simulator.api.parameters.account_schemas import (
    ATTACH,
    CANCEL_SETUP,
    CONFIRM_SETUP,
    CONFIRMATION_TOKEN,
    CREATE_SETUP,
    CUSTOMER,
    PAYMENT_METHOD,
    UPDATE_PAYMENT_METHOD,
    UPDATE_SETUP,
)
from payment_worker.simulator.api.parameters.checks import text
from payment_worker.simulator.api.parameters.schemas import EXPAND
from payment_worker.simulator.resources import search
from payment_worker.simulator.resources.payers import (
    confirmation_tokens,
    customers,
    payment_methods,
    setup_intents,
)

_METHODS, _METHOD = "payment_methods", "payment_method"
_SETUPS, _SETUP = "setup_intents", "setup_intent"
ENDPOINTS: tuple[Endpoint, ...] = (
    creates("customers", customers.create, "customer", CUSTOMER),
    lists("customers", customers.list_customers, "customer", email=text()),
    searches("customers", search.customers, "customer"),
    retrieves("customers", customers.retrieve, "customer"),
    updates("customers", customers.update, "customer", CUSTOMER),
    Endpoint(
        "customers.payment_methods.list",
        "GET",
        "/v1/customers/{id}/payment_methods",
        payment_methods.list_of_customer,
        _METHOD,
        {**pagination.PARAMETERS, "allow_redisplay": text(), "type": text()},
    ),
    creates(_METHODS, payment_methods.create, _METHOD, PAYMENT_METHOD),
    lists(_METHODS, payment_methods.list_methods, _METHOD, customer=text(), type=text()),
    retrieves(_METHODS, payment_methods.retrieve, _METHOD),
    updates(_METHODS, payment_methods.update, _METHOD, UPDATE_PAYMENT_METHOD),
    acts(_METHODS, "attach", payment_methods.attach, _METHOD, ATTACH, "customer"),
    acts(_METHODS, "detach", payment_methods.detach, _METHOD, EXPAND),
    Endpoint(
        "test_helpers.confirmation_tokens.create",
        "POST",
        "/v1/test_helpers/confirmation_tokens",
        confirmation_tokens.create,
        "confirmation_token",
        CONFIRMATION_TOKEN,
        ("payment_method",),
    ),
    retrieves("confirmation_tokens", confirmation_tokens.retrieve, "confirmation_token"),
    creates(_SETUPS, setup_intents.create, _SETUP, CREATE_SETUP),
    lists(_SETUPS, setup_intents.list_intents, _SETUP, customer=text(), payment_method=text()),
    retrieves(_SETUPS, setup_intents.retrieve, _SETUP, client_secret=text()),
    updates(_SETUPS, setup_intents.update, _SETUP, UPDATE_SETUP),
    acts(_SETUPS, "confirm", setup_intents.confirm, _SETUP, CONFIRM_SETUP),
    acts(_SETUPS, "cancel", setup_intents.cancel, _SETUP, CANCEL_SETUP),
)
