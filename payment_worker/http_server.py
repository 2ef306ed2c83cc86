"""Serves an ASGI application until SIGTERM or SIGINT, with what all of our HTTP servers have in common."""

import gc
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

import uvicorn
from starlette.types import ASGIApp

from payment_worker.telemetry import logger

log = logger(__name__)

SHUTDOWN_SECONDS: Final = 20
"""Time for running requests to finish after SIGTERM: longer than any of them takes."""


def serve(
    application: Callable[[], ASGIApp],
    *,
    started: str,
    host: str,
    port: int,
    backlog: int,
    **options: Any,  # noqa: ANN401 - uvicorn's own
) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one.

    Args:
        application: creates the ASGI application, once the port is ours.
        started: what the log says once it listens.
        host: where to listen.
        port: likewise.
        backlog: connections that wait to be accepted.
        options: further ones of uvicorn's.

    Raises:
        OSError: it cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=backlog) as listener:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)  # uvicorn repeats the signal that it was stopped by
        log.info(started, host=host, port=listener.getsockname()[1])
        config = uvicorn.Config(
            application(),
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            backlog=backlog,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            **options,
        )
        gc.freeze()  # what is imported stays: no collection has to look at it again
        uvicorn.Server(config).run(sockets=[listener])


def _leave(*_: object) -> NoReturn:
    sys.exit(0)
