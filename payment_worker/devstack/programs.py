"""The command lines of worker, beat, webhook receiver and Flower as child processes."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import payment_worker
from payment_worker.devstack.ports import LOOPBACK, answers
from payment_worker.devstack.processes import Process

Ready = str | Path | Callable[[], bool]
# Those that touch the liveness file.
_POOLS_WITH_A_LOOP = {"prefork", "threads"}
_ROOT = Path(payment_worker.__file__).parents[1]
# What this shell happens to have set must not leak into a stack that is given its own.
_OURS = ("DATABASE_URL", "REDIS_URL", "STRIPE_", "PAYMENT_WORKER_", "FLOWER_", "CELERY")


def clean_environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any setting of ours, and then with the given ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    # So that a checkout that is not installed runs as well as a package that is.
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_ROOT), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONUNBUFFERED": "1", **(settings or {})}


def python_module(
    module: str,
    *arguments: str,
    directory: Path,
    name: str,
    ready: Ready,
    settings: Mapping[str, str] | None = None,
) -> Process:
    """`python -m MODULE ARGUMENTS`, to run in the directory, with its log there."""
    return Process(
        [sys.executable, "-m", module, *arguments],
        log=directory / f"{name}.log",
        ready=ready,
        environ=clean_environment(settings),
        cwd=directory,
    )


def _celery(
    *arguments: str, directory: Path, name: str, ready: Ready, settings: Mapping[str, str]
) -> Process:
    return python_module(
        *("celery", "--app", "payment_worker", *arguments),
        directory=directory,
        name=name,
        ready=ready,
        settings=settings,
    )


def worker(
    settings: Mapping[str, str],
    *,
    directory: Path,
    name: str = "worker",
    pool: str = "prefork",
    concurrency: int = 2,
    queues: str | None = None,
    arguments: tuple[str, ...] = (),
) -> Process:
    """A Celery worker, of all queues unless some are named (comma-separated)."""
    flags = ("--pool", pool, "--concurrency", str(concurrency), "--hostname", f"{name}@%h")
    only = ("--queues", queues) if queues else ()
    alive = directory / f"{name}.alive"
    return _celery(
        *("worker", *flags, *only, *arguments),
        directory=directory,
        name=name,
        # Not its log's word: that depends on the level, and on the format.
        ready=alive if pool in _POOLS_WITH_A_LOOP else r"\bready\.",
        settings={"PAYMENT_WORKER_LIVENESS_FILE": str(alive), **settings},
    )


def beat(settings: Mapping[str, str], *, directory: Path, name: str = "beat") -> Process:
    """Beat."""
    return _celery(
        *("beat", "--pidfile", ""),
        directory=directory,
        name=name,
        ready=r"is starting",
        settings=settings,
    )


def flower(settings: Mapping[str, str], *, directory: Path, port: int) -> Process:
    """Flower on the loopback interface, as `flowerconfig.py` sets it up: needs FLOWER_BASIC_AUTH."""
    return _celery(
        *("flower", f"--port={port}"),
        directory=directory,
        name="flower",
        ready=lambda: answers(port),
        settings=settings,
    )


def webhook(settings: Mapping[str, str], *, directory: Path, port: int) -> Process:
    """The endpoint that Stripe's webhooks reach."""
    return _server("webhook", settings, directory=directory, port=port)


def console(settings: Mapping[str, str], *, directory: Path, port: int) -> Process:
    """The console on the loopback interface: needs PAYMENT_WORKER_CONSOLE_AUTH."""
    return _server("console", settings, directory=directory, port=port)


def _server(command: str, settings: Mapping[str, str], *, directory: Path, port: int) -> Process:
    return python_module(
        *("payment_worker", command, "--host", LOOPBACK, "--port", str(port)),
        directory=directory,
        name=command,
        ready=lambda: answers(port),
        settings=settings,
    )
