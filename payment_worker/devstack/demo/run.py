"""`make demo`: runs every scenario and prints how our tables compare with Stripe's."""

import time
from collections.abc import Sequence

from sqlalchemy import Engine

from payment_worker.devstack.books import Entry, Ledger, SimulatorLedger, StripeLedger, compare
from payment_worker.devstack.demo.balance import Balance, balance_table, imported_balance
from payment_worker.devstack.demo.result_table import ScenarioRow, table
from payment_worker.devstack.demo.scenarios import SCENARIOS, Environment, Scenario
from payment_worker.devstack.launch import DONE, PROBLEMS, closing_engine, show
from payment_worker.devstack.progress import Screen
from payment_worker.devstack.stack import Stack


def run() -> int:
    """Run every scenario, and compare our rows with Stripe's.

    Returns:
        0 when they agree to the cent, 1 when anything differs or fails, 2 when the given settings are
        unusable, 130 after Ctrl-C.
    """
    return show(_run_scenarios)


def _run_scenarios(screen: Screen, stack: Stack) -> int:
    began = time.monotonic()
    with closing_engine(stack.settings["DATABASE_URL"]) as database:
        screen.title("The scenarios")
        rows = [_run(screen, scenario, Environment(stack, database)) for scenario in SCENARIOS]
        balance = _balance(screen, stack, database) if stack.simulator else None
    screen.title("The books")
    screen.console.print(table(rows, "Simulator's ledger" if stack.simulator else "Stripe"))
    if balance:
        screen.console.print(balance_table(balance))
    entries = [entry for row in rows for entry in row.entries]
    foreign_payments = _ledger(stack).foreign_payments(entry.payment_id for entry in entries)
    is_explained = balance is None or _is_explained(screen, balance)
    result = _result(screen, entries, foreign_payments=foreign_payments, seconds=time.monotonic() - began)
    return result if is_explained else PROBLEMS


def _balance(screen: Screen, stack: Stack, database: Engine) -> Balance:
    """Import the balance of the simulator's account, which contains only what the scenarios created."""
    settings = stack.settings
    with screen.step("The balance, explained by the ledger") as step:
        found = imported_balance(
            database, settings["STRIPE_API_BASE"], settings["STRIPE_API_KEY"], send=stack.shop.send
        )
        step.detail = f"{len(found.lines)} currencies"
    return found


def _is_explained(screen: Screen, balance: Balance) -> bool:
    for each in balance.uncleared:
        screen.fault(f"not cleared: {each}")
    if balance.agrees:
        screen.console.print("[bold green]Stripe's balance is explained to the cent, in every currency.[/]")
    else:
        screen.fault("Stripe's balance is not what the ledger says.")
    return balance.agrees


def _run(screen: Screen, scenario: Scenario, environment: Environment) -> ScenarioRow:
    if scenario.needs_faults and environment.stack.simulator is None:
        screen.note(f"{scenario.title}: skipped, because it needs the simulator's faults")
        return ScenarioRow(scenario.title, skipped=True)
    with screen.step(scenario.title) as step:
        outcome = scenario.run(environment)
        step.detail = outcome.seen
    return ScenarioRow(
        scenario.title, entries=compare(environment.database, _ledger(environment.stack), outcome.payment_ids)
    )


def _ledger(stack: Stack) -> Ledger:
    if stack.simulator:
        return SimulatorLedger(stack.simulator)
    base = stack.settings.get("STRIPE_API_BASE", "https://api.stripe.com")
    return StripeLedger(base, stack.settings["STRIPE_API_KEY"])


def _result(screen: Screen, entries: Sequence[Entry], *, foreign_payments: int, seconds: float) -> int:
    wrong = [entry for entry in entries if not entry.agrees]
    for entry in wrong:
        screen.fault(f"{entry.payment_id}: {entry.ours} here, {entry.theirs} at Stripe")
    if foreign_payments:
        screen.fault(f"Stripe has {foreign_payments} payments that belong to none of these.")
    if wrong or foreign_payments:
        return PROBLEMS
    screen.console.print(
        f"[bold green]{len(entries)} payments, both books equal to the cent, nothing taken twice.[/]"
        f" [dim]It took {seconds:.0f} s.[/]"
    )
    return DONE
