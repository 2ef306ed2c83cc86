"""Runs one program and kills all its descendants when the process that started it ends.

Theory of operation. The starter keeps the write end of this script's standard input. When the starter ends,
in whatever way (kill -9 too), that pipe reaches its end, and the guardian ends the program and everything it
ever started: as a child subreaper it inherits every orphan, so a prefork child or a PostgreSQL backend in a
session of its own cannot slip away. When the program ends first, what it left behind is killed and its exit
status becomes the guardian's own.

Run by path with the standard library only, so that it starts in a few milliseconds and needs nothing of ours:

    python -I -S guardian.py --identity=same --pid-to=5 [--last-signal=3] [--remove=DIRECTORY] -- PROGRAM …
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWUSER = 0x10000000
_NOBODY = 65534
# What a server gets to tidy up after its starter has died; a person waits for nothing here.
_GRACE_SECONDS = 2.0
_CANNOT_EXECUTE = 127


def main(arguments: list[str], execute: Callable[[str, list[str]], object] = os.execvp) -> int:
    """Run the program to its end, or to the starter's, and return its exit status (128 + n for signal n)."""
    split = arguments.index("--")
    options = dict(argument.removeprefix("--").split("=", 1) for argument in arguments[:split])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    alarm = _wake_on(signal.SIGCHLD, signal.SIGTERM)
    program = _start(libc, options["identity"], arguments[split + 1 :], execute)
    _report_pid(int(options["pid-to"]), program)
    status = _watch(program, alarm)
    if status is None:
        status = _end(program, int(options.get("last-signal", signal.SIGKILL)), alarm)
        _slay_descendants()
        if "remove" in options:
            shutil.rmtree(options["remove"], ignore_errors=True)
    _slay_descendants()
    return status


def _wake_on(*signals: int) -> int:
    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in signals:
        signal.signal(number, lambda *_: None)
    return read_end


def _start(
    libc: ctypes.CDLL, identity: str, command: list[str], execute: Callable[[str, list[str]], object]
) -> int:
    guardian = os.getpid()
    if pid := os.fork():
        return pid
    try:
        _become_child(libc, identity, guardian)
        execute(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]} cannot be executed: {error}\n".encode())
    finally:
        os._exit(_CANNOT_EXECUTE)


def _become_child(libc: ctypes.CDLL, identity: str, guardian: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _become(libc, identity)
    # After the change of identity, which would clear it.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != guardian:
        os._exit(_CANNOT_EXECUTE)


def _become(libc: ctypes.CDLL, identity: str) -> None:
    """PostgreSQL refuses uid 0. A user namespace of its own hides it and leaves every file as it is."""
    if identity == "namespace" and libc.unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "no user namespace is allowed here")
    if identity == "nobody":
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _report_pid(descriptor: int, pid: int) -> None:
    # The starter may be gone already: then standard input is at its end, which is heard next.
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, f"{pid}\n".encode())
    os.close(descriptor)


def _watch(program: int, alarm: int, seconds: float | None = None) -> int | None:
    """Wait for the program's end. None: the starter ended first, or the time is up."""
    watched = [alarm] if seconds is not None else [alarm, 0]
    while True:
        if (status := _reap(program)) is not None:
            return status
        ready, _, _ = select.select(watched, [], [], seconds)
        if not ready or 0 in ready:
            return None
        if signal.SIGTERM in os.read(alarm, 512):
            return None


def _reap(program: int) -> int | None:
    """Collect every child that has ended, and return the program's exit status if it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == program:
                code = os.waitstatus_to_exitcode(status)
                found = code if code >= 0 else 128 - code
    return found


def _end(program: int, last_signal: int, alarm: int) -> int:
    """The starter is gone: end the program, kindly if a last signal is set, and for certain."""
    for number in (last_signal, signal.SIGCONT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(program, number)
    status = _watch(program, alarm, _GRACE_SECONDS)
    return 128 + last_signal if status is None else status


def _slay_descendants() -> None:
    """Kill until nothing is left: each death hands its own children to this process."""
    while pids := [pid for pid, parent in parents() if parent == os.getpid()]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def parents() -> list[tuple[int, int]]:
    """Every process on this machine with its parent's id."""
    pairs = []
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 pathlib alone would double the start-up time
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123 as above
            # The command's name stands in parentheses and may itself hold some.
            pairs.append((int(name), int(stat.read().rpartition(b")")[2].split()[1])))
    return pairs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
