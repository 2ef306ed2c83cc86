"""The ASGI application: Stripe's API beside the control API."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from payment_worker.simulator.api.answers import Receive, Scope, Send
from payment_worker.simulator.api.pipeline import Pipeline
from payment_worker.simulator.control import control_life, control_money, control_webhooks
from payment_worker.simulator.world import World


class Application:
    """Requests under `/_simulator` are control, all others are Stripe's."""

    def __init__(self, world: World, api_keys: Sequence[str] = ()) -> None:
        self.world = world
        self.pipeline = Pipeline(world, api_keys)
        routes = [*control_life.routes(world), *control_webhooks.routes(world), *control_money.routes(world)]
        self.control = Starlette(routes=routes, lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through start and end."""
        if scope["type"] == "http" and not scope["path"].startswith("/_simulator"):
            await self.pipeline(scope, receive, send)
        else:
            await self.control(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self.world.clock.attach(asyncio.get_running_loop())
        yield
        self.world.webhooks.poster.close()
