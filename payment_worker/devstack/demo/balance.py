"""Has the balance imported, and compares the ledger with what the simulator itself says that it holds."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.request import Request, urlopen

from rich.table import Table
from sqlalchemy import Engine, text

from payment_worker.devstack.waiting import DeadlineMissedError, wait_until
from payment_worker.domain.money import CURRENCIES, decimal_string

_PATIENCE_SECONDS: Final = 45.0
_IMPORT_SECONDS: Final = 15.0

_LINES: Final = text("""
SELECT stripe_account, currency,
    coalesce(sum(amount) FILTER (WHERE ledger_account = 'stripe_balance'), 0)::bigint AS ledger,
    coalesce(sum(amount) FILTER (WHERE ledger_account = 'sales'), 0)::bigint AS sales,
    coalesce(sum(amount) FILTER (WHERE ledger_account = 'fees'), 0)::bigint AS fees,
    coalesce(sum(amount) FILTER (WHERE ledger_account = 'refunds'), 0)::bigint AS refunds,
    coalesce(sum(amount) FILTER (WHERE ledger_account = 'disputes'), 0)::bigint AS disputes,
    coalesce(sum(amount) FILTER (WHERE ledger_account = 'currency_exchange'), 0)::bigint AS exchange,
    coalesce(sum(amount) FILTER (WHERE ledger_account IN ('payouts_in_transit', 'bank')), 0)::bigint AS paid_out,
    coalesce(sum(amount) FILTER (WHERE ledger_account = 'unexplained'), 0)::bigint AS unexplained
FROM ledger_balance GROUP BY 1, 2 ORDER BY 1, 2
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceLine:
    """One Stripe account in one currency, in minor units: what the simulator has, and how the ledger explains it."""

    stripe_account: str
    currency: str
    stripe: int
    ledger: int
    sales: int
    fees: int
    refunds: int
    disputes: int
    exchange: int
    paid_out: int
    unexplained: int

    @property
    def agrees(self) -> bool:
        """Whether it is explained to the cent."""
        return self.stripe == self.ledger and not self.unexplained


@dataclass(frozen=True, slots=True)
class Balance:
    """All lines, and the objects on which our records and Stripe's balance do not agree."""

    lines: Sequence[BalanceLine]
    uncleared: Sequence[str]

    @property
    def agrees(self) -> bool:
        """Whether all of it is explained."""
        return bool(self.lines) and all(line.agrees for line in self.lines) and not self.uncleared


def imported_balance(
    database: Engine,
    api_base: str,
    api_key: str,
    *,
    send: Callable[[str], object],
    foreign: Collection[str] = (),
    further: Mapping[str, str] = MappingProxyType({}),
) -> Balance:
    """Have the balance imported until all of it is explained; what it is in the end, if that does not come to be.

    Args:
        foreign: objects that others made, which our records rightly do not have.
        further: keys of other accounts, by their names.
    """
    keys = {"": api_key, **further}

    def imported() -> Balance | None:
        _import(database, send)
        found = _read(database, api_base, keys, foreign)
        return found if found.agrees else None

    try:
        agreed = wait_until(imported, seconds=_PATIENCE_SECONDS, what="an explained balance")
    except DeadlineMissedError:
        agreed = None
    return agreed or _read(database, api_base, keys, foreign)


def _import(database: Engine, send: Callable[[str], object]) -> None:
    with database.connect() as connection:
        asked_at = connection.scalar(text("SELECT clock_timestamp()"))
    send("payment_worker.import_balance")
    done = text(
        "SELECT count(*) > 0 AND bool_and(imported_at IS NOT NULL AND imported_at > :asked_at) FROM balance_import"
    )

    def is_imported() -> bool:
        with database.connect() as connection:
            return bool(connection.scalar(done, {"asked_at": asked_at}))

    try:
        wait_until(is_imported, seconds=_IMPORT_SECONDS, what="an import", every_seconds=0.1)
    except DeadlineMissedError:
        return  # the worker may have been killed with it: it is sent again


def _read(database: Engine, api_base: str, api_keys: Mapping[str, str], foreign: Collection[str]) -> Balance:
    with database.connect() as connection:
        rows = connection.execute(_LINES).mappings().all()
        waiting = connection.execute(
            text("SELECT object_id, ours, theirs FROM ledger_uncleared ORDER BY since")
        ).all()
    uncleared = [
        f"{row.object_id}: {row.ours} in our records, {-row.theirs} at Stripe"
        for row in waiting
        if row.object_id not in foreign or row.ours
    ]
    accounts = {row["stripe_account"] for row in rows}
    held = {account: _held(api_base, api_keys, account) for account in accounts}
    ours = {(row["stripe_account"], row["currency"]): row for row in rows}
    keys = ours.keys() | {(account, currency) for account, each in held.items() for currency in each}
    empty = dict.fromkeys(BalanceLine.__slots__[3:], 0)
    return Balance(
        [
            BalanceLine(
                **{
                    **empty,
                    **ours.get((account, currency), {}),
                    "stripe_account": account,
                    "currency": currency,
                    "stripe": held[account].get(currency, 0),
                }
            )
            for account, currency in sorted(keys)
        ],
        uncleared,
    )


def _held(api_base: str, api_keys: Mapping[str, str], account: str) -> dict[str, int]:
    """What the simulator has, by currency, asked for without any of our code."""
    key = api_keys.get(account)
    connected = {} if key else {"Stripe-Account": account}
    headers = {"Authorization": f"Bearer {key or api_keys['']}", **connected}
    with urlopen(Request(f"{api_base.rstrip('/')}/v1/balance", headers=headers), timeout=10) as answer:  # noqa: S310 our own
        balance: dict[str, Any] = json.load(answer)
    held: dict[str, int] = {}
    for part in (*balance["available"], *balance["pending"]):
        held[part["currency"].upper()] = held.get(part["currency"].upper(), 0) + part["amount"]
    return {currency: amount for currency, amount in held.items() if amount}


def balance_table(balance: Balance) -> Table:
    """One row a currency: what Stripe has, and how the ledger comes to it."""
    made = Table(box=None, padding=(0, 2, 0, 1), header_style="bold")
    for heading in (
        "Balance",
        "Stripe",
        "Ledger",
        "Sales",
        "Fees",
        "Refunds",
        "Disputes",
        "Exchange",
        "Paid out",
        "",
    ):
        made.add_column(heading, justify="left" if heading in {"Balance", ""} else "right")
    for line in balance.lines:
        amounts = (line.stripe, line.ledger, -line.sales, line.fees, line.refunds, line.disputes)
        more = (line.exchange, line.paid_out)
        cells = [_amount(amount, line.currency) for amount in (*amounts, *more)]
        verdict = "[bold green]equal[/]" if line.agrees else "[bold red]DIFFERENT[/]"
        made.add_row(f"{line.stripe_account} {line.currency}".strip(), *cells, verdict)
    return made


def _amount(amount: int, currency: str) -> str:
    if not amount:
        return "[dim]0[/]"
    return decimal_string(amount, CURRENCIES[currency]).removesuffix(f" {currency}")
