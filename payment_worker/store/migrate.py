"""Brings a Payment Database to the newest shape, or back."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

import payment_worker
from payment_worker.store.database import sqlalchemy_url

MIGRATION_LOCK = 0x7061796D656E74
"""Two that migrate at once take turns: an advisory lock under this number."""


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up to the revision. Harmless when it stands there already, and when two do it at once."""
    _run(database_url, revision, up=True)


def downgrade(database_url: str, revision: str) -> None:
    """Migrate down to the revision; `base` drops everything."""
    _run(database_url, revision, up=False)


def current(engine: Engine) -> str | None:
    """The revision that the database has; None before the first migration."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The newest revision that this package carries."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _run(database_url: str, revision: str, *, up: bool) -> None:
    engine = create_engine(sqlalchemy_url(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.commit()  # the lock is the session's: it outlives this transaction
        config = _config()
        config.attributes["connection"] = connection
        (command.upgrade if up else command.downgrade)(config, revision)
        connection.commit()
    engine.dispose()


def _config() -> Config:
    package = Path(payment_worker.__file__).parent
    # An installed wheel carries the migrations inside the package; a checkout has them beside it.
    inside = package / "migrations"
    config = Config()
    config.set_main_option(
        "script_location", str(inside if inside.is_dir() else package.parent / "migrations")
    )
    return config
