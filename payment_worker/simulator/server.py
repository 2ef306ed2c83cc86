"""Runs the simulator as an HTTP server, from the command line or from Python."""

import argparse
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

import uvicorn

from payment_worker.simulator.application import Application
from payment_worker.simulator.connection_faults import BreakableProtocol
from payment_worker.simulator.control.settings import Settings
from payment_worker.simulator.state import State
from payment_worker.simulator.webhooks.deliveries import Endpoint

# Longer than a client keeps an idle connection: the simulator breaks connections only when told to.
_KEEP_ALIVE_SECONDS = 300
_BACKLOG = 2048


class _Server(uvicorn.Server):
    """Says so once it serves."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            sys.stdout.write(f"simulator ready on http://{host}:{port}\n")
            sys.stdout.flush()


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    api_keys: Sequence[str] = (),
    webhook_url: str | None = None,
    webhook_secrets: Sequence[str] = (),
    seed: int | None = None,
    latency_seconds: float = 0.0,
    rate_limit_per_second: float | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one. Raises OSError when the port is taken."""
    start = Settings(latency_seconds=latency_seconds, rate_limit_per_second=rate_limit_per_second)
    state = State(seed=seed, start=start)
    if webhook_url is not None:
        endpoint = Endpoint(state.ids.new("we_1"), webhook_url, list(webhook_secrets))
        state.webhooks.endpoints[endpoint.id] = endpoint
    config = uvicorn.Config(
        Application(state, api_keys),
        http=BreakableProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        date_header=False,  # Stripe's `Date` is the simulator's clock, not this machine's
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    with socket.create_server((host, port), backlog=_BACKLOG) as listening, suppress(KeyboardInterrupt):
        _Server(config).run(sockets=[listening])


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; exit status 0 when stopped, 1 when it could not serve, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="simulator", description="Stripe in miniature; see docs/simulator.md."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 (default): any free port")
    parser.add_argument(
        "--api-key", action="append", default=[], help="may be repeated; default: any sk_ or rk_ key"
    )
    parser.add_argument("--webhook-url")
    parser.add_argument("--webhook-secret", action="append", default=[], help="may be repeated")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--rate-limit", type=float, metavar="PER_SECOND")
    given = parser.parse_args(argv)
    if given.webhook_url and not given.webhook_secret:
        parser.error("--webhook-url needs --webhook-secret")
    try:
        serve(
            host=given.host,
            port=given.port,
            api_keys=given.api_key,
            webhook_url=given.webhook_url,
            webhook_secrets=given.webhook_secret,
            seed=given.seed,
            latency_seconds=given.latency,
            rate_limit_per_second=given.rate_limit,
        )
    except OSError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 1
    return 0
