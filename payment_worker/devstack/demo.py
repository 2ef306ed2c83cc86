"""`make demo`: runs every scenario and prints how our tables compare with Stripe's."""

import time
from collections.abc import Sequence

from sqlalchemy import Engine

from payment_worker.devstack.balance import Balance, balance_table, imported_balance
from payment_worker.devstack.books import Entry, Ledger, SimulatorLedger, StripeLedger, compare
from payment_worker.devstack.screen import Screen
from payment_worker.devstack.show import DONE, PROBLEMS, closing_engine, show
from payment_worker.devstack.stack import Stack
from payment_worker.devstack.stories import STORIES, Story, World
from payment_worker.devstack.tables import Chapter, table


def run() -> int:
    """Tell every story, and compare the books.

    Returns:
        0 when they agree to the cent, 1 when anything differs or fails, 2 when the given settings are
        unusable, 130 after Ctrl-C.
    """
    return show(_tell)


def _tell(screen: Screen, stack: Stack) -> int:
    began = time.monotonic()
    with closing_engine(stack.settings["DATABASE_URL"]) as database:
        screen.title("The stories")
        chapters = [_chapter(screen, story, World(stack, database)) for story in STORIES]
        balance = _balance(screen, stack, database) if stack.simulator else None
    screen.title("The books")
    screen.console.print(table(chapters, "Simulator's ledger" if stack.simulator else "Stripe"))
    if balance:
        screen.console.print(balance_table(balance))
    entries = [entry for chapter in chapters for entry in chapter.entries]
    strangers = _ledger(stack).strangers(entry.payment_id for entry in entries)
    is_explained = balance is None or _is_explained(screen, balance)
    verdict = _verdict(screen, entries, strangers=strangers, seconds=time.monotonic() - began)
    return verdict if is_explained else PROBLEMS


def _balance(screen: Screen, stack: Stack, database: Engine) -> Balance:
    """The simulator's account may hold nothing else than what the stories made."""
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


def _chapter(screen: Screen, story: Story, world: World) -> Chapter:
    if story.needs_faults and world.stack.simulator is None:
        screen.note(f"{story.title}: skipped, because only the simulator can be hurt")
        return Chapter(story.title, skipped=True)
    with screen.step(story.title) as step:
        told = story.tell(world)
        step.detail = told.seen
    return Chapter(story.title, entries=compare(world.database, _ledger(world.stack), told.payment_ids))


def _ledger(stack: Stack) -> Ledger:
    if stack.simulator:
        return SimulatorLedger(stack.simulator)
    base = stack.settings.get("STRIPE_API_BASE", "https://api.stripe.com")
    return StripeLedger(base, stack.settings["STRIPE_API_KEY"])


def _verdict(screen: Screen, entries: Sequence[Entry], *, strangers: int, seconds: float) -> int:
    wrong = [entry for entry in entries if not entry.agrees]
    for entry in wrong:
        screen.fault(f"{entry.payment_id}: {entry.ours} here, {entry.theirs} at Stripe")
    if strangers:
        screen.fault(f"Stripe has {strangers} payments that belong to none of these.")
    if wrong or strangers:
        return PROBLEMS
    screen.console.print(
        f"[bold green]{len(entries)} payments, both books equal to the cent, nothing taken twice.[/]"
        f" [dim]It took {seconds:.0f} s.[/]"
    )
    return DONE
