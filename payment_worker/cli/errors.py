"""Turns exceptions into error messages for the command line: what failed, and what to do."""

from typing import Final

from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from payment_worker.cli.remedies import for_database, for_redis
from payment_worker.contracts.requests import InvalidRequest
from payment_worker.redis.client import hosts
from payment_worker.redis.outage import trouble
from payment_worker.settings import Settings, SettingsError
from payment_worker.store.connection.database import DatabaseUnavailableError, NotMigratedError
from payment_worker.store.connection.instants import UnreadableInstantError
from payment_worker.store.connection.migrate import UnfitDatabaseError, UnknownRevisionError
from payment_worker.telemetry.exceptions import described

PROBLEMS: Final = 1
WRONG_USAGE: Final = 2


def explained(error: Exception) -> tuple[str, int]:
    """The message for an error, and the exit status that goes with it."""
    match error:
        case SettingsError() | UnknownRevisionError():
            return str(error), WRONG_USAGE
        case UnfitDatabaseError() | UnreadableInstantError():
            return str(error), PROBLEMS
        case InvalidRequest(errors=errors):
            lines = [f"  {each.field} {each.message}" for each in errors]
            return "\n".join(("Invalid request, nothing was done:", *lines)), WRONG_USAGE
        case NotMigratedError():
            return "The Payment Database lacks migrations. Run: payment-worker migrate", PROBLEMS
        case DatabaseUnavailableError():
            return f"PostgreSQL cannot serve now: {error}.\n→ {for_database(error.outage)}", PROBLEMS
        case BrokerError() | RedisError():
            fault = trouble(error)
            return f"Redis{_redis_hosts()} cannot serve now: {fault}.\n→ {for_redis(fault)}", PROBLEMS
        case _:
            return f"This is a bug: {described(error)}", PROBLEMS


def _redis_hosts() -> str:
    try:
        url = Settings.from_environment(needed_by=()).redis_url
    except SettingsError:
        return ""
    return f" at {hosts(url.get_secret_value())}" if url else ""
