"""Parses the command line of a chaos run."""

import argparse
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_SEEDS = 1_000_000
# What two cores sustain under these faults; a slower machine only gets a longer queue.
_PAYMENTS_PER_SECOND = 10.0
_LEAST_SECONDS = 20.0
_KILLS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one run."""

    payments: int
    seed: int
    seconds: float
    """How long requests are sent and faults are injected. Waiting for quiescence comes after that."""
    kills: bool = True
    """Whether processes and servers are killed, stopped and paused."""
    faults: bool = True
    """Whether requests to Stripe fail, and webhooks are lost, duplicated and reordered."""
    kill_every_seconds: float = 3.0

    @property
    def command(self) -> str:
        """The command that repeats this run."""
        flags = ("" if self.kills else " --no-kills") + ("" if self.faults else " --no-faults")
        return (
            f"python -m payment_worker.devstack.chaos --payments {self.payments} --seed {self.seed}"
            f" --seconds {self.seconds:g} --kill-every {self.kill_every_seconds:g}{flags}"
        )


def parsed(arguments: Sequence[str] | None = None) -> Options:
    """Parse the arguments, by default those of this process."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__, allow_abbrev=False)
    parser.add_argument("--payments", type=_positive, default=300, metavar="N")
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    parser.add_argument(
        "--seconds",
        type=_positive,
        help=f"how long requests are sent and faults injected; default: N / {_PAYMENTS_PER_SECOND:.0f}",
    )
    parser.add_argument(
        "--kill-every",
        type=_positive,
        metavar="SECONDS",
        help=f"mean time between two kills or pauses; default: 1/{_KILLS} of the time, but between 3 and 8 s",
    )
    parser.add_argument("--no-kills", action="store_true", help="kill, stop and pause nothing")
    parser.add_argument(
        "--no-faults", action="store_true", help="no failed requests to Stripe, no lost webhooks"
    )
    given = parser.parse_args(arguments)
    payments = round(given.payments)
    seconds = given.seconds or max(_LEAST_SECONDS, payments / _PAYMENTS_PER_SECOND)
    return Options(
        payments=payments,
        seed=secrets.randbelow(_MOST_SEEDS) if given.seed is None else given.seed,
        seconds=seconds,
        kills=not given.no_kills,
        faults=not given.no_faults,
        kill_every_seconds=given.kill_every or min(max(seconds / _KILLS, 3.0), 8.0),
    )


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value
