"""Checks whether webhooks can be stored now: the database accepts writes and has the expected schema."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from payment_worker.store.connection import migrate, probes
from payment_worker.store.connection.database import Database, DatabaseUnavailableError, NotMigratedError

ANSWER_SECONDS: Final = 3.0
"""Probes wait no longer."""


class Readiness:
    """Asks the database, in a thread of its own: a burst of webhooks does not make the receiver unready."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")

    async def fault(self) -> str | None:
        """Why not; None when it is ready."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                is_behind = await loop.run_in_executor(self._thread, self._is_behind)
        except NotMigratedError:
            is_behind = True
        except DatabaseUnavailableError as error:
            return f"the database cannot serve: {error.outage.sentence}"
        except TimeoutError:
            return "the database does not answer"
        return "the database lacks migrations: payment-worker migrate" if is_behind else None

    def close(self) -> None:
        """Stop asking."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _is_behind(self) -> bool:
        with self._database.begin() as connection:
            if migrate.is_behind(connection):
                return True
            probes.check_inbox_is_writable(connection)
            return False
