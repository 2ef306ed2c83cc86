"""Serves `GET /metrics` of a worker or beat, on a port of its own, if one is set."""

import os
from collections.abc import Iterable
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.registry import Collector


class Exposed:
    """What listens, in a thread."""

    def __init__(self, server: WSGIServer) -> None:
        self._server = server
        self._owner = os.getpid()

    def leave_to_parent(self) -> None:
        """Called wherever tasks run: a child may not hold the port when its parent has gone."""
        if os.getpid() != self._owner:
            self._server.socket.close()


def expose(collectors: Iterable[Collector], *, address: str, port: int) -> Exposed:
    """Answer from now on.

    Raises:
        OSError: it cannot listen there.
    """
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    server, _ = start_http_server(port, address, registry)
    return Exposed(server)
