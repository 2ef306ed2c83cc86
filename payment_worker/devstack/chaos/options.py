"""How long and how hard: what a chaos run is told on its command line."""

import argparse
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_SEEDS = 1_000_000
# What two cores bear with everything dying now and then; slower machines only get a longer queue.
_PAYMENTS_PER_SECOND = 10.0
_LEAST_SECONDS = 20.0
_HARMS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One run."""

    payments: int
    seed: int
    seconds: float
    """How long requests are made and things are broken. What comes after takes as long as it takes."""
    kills: bool = True
    """Whether processes and servers die."""
    faults: bool = True
    """Whether Stripe misbehaves, and its webhooks get lost, doubled and shuffled."""
    harm_every_seconds: float = 3.0

    @property
    def command(self) -> str:
        """The command that makes the same run again."""
        flags = ("" if self.kills else " --no-kills") + ("" if self.faults else " --no-faults")
        return (
            f"python -m payment_worker.devstack.chaos --payments {self.payments} --seed {self.seed}"
            f" --seconds {self.seconds:g} --harm-every {self.harm_every_seconds:g}{flags}"
        )


def parsed(arguments: Sequence[str] | None = None) -> Options:
    """The options of a command line."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__, allow_abbrev=False)
    parser.add_argument("--payments", type=_positive, default=300, metavar="N")
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    parser.add_argument(
        "--seconds",
        type=_positive,
        help=f"how long requests are made; default: N / {_PAYMENTS_PER_SECOND:.0f}",
    )
    parser.add_argument(
        "--harm-every",
        type=_positive,
        metavar="SECONDS",
        help=f"mean time between two harms; default: 1/{_HARMS} of the time, but between 3 and 8 s",
    )
    parser.add_argument("--no-kills", action="store_true", help="nothing dies")
    parser.add_argument("--no-faults", action="store_true", help="Stripe is reliable")
    given = parser.parse_args(arguments)
    payments = round(given.payments)
    seconds = given.seconds or max(_LEAST_SECONDS, payments / _PAYMENTS_PER_SECOND)
    return Options(
        payments=payments,
        seed=secrets.randbelow(_MOST_SEEDS) if given.seed is None else given.seed,
        seconds=seconds,
        kills=not given.no_kills,
        faults=not given.no_faults,
        harm_every_seconds=given.harm_every or min(max(seconds / _HARMS, 3.0), 8.0),
    )


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value
