"""What an operator should do about each kind of outage."""

from collections.abc import Mapping
from typing import Final

from payment_worker.redis.outage import Kind, Trouble
from payment_worker.store.connection.outage import Outage

_DATABASE: Final[Mapping[Outage, str]] = {
    Outage.READ_ONLY: "make it writable (free disk space, end the fail-over), or let DATABASE_URL name the primary: "
    "postgresql://…@host1,host2/name?target_session_attrs=read-write",
    Outage.DISK_FULL: "free or add disk space on the database's server",
    Outage.OUT_OF_MEMORY: "give the database's server more memory",
    Outage.TOO_MANY_CONNECTIONS: "raise max_connections or the role's limit, or run fewer processes",
    Outage.WRONG_PASSWORD: "correct the password in DATABASE_URL",
    Outage.ACCESS_REFUSED: "let pg_hba.conf admit this role from here, or correct the user in DATABASE_URL",
    Outage.NO_PERMISSION: "GRANT the role of DATABASE_URL what it needs",
    Outage.NO_DATABASE: "create it: createdb --encoding=UTF8 --template=template0 NAME; or correct DATABASE_URL",
    Outage.NO_SCHEMA: "create it: CREATE SCHEMA NAME; or correct search_path in DATABASE_URL",
    Outage.NOT_MIGRATED: "payment-worker migrate",
    Outage.NOTHING_LISTENS: "start PostgreSQL, or correct host and port in DATABASE_URL",
    Outage.NAME_UNKNOWN: "correct the host in DATABASE_URL, or the name server",
    Outage.NO_ANSWER: "look at the network and the firewall between here and PostgreSQL",
    Outage.NO_WRITABLE_SERVER: "promote a server, or correct target_session_attrs in DATABASE_URL",
    Outage.BAD_PARAMETER: "correct what stands behind ? in DATABASE_URL",
    Outage.TLS_FAILED: "correct sslmode and sslrootcert in DATABASE_URL, or the server's certificate",
}


def for_database(outage: Outage) -> str:
    """What to do about an outage of PostgreSQL."""
    return _DATABASE.get(outage, "look at PostgreSQL's log; workers go on by themselves once it has passed")


def for_redis(trouble: Trouble) -> str:
    """What to do where Redis cannot serve."""
    match trouble.kind:
        case Kind.OUTAGE:
            return (
                "start or repair Redis, or correct REDIS_URL; workers go on by themselves once it has passed"
            )
        case Kind.CONFIGURATION:
            return "correct REDIS_URL, or Redis' access list"
