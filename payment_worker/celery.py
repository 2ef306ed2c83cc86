"""The Celery application: `celery -A payment_worker worker | beat | flower | inspect …`."""

import os
import sys
from pathlib import Path

from celery import Celery
from celery.bin.base import CLIContext
from click import get_current_context

from payment_worker.broker.shown_arguments import RedactedTask
from payment_worker.broker.transport import register
from payment_worker.settings import Settings, SettingsError

register()

# If Flower is started without naming our configuration it is used anyway: without it the page is open to everybody.
os.environ.setdefault("FLOWER_CONF", str(Path(__file__).with_name("flowerconfig.py")))

# Without Celery's own fixups: where DJANGO_SETTINGS_MODULE is set they would load another app's Django.
app = Celery("payment_worker", task_cls=RedactedTask, include=["payment_worker.tasks"], fixups=())
app.config_from_object("payment_worker.celeryconfig")


def _check_settings(**_: object) -> None:
    """On Celery's command line faults are a list to read; `celeryconfig` raises them to everybody else."""
    context = get_current_context(silent=True)
    if context is None or not isinstance(context.obj, CLIContext):
        return
    try:
        if context.info_name == "worker":
            Settings.from_environment(needed_by=("broker", "database", "stripe"))
        else:
            Settings.from_environment(needed_by=("broker",))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


app.on_configure.connect(_check_settings)


def check_result_backend() -> None:
    """Open the result backend, whose driver may not be installed; nothing is connected yet.

    Raises:
        SettingsError: Celery cannot use it.
    """
    try:
        _ = app.backend
    except SettingsError:
        raise
    except Exception as error:  # noqa: BLE001 - each driver has its own, and its text may hold the address
        why = f"Celery cannot use it ({type(error).__name__}): is its driver installed?"
        raise SettingsError([f"PAYMENT_WORKER_RESULT_BACKEND: {why}"]) from None
