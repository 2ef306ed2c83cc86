"""Redis and PostgreSQL may forget, restart or die: what was accepted is finished, once, without anybody's help."""

import pytest

from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.servers.valkey import Valkey
from payment_worker.devstack.waiting import wait_until
from tests.acceptance.scene import Scene
from tests.harness.books import Books
from tests.harness.length import long
from tests.harness.producer import a_charge, a_refund

# Each call takes a while, so that some are always under way.
LATENCY_SECONDS = 0.4


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A scene whose servers may be hurt, with a worker and beat."""
    return own_scene.ready(own_scene.worker(concurrency=4), own_scene.beat())


class _Trade:
    """Charges and refunds, many of them waiting and some under way when the blow falls."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        paid = [scene.charge() for _ in range(8)]
        for each in paid:
            scene.payment(each, "SUCCEEDED")
        scene.simulator.post("settings", {"latency_seconds": LATENCY_SECONDS})
        self.charges = [a_charge(amount=1_000 + n) for n in range(16)]
        self.refunds = [a_refund(each, amount=100 + n) for n, each in enumerate(paid)]
        self.send()
        wait_until(lambda: len(scene.simulator.journal()) >= len(paid) + 6, what="some requests under way")

    def send(self) -> None:
        """As an app does that has heard nothing yet."""
        for charge in self.charges:
            self.scene.producer.charge(**charge)
        for refund in self.refunds:
            self.scene.producer.refund(**refund)

    def ends(self) -> None:
        for charge in self.charges:
            self.scene.payment(charge["payment_id"], "SUCCEEDED", seconds=60)
        for refund in self.refunds:
            self.scene.refund_row(refund["refund_id"], "PROCESSED", seconds=60)
        for each in self._ids():
            assert len({(post["key"], post["body"]) for post in self.scene.posts(each)}) == 1
            assert len(self.scene.history(each)) == 2

    def accepted(self) -> list[str]:
        """The payments and refunds that have a row, and no outcome yet."""
        query = "SELECT payment_id::text AS id FROM payment WHERE status = 'REQUESTED'"
        query += " UNION SELECT refund_id::text FROM refund WHERE status = 'REQUESTED'"
        return [row["id"] for row in self.scene.rows(query)]

    def _ids(self) -> list[str]:
        return [each["payment_id"] for each in self.charges] + [each["refund_id"] for each in self.refunds]


def test_redis_that_comes_back_empty_loses_nothing_that_was_accepted(
    scene: Scene, own_valkey: Valkey
) -> None:
    """C3."""
    trade = _Trade(scene)
    running = scene.running()
    own_valkey.kill()
    accepted = trade.accepted()
    assert accepted
    own_valkey.restart(empty=True)
    wait_until(lambda: not set(accepted) & set(trade.accepted()), seconds=40, what="accepted work is done")
    # What it had not yet handed to a worker nobody but its sender knows of, who may send it again without harm.
    trade.send()
    trade.ends()
    assert scene.running() == running
    # The stream's past is gone with it.
    Books(scene.rows, scene.simulator, None).must_agree()


def test_redis_that_restarts_with_its_memory_loses_nothing(scene: Scene, own_valkey: Valkey) -> None:
    """C3."""
    trade = _Trade(scene)
    own_valkey.restart()
    trade.ends()
    scene.books.must_agree()


@pytest.mark.parametrize("blow", ["kill", long("restart")])
def test_postgresql_that_goes_away_in_the_middle_leaves_nothing_half_written(
    scene: Scene, own_postgresql: PostgreSQL, blow: str
) -> None:
    """C4."""
    trade = _Trade(scene)
    if blow == "kill":
        own_postgresql.kill()
        own_postgresql.start()
    else:
        own_postgresql.restart()
    scene.rows.reconnect()
    trade.ends()
    scene.books.must_agree()
