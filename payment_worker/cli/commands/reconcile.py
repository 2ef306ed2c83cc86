"""`payment-worker reconcile`, `report` and `events replay-messages`: reconcile, print findings, republish messages."""

from typing import Annotated, Literal

import typer

from payment_worker.cli.commands.enqueue import AsJson
from payment_worker.cli.commands.events import events
from payment_worker.cli.commands.ledger import AsCSV, check_form

Since = Annotated[
    str | None, typer.Option(help="ISO 8601, `2026-11-22` or `2026-11-22T08:00Z`; UTC if no offset is given.")
]
Until = Annotated[str | None, typer.Option(help="End of the period, exclusive; now if not given.")]
Which = Literal["open", "repaired", "closed", "all"]


def reconcile(
    *,
    since: Since = None,
    until: Until = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            help="With a period: also reconcile this account, even without our payments: Stripe's id of a "
            "connected one, a name of STRIPE_API_KEYS, or both as NAME/acct_…. Repeatable."
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="pi_…|re_…",
            help="With --since and --reason: treat this object as ours, although its metadata carry no valid MAC. "
            "Repeatable.",
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why these are accepted; stored in the history.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare our payments, refunds and disputes with Stripe's, and repair the differences that are safe to repair.

    Without a period: everything since the last scheduled reconciliation. With only --until: the day before it.
    Only a run with a period also restores payments that Stripe has and the database has lost. An interrupted run is
    resumed by the same command, or by the next scheduled reconciliation, which ignores --account and --accept.
    """
    from payment_worker.cli.views import reconciliation

    if accept and not (since and reason):
        raise typer.BadParameter("needs --since and --reason", param_hint="--accept")
    if not_ids := [each for each in accept or () if not each.startswith(("pi_", "re_", "pyr_"))]:
        raise typer.BadParameter(f"{not_ids[0]!r} is neither a pi_… nor a re_…", param_hint="--accept")
    accepted = dict.fromkeys(accept or (), reason or "")
    raise typer.Exit(
        reconciliation.run(
            since=since, until=until, accounts=account or (), accepted=accepted, as_json=as_json
        )
    )


def report(
    *,
    show: Annotated[Which, typer.Option(help="Which findings to show.")] = "open",
    since: Annotated[str | None, typer.Option(help="Found at or after this time.")] = None,
    until: Annotated[str | None, typer.Option(help="Found before this time.")] = None,
    limit: Annotated[
        int, typer.Option(help="Show at most this many, newest first.", min=1, max=100_000)
    ] = 100,
    as_json: AsJson = False,
    as_csv: AsCSV = False,
) -> None:
    """Show the last reconciliation runs and their findings. Exit status 1 while a finding is open."""
    from payment_worker.cli.views import findings

    check_form(as_csv=as_csv, as_json=as_json)
    form = findings.Form.JSON if as_json else findings.Form.CSV if as_csv else findings.Form.TABLE
    raise typer.Exit(findings.report(show=show, since=since, until=until, limit=limit, form=form))


@events.command("replay-messages")
def replay_messages(
    *,
    since: Annotated[str, typer.Option(help="Start of the period; ISO 8601.")],
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Publish the messages of a period again, from the database, in order.

    They keep their ids, so a reader recognises those that it has handled and ignores them.
    """
    from payment_worker.cli.views import reconciliation

    reconciliation.replay_messages(since=since, until=until, as_json=as_json)
