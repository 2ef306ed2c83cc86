"""Alembic's door: runs the migrations over the connection that `payment_worker.store.connection.migrate` hands it."""

from alembic import context
from sqlalchemy import Connection

from payment_worker.store.tables import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
