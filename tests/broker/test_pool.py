"""A job is written to an idle child when it is enqueued, not at a later turn of the worker's loop."""

from collections.abc import Iterator

import pytest
from kombu.asynchronous import Hub

from payment_worker.broker.pool import Pool
from payment_worker.devstack.waiting import wait_until

JOBS = 3
LARGE = 1_000_000
"""More than a pipe takes at once."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()  # type: ignore[no-untyped-call]
    yield made
    made.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def pool(hub: Hub) -> Iterator[Pool]:
    """A pool of one child, which is up."""
    made = Pool(processes=1, threads=False, synack=False)
    made.register_with_event_loop(hub)
    turn_until(hub, lambda: bool(made._all_inqueues))  # noqa: SLF001
    yield made
    made.terminate()
    made.join()


def turn_until(hub: Hub, condition: object) -> None:
    def is_so() -> bool:
        hub.run_once()  # type: ignore[no-untyped-call]
        return condition()  # type: ignore[operator,no-any-return]

    wait_until(is_so, seconds=20, what="the loop came so far")


@pytest.mark.parametrize("size", [10, LARGE])
def test_a_job_is_written_to_an_idle_child_at_once(size: int, pool: Pool, hub: Hub) -> None:
    results: list[int] = []
    for n in range(JOBS):
        pool.apply_async(len, ["x" * (size + n)], callback=results.append)
    assert len(pool.outbound_buffer) == JOBS - 1
    turn_until(hub, lambda: len(results) == JOBS)
    assert sorted(results) == [size, size + 1, size + 2]


def test_no_pipe_is_watched_once_all_jobs_are_written(pool: Pool, hub: Hub) -> None:
    results: list[int] = []
    for _ in range(JOBS):
        pool.apply_async(len, ["x"], callback=results.append)
    turn_until(hub, lambda: len(results) == JOBS)
    hub.run_once()  # type: ignore[no-untyped-call]
    assert not hub.writers
