"""Endpoints of the balance, its transactions and payouts."""

from payment_worker.simulator.api.endpoints.endpoint import Endpoint, acts, creates, lists, retrieves, updates
from payment_worker.simulator.api.parameters.account_schemas import PAYOUT
from payment_worker.simulator.api.parameters.checks import instants, text
from payment_worker.simulator.api.parameters.metadata import metadata
from payment_worker.simulator.api.parameters.schemas import EXPAND
from payment_worker.simulator.resources.balance import balance_transactions, payouts, totals

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("balance.retrieve", "GET", "/v1/balance", totals.retrieve, "balance", EXPAND),
    lists(
        "balance_transactions",
        balance_transactions.list_transactions,
        "balance_transaction",
        currency=text(),
        payout=text(),
        source=text(),
        type=text(),
    ),
    retrieves("balance_transactions", balance_transactions.retrieve, "balance_transaction"),
    creates("payouts", payouts.create, "payout", PAYOUT, "amount", "currency"),
    lists(
        "payouts", payouts.list_payouts, "payout", arrival_date=instants, destination=text(), status=text()
    ),
    retrieves("payouts", payouts.retrieve, "payout"),
    updates("payouts", payouts.update, "payout", {**EXPAND, "metadata": metadata}),
    acts("payouts", "cancel", payouts.cancel, "payout", EXPAND),
)
