"""Migrates a Payment Database to the latest version, or back."""

from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.pool import NullPool

import payment_worker
from payment_worker.store.connection import probes
from payment_worker.store.connection.address import engine, hosts
from payment_worker.store.connection.database import Database, Translated

MIGRATION_LOCK = 0x7061796D656E74
"""Two that migrate at once take turns: an advisory lock under this number."""


class UnknownRevisionError(Exception):
    """There is no such revision. The message names it."""


class UnfitDatabaseError(Exception):
    """The database cannot hold our tables as it is. The message says why, and what to do."""


def upgrade(database_url: str) -> None:
    """Migrate to the newest revision. Harmless when it stands there already, and when two do it at once.

    One that a newer package has migrated stays as it is: so this version can be gone back to.

    Raises:
        DatabaseUnavailableError: it cannot serve now.
        UnfitDatabaseError: its encoding is not UTF8, or its schema does not exist.
    """
    _migrate(database_url, "head", is_upgrade=True)


def downgrade(database_url: str, revision: str) -> None:
    """Migrate down to the revision; `base` drops everything.

    Raises:
        UnknownRevisionError: this package has no such revision.
    """
    _migrate(database_url, revision, is_upgrade=False)


def revision(database_url: str) -> str | None:
    """The revision of the database at this address; None before the first migration.

    Raises:
        DatabaseUnavailableError: it cannot serve now.
    """
    with closing(Database(database_url)) as database, database.begin() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_behind(connection: Connection) -> bool:
    """Whether the database lacks a migration that this package carries.

    One that a newer package has migrated lacks none: while a new version is rolled out, both run.
    """
    script = ScriptDirectory.from_config(_config())
    revision = MigrationContext.configure(connection).get_current_revision()
    return revision is None or (carries(revision) and revision != script.get_current_head())


def unknown_revision(connection: Connection) -> str | None:
    """The database's revision where this package does not carry it: a newer one has migrated."""
    revision = MigrationContext.configure(connection).get_current_revision()
    return None if revision is None or carries(revision) else revision


def carries(revision: str) -> bool:
    """Whether this package knows that revision."""
    script = ScriptDirectory.from_config(_config())
    return revision in {each.revision for each in script.walk_revisions()}


def newest() -> str | None:
    """The newest revision that this package carries."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _migrate(database_url: str, revision: str, *, is_upgrade: bool) -> None:
    database_engine = engine(database_url, poolclass=NullPool)
    try:
        with Translated(host=hosts(database_url)), database_engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
            connection.commit()  # the lock is the session's: it outlives this transaction
            if unfit := probes.unfit(connection):
                raise UnfitDatabaseError(f"{unfit.fault}\n→ {unfit.remedy}")
            current = MigrationContext.configure(connection).get_current_revision()
            connection.commit()
            if is_upgrade and current is not None and not carries(current):
                return
            config = _config()
            config.attributes["connection"] = connection
            (command.upgrade if is_upgrade else command.downgrade)(config, revision)
            connection.commit()
    except CommandError as error:
        raise UnknownRevisionError(str(error)) from None
    finally:
        database_engine.dispose()


def _config() -> Config:
    package = Path(payment_worker.__file__).parent
    # An installed wheel carries the migrations inside the package; a checkout has them beside it.
    packaged = package / "migrations"
    config = Config()
    config.set_main_option(
        "script_location", str(packaged if packaged.is_dir() else package.parent / "migrations")
    )
    return config
