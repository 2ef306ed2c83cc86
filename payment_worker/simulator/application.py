"""The ASGI application: Stripe's API and the control API on one server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from payment_worker.simulator.api.request_handler import RequestHandler
from payment_worker.simulator.api.responses import Receive, Scope, Send
from payment_worker.simulator.control import dashboard, disputes, objects, payouts, runtime, webhooks
from payment_worker.simulator.resources.balance.payouts import create_automatic
from payment_worker.simulator.state import State


class Application:
    """Requests under `/_simulator` are control, all others are Stripe's."""

    def __init__(self, state: State, api_keys: Sequence[str] = ()) -> None:
        self.state = state
        state.pay_out = create_automatic
        self.request_handler = RequestHandler(state, api_keys)
        parts = (runtime, webhooks, dashboard, disputes, payouts, objects)
        routes = [route for part in parts for route in part.routes(state)]
        self.control = Starlette(routes=routes, lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through start and end."""
        if scope["type"] == "http" and not scope["path"].startswith("/_simulator"):
            await self.request_handler(scope, receive, send)
        else:
            await self.control(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self.state.clock.attach(asyncio.get_running_loop())
        yield
        self.state.webhooks.http_client.close()
