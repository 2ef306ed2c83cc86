"""Runs all doctor checks, each independent of the others' failures, and prints their results."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Final

from rich.markup import escape
from rich.table import Table

from payment_worker import bootstrap
from payment_worker.cli.doctor import backlog
from payment_worker.cli.views.printing import console, print_json
from payment_worker.monitoring.check import ACCOUNT, Check, Verdict, fine, problem, warning
from payment_worker.settings import Role, Settings, SettingsError
from payment_worker.store.connection.database import DatabaseUnavailableError

UNKNOWN_AFTER: Final = timedelta(minutes=15)
"""How long an outcome may be unknown before it is a problem."""

_NEEDED: Final[tuple[Role, ...]] = ("broker", "database", "stripe")
_MARKS: Final[Mapping[Verdict, str]] = {
    Verdict.FINE: "[bold green]✓[/]",
    Verdict.NOTE: "[bold yellow]![/]",
    Verdict.PROBLEM: "[bold red]✗[/]",
}


def examine(*, unknown_after_seconds: float) -> Sequence[Check]:
    """Run every check for which the settings suffice."""
    check, settings = _settings()
    checks = [check]
    if settings:
        checks += _servers(settings)
        if settings.database_url:
            checks += _rows(settings, timedelta(seconds=unknown_after_seconds))
    # Whose key it is comes first where it is not ours: all else follows from that.
    return sorted(
        checks, key=lambda each: not (each.name.startswith(ACCOUNT) and each.verdict is Verdict.PROBLEM)
    )


def examine_servers(settings: Settings) -> Sequence[Check]:
    """Look at PostgreSQL, Redis, workers and rows, for a process that holds none of Stripe's secrets."""
    return [*_our_servers(settings), *_rows(settings, UNKNOWN_AFTER)]


def is_healthy(checks: Sequence[Check]) -> bool:
    """Whether no check has failed."""
    return all(check.verdict is not Verdict.PROBLEM for check in checks)


def show(checks: Sequence[Check], *, as_json: bool) -> None:
    """Print the results with their remedies."""
    if as_json:
        print_json({"healthy": is_healthy(checks), "checks": checks})
        return
    grid = Table.grid(padding=(0, 1), pad_edge=True)
    for width in (1, 18):
        grid.add_column(min_width=width)
    for check in checks:
        grid.add_row(_MARKS[check.verdict], check.name, escape(check.says))
        if check.ids:
            grid.add_row("", "", escape(f"{', '.join(check.ids)}: {check.shown_by}"))
        if check.remedy:
            grid.add_row("", "", f"[dim]→ {escape(check.remedy)}[/]")
    console().print(grid)


def _settings() -> tuple[Check, Settings | None]:
    try:
        settings = Settings.from_environment(needed_by=_NEEDED)
    except SettingsError as error:
        remedy = "correct them in the environment; docs/reference/settings.md lists every setting"
        fault = problem("settings", "; ".join(error.faults), remedy=remedy)
    else:
        return _settings_check(settings), settings
    try:
        return fault, Settings.from_environment(needed_by=())
    except SettingsError:
        return fault, None


def _settings_check(settings: Settings) -> Check:
    if settings.visibility_timeout > settings.lease:
        return fine("settings", "complete and valid")
    return warning(
        "settings",
        "PAYMENT_WORKER_VISIBILITY_TIMEOUT is not more than PAYMENT_WORKER_LEASE",
        remedy="raise it: until then Redis redelivers messages, harmlessly, while their tasks are still running",
    )


def _servers(settings: Settings) -> Iterator[Check]:
    from payment_worker.cli.doctor import connections
    from payment_worker.cli.doctor.stripe import stripe

    yield from _our_servers(settings)
    if settings.stripe_api_key:
        yield from stripe(settings)
    yield from connections.secrets(settings)
    yield from connections.metadata_secrets(settings)


def _our_servers(settings: Settings) -> Iterator[Check]:
    from payment_worker.cli.doctor import connections

    if settings.database_url:
        with closing(bootstrap.database(settings, connections=1)) as database:
            yield from connections.database(database)
    if settings.redis_url:
        yield from connections.broker(settings)
        yield from connections.workers(settings)
        yield from connections.beat(settings)


def _rows(settings: Settings, unknown_after: timedelta) -> Iterator[Check]:
    try:
        with closing(bootstrap.database(settings, connections=1)) as database, database.begin() as connection:
            yield from backlog.all_checks(
                connection, settings, now=database.now(), unknown_after=unknown_after
            )
    except DatabaseUnavailableError:
        return  # said above
