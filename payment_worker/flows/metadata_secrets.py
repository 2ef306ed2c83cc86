"""Loads the secrets that sign our Stripe metadata, from the settings or from the database."""

from collections.abc import Sequence

from payment_worker.store import metadata_secret
from payment_worker.store.connection.database import Connection, Database


class MetadataSecrets:
    """The first signs, all verify."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = tuple(secrets)

    def load(self, database: Database) -> Sequence[str]:
        """The secrets, in a transaction of its own if they have to be read."""
        if self._secrets:
            return self._secrets
        with database.begin() as connection:
            return self.read(connection)

    def read(self, connection: Connection) -> Sequence[str]:
        """The secrets; the database's is read once, in the transaction that is open."""
        if not self._secrets:
            self._secrets = (metadata_secret.read(connection),)
        return self._secrets
