"""A small app on our own celeryconfig, whose tasks write into a journal, and whose worker can be Celery's own.

With `BROKER_APP_AS_SHIPPED=transport,consumer,task,pool` those parts are Celery's: run the tests with it after an
upgrade to see which of our guards can go.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

import redis
from celery import Celery, Task
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.signals import task_received
from kombu.transport.redis import Mutex

from payment_worker.broker.shown_arguments import RedactedTask
from payment_worker.broker.transport import register
from payment_worker.contracts.masking import masked

_as_shipped = os.environ.get("BROKER_APP_AS_SHIPPED", "").split(",")
# Not the broker, for it must be there while the broker is away.
_journal = redis.Redis.from_url(os.environ["BROKER_APP_JOURNAL"])

if "transport" not in _as_shipped:
    register()

app = Celery("broker_app", task_cls=Task if "task" in _as_shipped else RedactedTask, set_as_current=False)
app.config_from_object("payment_worker.celeryconfig")
app.conf.keep_rejected = f"{__name__}:keep"
app.conf.beat_schedule = {}
PROBES = ("work", "take", "die", "hold", "fade", "break", "retry", "strand", "unready", "end")
app.conf.task_taken_from = {f"probe.{name}": ("charges",) for name in PROBES}
if "consumer" in _as_shipped:
    app.conf.worker_consumer = "celery.worker.consumer:Consumer"
if "pool" in _as_shipped:
    app.conf.worker_pool = "prefork"
if "channel_errors" in _as_shipped:
    app.conf.broker_channel_error_retry = False
if "BROKER_APP_PATIENCE" in os.environ:
    seconds = float(os.environ["BROKER_APP_PATIENCE"])
    limits = {"socket_timeout", "socket_connect_timeout", "health_check_interval"}
    # Only those that are there: a limit that the policy lacks is one that the test must miss.
    app.conf.broker_transport_options |= dict.fromkeys(
        limits & app.conf.broker_transport_options.keys(), seconds
    )


def keep(
    task: str, arguments: Mapping[str, object], errors: Sequence[dict[str, str]], *, request_id: str
) -> None:
    """Stands where the database would: into the journal, unless the test says that it is away."""
    if _journal.exists("away"):
        raise ConnectionError("the database is away")
    _journal.rpush(
        "kept",
        json.dumps(
            {
                "task": task,
                "arguments": masked(dict(arguments)),
                "errors": [error["message"] for error in errors],
                "request_id": request_id,
            }
        ),
    )


@app.task(name="probe.work", bind=True)  # type: ignore[untyped-decorator] # Celery has no types
def work(
    self: Any,  # noqa: ANN401
    *,
    payment_id: str,
    seconds: float = 0,
    deaf: bool = False,
    **_: object,
) -> dict[str, str]:
    """Say so when it begins and when it ends. A deaf one ignores the soft time limit."""
    facts = {
        "redelivered": self.request.delivery_info["redelivered"],
        "redeliveries": self.request.get("redeliveries"),
    }
    _journal.rpush("facts", json.dumps(facts))
    _journal.rpush("begun", payment_id)
    if not _journal.exists("no_waiting"):
        try:
            Event().wait(seconds)
        except SoftTimeLimitExceeded:
            if not deaf:
                raise
            Event().wait(seconds)
    _journal.rpush("ended", payment_id)
    return {"payment_id": payment_id, "status": "SUCCEEDED"}


@app.task(name="probe.take", typing=False)  # type: ignore[untyped-decorator] # Celery has no types
def take(*_: object, **__: object) -> None:
    """End well, whatever the arguments."""
    _journal.rpush("ended", "taken")


@app.task(name="probe.die", bind=True)  # type: ignore[untyped-decorator] # Celery has no types
def die(self: Any, *, payment_id: str) -> None:  # noqa: ANN401
    """Kill the process that runs it."""
    _journal.rpush("begun", payment_id)
    _journal.rpush("tried", f"{payment_id} {self.request.retries}")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="probe.hold")  # type: ignore[untyped-decorator] # Celery has no types
def hold(*, payment_id: str, seconds: float) -> None:
    """Hold the lock under which a worker gives back what others left."""
    with (
        app.connection_for_read() as connection,
        connection.channel() as channel,
        Mutex(channel.client, channel.unacked_mutex_key, channel.unacked_mutex_expire),
    ):
        _journal.rpush("begun", payment_id)
        if not _journal.exists("no_waiting"):
            Event().wait(seconds)


@app.task(name="probe.fade")  # type: ignore[untyped-decorator] # Celery has no types
def fade(*, payment_id: str, seconds: float) -> None:
    """Look to the parent as if the process had ended, and go on: what a killed one does for a moment."""
    frame = sys._getframe()  # noqa: SLF001 the only way to what billiard keeps to itself
    while "child_w" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    os.close(frame.f_locals["child_w"])
    _journal.rpush("begun", payment_id)
    Event().wait(seconds)
    _journal.rpush("ended", payment_id)


@task_received.connect  # type: ignore[untyped-decorator] # Celery has no types
def end_the_worker(request: Any, **_: object) -> None:  # noqa: ANN401 Celery has no types
    """End the worker's main process, while it receives a message that asks for that."""
    match request.kwargs:
        case {"ends": "worker"}:
            sys.exit(3)


@app.task(name="probe.break")  # type: ignore[untyped-decorator] # Celery has no types
def break_(*, payment_id: str, note: str) -> None:
    """End in an error that says too much, caused by another that does too."""
    _journal.rpush("begun", payment_id)
    try:
        raise KeyError(note)  # noqa: TRY301 it is the error that is tested
    except KeyError as error:
        raise ValueError(note, payment_id) from error


@app.task(name="probe.retry", bind=True, max_retries=1)  # type: ignore[untyped-decorator] # Celery has no types
def retry(self: Any, *, payment_id: str, note: str) -> str:  # noqa: ANN401
    """Ask for one more run, because of an error that says too much."""
    _journal.rpush("begun", payment_id)
    if self.request.retries:
        return "retried"
    try:
        raise ValueError(note)  # noqa: TRY301 it is the error that is tested
    except ValueError as error:
        raise self.retry(exc=error, countdown=0.1) from error


@app.task(name="probe.strand", bind=True)  # type: ignore[untyped-decorator] # Celery has no types
def strand(self: Any, *, payment_id: str) -> None:  # noqa: ANN401
    """Ask for another run of a Redis that is full."""
    with app.connection_for_write() as connection:
        connection.default_channel.client.config_set("maxmemory", "1")
    try:
        raise self.retry(countdown=0.1)
    except Reject:
        _journal.rpush("rejected", payment_id)
        raise


class _Unready(RedactedTask):
    """A task whose preparation fails, which is outside what the task itself can answer for."""

    abstract = True

    def before_start(self, *_: object) -> None:
        """Fail."""
        raise LookupError


@app.task(name="probe.unready", base=_Unready)  # type: ignore[untyped-decorator] # Celery has no types
def unready(*, payment_id: str) -> None:
    """Never begin."""
    _journal.rpush("begun", payment_id)
