"""Configures structlog: JSON in production, readable on a terminal, secrets masked.

Context (`task_id`, `payment_id`, `attempt`, …) is bound once, by the code that first has it, to every later line of the
same thread until its block ends.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final, Literal

from payment_worker.optional_packages import without
from payment_worker.telemetry.escaping import visible

with without("rich"):  # draws tracebacks, which we never have drawn: 3 MB (structlog 26.1.0)
    import structlog

_NOTHING: Final[Mapping[str, str | int]] = MappingProxyType({})

_context: ContextVar[Mapping[str, str | int]] = ContextVar("context", default=_NOTHING)
"""What is bound; never changed, but replaced. structlog's own has a ContextVar for each name, and walks through all of
the process at each line and each `forget`."""


def configure(*, log_format: Literal["auto", "json", "console"], level: str) -> None:
    """Set the process's logging up: ours through structlog, others' through the same renderer."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        _merged,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Any] = (
        [_visible, structlog.dev.ConsoleRenderer()] if console else [structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_of_celery, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The SDK logs requests and error texts at INFO; what matters of them is logged by us.
    logging.getLogger("stripe").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if level != "DEBUG":
        _quieten_routine()


def _quieten_routine() -> None:
    """Leave out what Celery says at INFO of each message that comes and goes, with what matters inside the text.

    Each task has one line of ours, by `payment_worker.tasks.signals`. Celery's warnings and errors stay.
    """
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Beat's start and end are logged by the same logger.
    logging.getLogger("celery.beat").addFilter(lambda record: "Sending due task" not in str(record.msg))


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a module."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return log


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Bind what the lines of this block are about; a value of None binds nothing.

    What is `learned` meanwhile is bound until the block ends, too.
    """
    before = _context.get()
    learned(**fields)
    try:
        yield
    finally:
        _context.set(before)


def learned(**values: object) -> None:
    """Bind these values from here on, until the block of `about` ends."""
    fields = {name: _plain(value) for name, value in values.items() if value is not None}
    _context.set({**_context.get(), **fields})


def forget() -> None:
    """Let go of all that is bound: what follows is about something else."""
    _context.set(_NOTHING)


def _merged(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
    # What the line says itself goes first.
    for name, value in _context.get().items():
        event_dict.setdefault(name, value)
    return event_dict


def _visible(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
    # JSON itself escapes the characters that a terminal would interpret.
    return {name: visible(value) if isinstance(value, str) else value for name, value in event_dict.items()}


def _plain(value: object) -> str | int:
    return value if isinstance(value, int) else str(value)


def _of_celery(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
    # Celery's own lines about a task carry its id and name; what they carry beside is in the line already.
    data = getattr(event_dict["_record"], "data", None)
    if isinstance(data, dict) and "id" in data:
        event_dict.setdefault("task_id", data["id"])
        event_dict.setdefault("task", data.get("name"))
    return event_dict
