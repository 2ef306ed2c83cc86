"""What a worker does before its first task: checks the settings, and sets up its logs."""

import sys

from celery.signals import setup_logging, worker_init

from payment_worker import wiring
from payment_worker.settings import Settings, SettingsError
from payment_worker.telemetry import configure


@setup_logging.connect
def _log(**_: object) -> None:
    chosen = Settings.from_environment(needed_by=())
    configure(log_format=chosen.log_format, level=chosen.log_level)


@worker_init.connect
def _check(**_: object) -> None:
    """A worker that cannot do its work says why, all of it, and does not start."""
    try:
        wiring.settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
