"""TODO."""

from datetime import timedelta

from payment_worker.domain.outcome import WAITS_ITS_TURN

FIRST_DELAY = timedelta(seconds=1)


LONGEST_DELAY = timedelta(minutes=15)


LONGEST_TURN = timedelta(seconds=24)
"""Half a minute with the jitter: what only waits its turn goes on soon after Stripe is back."""


LONGEST_PAUSE = timedelta(hours=1)
"""For what was never sent and is paused: the end of the pause makes it due, and this is for an end that got lost."""


TURNS_COUNTED = 6
"""The rounds after which that delay is reached."""


def delay_before(tries: int, *, dice: float, longest: timedelta = LONGEST_DELAY) -> timedelta:
    """How long to wait after this many rounds without an outcome: doubling, jittered by `dice` in [0, 1)."""
    doubled = min(FIRST_DELAY * 2 ** min(max(tries - 1, 0), 20), longest)
    return timedelta(seconds=doubled.total_seconds() * (0.75 + dice / 2))


LOOKS_ON = "list not read to its end"
"""Why an attempt is put off whose look came further, and goes on from there."""


def next_round(tries: int, because: str, *, dice: float) -> tuple[int, timedelta]:
    """The rounds to count after one more without an outcome, and how long to wait for the next.

    To wait one's turn is no failure: however often it happens, it counts no further than its own longest delay, so
    that trouble that comes later is met with short delays again. A look that came further counts nothing.
    """
    if because == LOOKS_ON:
        return tries, delay_before(1, dice=dice)
    if because not in WAITS_ITS_TURN:
        return tries + 1, delay_before(tries + 1, dice=dice)
    counted = max(tries, min(tries + 1, TURNS_COUNTED))
    return counted, delay_before(tries + 1, dice=dice, longest=LONGEST_TURN)
