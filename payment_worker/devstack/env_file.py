"""The settings of a development stack that runs, in a file from which other shells and apps take them."""

import fcntl
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


class NotRunningError(Exception):
    """No development stack runs there. The message says how to start one."""


def path(port_base: int) -> Path:
    """Where the stack with these ports has it: the same for every directory and environment of a user."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "payment-worker" / f"dev-{port_base}.env"


@contextmanager
def written(settings: Mapping[str, str], port_base: int) -> Iterator[Path]:
    """The file, for as long as the stack runs. It holds passwords: nobody else may read it."""
    file = path(port_base)
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as opened:
        # Its end is noticed by the lock, which no kill leaves behind.
        fcntl.flock(opened, fcntl.LOCK_EX)
        opened.truncate()
        opened.writelines(f"{name}={shlex.quote(value)}\n" for name, value in sorted(settings.items()))
        opened.flush()
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)


def exports(port_base: int) -> str:
    """The lines with which a shell takes the settings of the stack that runs there.

    Raises:
        NotRunningError: none does.
    """
    with suppress(FileNotFoundError), path(port_base).open(encoding="utf-8") as file:
        if _is_locked(file):
            return "".join(f"export {line}" for line in file)
    raise NotRunningError(
        f"No development stack runs on ports from {port_base}. Start one in another shell: payment-worker dev"
    )


def _is_locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
