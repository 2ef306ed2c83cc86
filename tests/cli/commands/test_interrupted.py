"""A command that is killed, that hears nothing, or that runs several times at once, does its work once in the end."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from payment_worker.devstack.processes import Process
from payment_worker.devstack.programs import python_module
from payment_worker.devstack.waiting import wait_until
from tests.cli.conftest import Run
from tests.harness.fault_proxy import FaultProxy
from tests.harness.producer import Producer, a_charge, a_refund
from tests.harness.rows import Rows

Kill = Callable[..., None]
Lock = Callable[..., AbstractContextManager[None]]
ANNA = {"customer_id": "42", "description": "Anna's birthday"}
BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def started(worker: Callable[..., Process]) -> None:
    worker(pool="threads", concurrency=2)


@pytest.fixture
def lock(database_url: str) -> Lock:
    """Holds what a statement locks."""

    @contextmanager
    def lock(statement: str, *parameters: object) -> Iterator[None]:
        with closing(psycopg2.connect(database_url)) as holder, holder.cursor() as cursor:
            cursor.execute(statement, parameters)
            yield

    return lock


@pytest.fixture
def kill(environment: dict[str, str], tmp_path: Path) -> Kill:
    """Starts a command, and kills it once this holds."""

    def kill(*arguments: str, when: Callable[[], object]) -> None:
        command = python_module(
            "payment_worker",
            *arguments,
            directory=tmp_path,
            name="killed",
            ready=lambda: True,
            settings=environment,
        )
        with command.start():
            wait_until(when, what="the command is where it is to die")
            command.kill()

    return kill


@pytest.fixture
def silent_redis(redis_url: str, fault_proxy: Callable[[str], FaultProxy]) -> str:
    """The address of a Redis that accepts connections and never answers."""
    proxy = fault_proxy(redis_url)
    proxy.blackhole()
    return proxy.url


def several_at_once(run: Run, *arguments: str) -> list[dict[str, Any]]:
    """What each of three commands says that run at once."""
    with ThreadPoolExecutor(3) as threads:
        ran = list(threads.map(lambda _: run(*arguments, "--json"), range(3)))
    assert [each.status for each in ran] == [0, 0, 0], [each.err for each in ran]
    return [json.loads(each.out) for each in ran]


def rejected(producer: Producer, rows: Rows) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A charge that was sent to the wrong queue, and the command that sends it again."""
    charge = a_charge()
    producer.send("payment_worker.charge", "refunds", charge)
    request_id = rows.wait_for("SELECT * FROM rejected_request")["request_id"]
    return charge, ("requests", "rejected", "replay", str(request_id))


@pytest.mark.usefixtures("started")
def test_a_replay_that_redis_does_not_hear_is_no_replay(
    run: Run, producer: Producer, rows: Rows, silent_redis: str
) -> None:
    _, replay = rejected(producer, rows)
    unheard = run(*replay, settings={"REDIS_URL": silent_redis})
    assert unheard.status == 1
    assert "Traceback" not in unheard.err
    assert "This is a bug" not in unheard.err
    assert rows.one("SELECT replayed_at FROM rejected_request") == {"replayed_at": None}


@pytest.mark.usefixtures("started")
def test_a_replay_that_is_killed_after_it_sent_and_is_run_thrice_charges_once(
    run: Run, producer: Producer, rows: Rows, kill: Kill, lock: Lock
) -> None:
    charge, replay = rejected(producer, rows)
    paid = "SELECT * FROM payment WHERE status = 'SUCCEEDED'"
    # It has sent, and dies before it could note that.
    with lock("LOCK TABLE operator_action IN EXCLUSIVE MODE"):
        kill(*replay, when=lambda: rows(paid))
    wait_until(lambda: not rows(BLOCKED))
    assert rows.one("SELECT replayed_at FROM rejected_request") == {"replayed_at": None}

    assert sorted(said["is_new"] for said in several_at_once(run, *replay)) == [False, False, True]
    assert len(rows("SELECT * FROM operator_action")) == 1
    refund = a_refund(charge["payment_id"])
    producer.refund(**refund)
    rows.wait_for("SELECT 1 FROM refund WHERE status = 'PROCESSED'")
    (payment,) = rows("SELECT * FROM payment")
    assert (payment["amount_captured"], payment["amount_refunded"]) == (10_000, 10_000)


@pytest.mark.usefixtures("started")
def test_an_erasure_that_is_killed_amid_it_and_is_run_thrice_erases_all_and_no_cent(
    run: Run, producer: Producer, rows: Rows, kill: Kill, lock: Lock
) -> None:
    for _ in range(3):
        producer.charge(**a_charge(**ANNA))
    rows.wait_for("SELECT count(*) FROM payment WHERE status = 'SUCCEEDED' HAVING count(*) = 3")
    money = "SELECT payment_id, amount, amount_captured, status, version, fingerprint FROM payment ORDER BY payment_id"
    told = "SELECT payment_id FROM payment WHERE description IS NOT NULL"
    before, command = rows(money), ("erase", "--customer-id", "42")
    last = rows.one("SELECT payment_id FROM payment ORDER BY payment_id DESC LIMIT 1")["payment_id"]

    with lock("SELECT 1 FROM payment WHERE payment_id = %s FOR UPDATE", last):
        kill(*command, when=lambda: rows(BLOCKED))
    wait_until(lambda: not rows(BLOCKED))
    assert last in {row["payment_id"] for row in rows(told)}
    assert rows(money) == before

    assert [said["left"] for said in several_at_once(run, *command)] == [[], [], []]
    assert rows(told) == []
    assert rows(money) == before


@pytest.mark.usefixtures("started")
def test_an_audit_that_ends_early_leaves_nothing_behind_and_says_the_same_again(
    run: Run, producer: Producer, rows: Rows, kill: Kill, lock: Lock
) -> None:
    charge = a_charge()
    producer.charge(**charge)
    rows.wait_for("SELECT 1 FROM payment WHERE status = 'SUCCEEDED'")
    rows.wait_for("SELECT 1 FROM outbox HAVING count(published_at) = 2")
    audit = ("show", charge["payment_id"], "--jsonl")

    with lock("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"):
        kill(*audit, when=lambda: rows(BLOCKED))
    wait_until(lambda: not rows(BLOCKED))

    first, *others = [run(*audit) for _ in range(3)]
    assert {each.out for each in others} == {first.out}
    records = [json.loads(line)["record"] for line in first.out.splitlines()]
    assert (records.count("payment"), records.count("attempt"), records.count("message")) == (1, 1, 2)
