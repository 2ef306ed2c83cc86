"""Webhooks of a sender that waits for its answers are not held back: nobody is left who might send another."""

from payment_worker.webhook.batcher import MEMORY_SECONDS, InFlight


def test_one_sender_is_waited_for_once_at_the_most() -> None:
    in_flight = InFlight()

    assert not in_flight.is_most(1, now=0.0)
    assert all(in_flight.is_most(1, now=0.001 * n) for n in range(1, 100))


def test_more_than_ever_may_be_followed_by_still_more() -> None:
    in_flight = InFlight()
    in_flight.is_most(3, now=0.0)

    assert not in_flight.is_most(4, now=0.1)
    assert in_flight.is_most(4, now=0.2)


def test_fewer_than_there_were_may_be_followed_by_the_others() -> None:
    in_flight = InFlight()
    in_flight.is_most(4, now=0.0)

    assert not in_flight.is_most(3, now=0.1)


def test_a_sender_with_fewer_connections_than_before_is_soon_known() -> None:
    in_flight = InFlight()
    in_flight.is_most(16, now=0.0)

    waits = [not in_flight.is_most(2, now=n * MEMORY_SECONDS / 10) for n in range(1, 40)]

    assert waits == sorted(waits, reverse=True)
    assert 9 <= sum(waits) <= 21  # tenths of `MEMORY_SECONDS`
