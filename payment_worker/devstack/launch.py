"""Starts the system for the demo and for `make dev`, and stops it at the end."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis.exceptions
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError as DatabaseError

from payment_worker.devstack.ports import Ports
from payment_worker.devstack.processes import ProcessEndedError
from payment_worker.devstack.progress import Screen
from payment_worker.devstack.servers.binaries import MissingProgramError
from payment_worker.devstack.stack import RefusedError, Stack, running
from payment_worker.devstack.waiting import DeadlineMissedError
from payment_worker.settings import SettingsError

DONE, PROBLEMS, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def show(act: Callable[[Screen, Stack], int], *, ports: Ports | None = None) -> int:
    """Bring the stack up, act on it, and take it down. Returns the act's exit status, or what hindered it.

    Its servers listen on any free ports unless some are given.
    """
    screen = Screen()
    try:
        with _ended_by_any_signal():
            screen.title("The stack")
            with running(screen, ports=ports or Ports.any_free(), environ=os.environ) as stack:
                return _act(act, screen, stack)
    except (RefusedError, SettingsError, MissingProgramError) as error:
        screen.fault(str(error))
        return WRONG_USAGE
    except (
        DeadlineMissedError,
        ProcessEndedError,
        DatabaseError,
        BrokerError,
        redis.exceptions.RedisError,
    ) as error:
        screen.fault(str(error))
        return PROBLEMS
    except KeyboardInterrupt:
        screen.note("Everything that was started has ended.")
        return INTERRUPTED


def _act(act: Callable[[Screen, Stack], int], screen: Screen, stack: Stack) -> int:
    try:
        return act(screen, stack)
    except (DeadlineMissedError, ProcessEndedError):
        screen.fault(f"The worker's last words:\n{stack.processes['worker'].tail()}")
        raise


@contextmanager
def closing_engine(database_url: str) -> Iterator[Engine]:
    """An engine for the Payment Database that leaves no connection open."""
    engine = create_engine("postgresql+psycopg2://" + database_url.partition("://")[2])
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _ended_by_any_signal() -> Iterator[None]:
    """A closed terminal and a plain `kill` end things as orderly as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # SIGINT, too: what a shell starts in the background ignores it, and would never hear Ctrl-C.
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
