"""A child process is ready when it says so, ends when told, and never outlives whoever started it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from payment_worker.devstack.processes import Process, ProcessEndedError
from payment_worker.devstack.waiting import DeadlineMissedError, wait_until

# A parent that says hello, with a child in a session of its own, as PostgreSQL's are.
FAMILY = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    os.fork()
os.write(1, b"hello %d\\n" % os.getpid())
signal.pause()
"""
# What starts a whole stack and is then killed without a chance to tidy up.
STARTER = """
import sys
from pathlib import Path
from payment_worker.devstack.servers.postgresql import PostgreSQL
from payment_worker.devstack.processes import Process
from payment_worker.devstack.servers.valkey import Valkey
from celery import Celery

directory = Path(sys.argv[1])
postgresql, valkey = PostgreSQL().start(), Valkey().start()
app = directory / "empty_app.py"
app.write_text(f"from celery import Celery\\napp = Celery(broker={valkey.url()!r})")
worker = Process([sys.executable, "-m", "celery", "-A", "empty_app", "worker",
                  "--concurrency=2", "--loglevel=INFO"],
                 cwd=directory, log=directory / "worker.log").start()
worker.wait_for_output("ready")
everything = [postgresql.process, valkey.process, worker]
pids = [pid for process in everything for pid in (process.pid, *process.descendants())]
print(*pids, postgresql.directory, valkey.directory, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[[str], Process]]:
    """A Python program as a process, killed at the end."""
    started: list[Process] = []

    def make(program: str) -> Process:
        command = [sys.executable, "-u", "-c", program]
        started.append(Process(command, log=tmp_path / f"log{len(started)}"))
        return started[-1].start()

    yield make
    for one in started:
        one.kill()


def _alive(pid: int) -> bool:
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return False


def test_it_is_ready_when_it_says_so(process: Callable[[str], Process]) -> None:
    one = process("print('port 1234'); import signal; signal.pause()")
    assert one.wait_for_output(r"port (\d+)")[1] == "1234"
    assert one.running


def test_one_that_ends_before_it_is_ready_says_why(process: Callable[[str], Process]) -> None:
    one = process("raise SystemExit('no such table')")
    with pytest.raises(ProcessEndedError, match="no such table"):
        one.wait_for_output("ready")


def test_one_that_is_never_ready_misses_the_deadline(process: Callable[[str], Process]) -> None:
    with pytest.raises(DeadlineMissedError, match="not within"):
        process("import signal; signal.pause()").wait_for_output("ready", seconds=0.05)


def test_its_exit_status_is_reported(process: Callable[[str], Process]) -> None:
    assert process("raise SystemExit(7)").wait() == 7


def test_a_program_that_is_missing_is_reported(tmp_path: Path) -> None:
    one = Process(["/nowhere/program"], log=tmp_path / "log").start()
    assert one.wait() == 127
    assert "/nowhere/program cannot be executed" in one.output()


def test_the_signal_that_ended_it_is_reported(process: Callable[[str], Process]) -> None:
    one = process("import signal; print('on'); signal.pause()")
    one.wait_for_output("on")
    assert one.stop(signal.SIGUSR1) == 128 + signal.SIGUSR1


def test_one_that_ignores_being_asked_is_killed(process: Callable[[str], Process]) -> None:
    one = process(FAMILY)
    one.wait_for_output(r"(hello \d+\s+){3}")
    assert one.stop(seconds=0.05) == 128 + signal.SIGKILL


def test_it_can_start_again_and_forgets_what_it_said(process: Callable[[str], Process]) -> None:
    one = process("import os; print('I am', os.getpid())")
    one.wait()
    first = one.output()
    one.start()
    one.wait()
    assert one.output().startswith("I am")
    assert one.output() != first


def test_a_kill_reaches_children_in_sessions_of_their_own(process: Callable[[str], Process]) -> None:
    one = process(FAMILY)
    one.wait_for_output(r"(hello \d+\s+){3}")
    family = [one.pid, *one.descendants()]
    assert len(family) == 3
    one.kill()
    assert not [pid for pid in family if _alive(pid)]


def test_children_do_not_outlive_a_parent_that_died_alone(process: Callable[[str], Process]) -> None:
    one = process(FAMILY)
    one.wait_for_output(r"(hello \d+\s+){3}")
    family = one.descendants()
    os.kill(one.pid, signal.SIGKILL)
    one.wait()
    assert not [pid for pid in family if _alive(pid)]


def test_a_paused_one_is_frozen_with_its_children(process: Callable[[str], Process]) -> None:
    one = process(FAMILY)
    one.wait_for_output(r"(hello \d+\s+){3}")
    family = [one.pid, *one.descendants()]

    def states() -> set[str]:
        return {
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0] for pid in family
        }

    one.pause()
    wait_until(lambda: states() == {"T"})
    one.resume()
    wait_until(lambda: states() == {"S"})


def test_a_dead_starter_leaves_no_process_and_no_directory_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    ) as starter:
        assert starter.stdout is not None
        *pids, postgresql, valkey = starter.stdout.readline().split()
        processes = [int(pid) for pid in pids]
        assert len(processes) > 8
        assert all(_alive(pid) for pid in processes)
        starter.kill()
    wait_until(lambda: not [pid for pid in processes if _alive(pid)], what="everything ends")
    wait_until(lambda: not Path(postgresql).exists() and not Path(valkey).exists(), what="nothing is left")
