"""Delivers events to webhook endpoints: at once, held, dropped, duplicated, shuffled, retried."""

import asyncio
import random
import time
from collections import deque
from dataclasses import asdict, replace
from typing import Any

from payment_worker.simulator.api.serialization import to_json
from payment_worker.simulator.api.versions import is_before, shaped
from payment_worker.simulator.clock import Clock
from payment_worker.simulator.control.settings import Settings
from payment_worker.simulator.webhooks.deliveries import Delivery, Endpoint, Mode, matches
from payment_worker.simulator.webhooks.http_client import HttpClient
from payment_worker.simulator.webhooks.signing import signature_header
from payment_worker.simulator.webhooks.thin import thin

Json = dict[str, Any]

GIVE_UP_AFTER_SECONDS = 3 * 86_400
"""Stripe's three days, on the simulator's clock."""
SHUFFLE_WAIT_SECONDS = 0.25
AT_ONCE = 16
"""Deliveries in flight together."""
_REMEMBERED_ATTEMPTS = 20_000


class WebhookDispatcher:
    """All endpoints, and what is on its way to them."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.http_client = HttpClient()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def reset(self, *, clock: Clock, settings: Settings, rng: random.Random) -> None:
        """Start again with the endpoints kept; what is in flight is called off."""
        for task in self._tasks:
            task.cancel()
        self.clock, self.settings, self.rng = clock, settings, rng
        self.mode = Mode()
        self.held: list[Delivery] = []
        self.attempts: deque[Json] = deque(maxlen=_REMEMBERED_ATTEMPTS)
        self.counts = {"delivered": 0, "failed": 0, "dropped": 0, "waiting_for_retry": 0}
        self._gathered: list[Delivery] = []

    def announce(self, event: Json, *, account_id: str, before: str | None = None) -> None:
        """A new event: send it to every endpoint that wants it, or only to those of versions before that day."""
        wanting = [
            endpoint
            for endpoint in self.endpoints.values()
            if endpoint.wants(event, account_id)
            and (before is None or is_before(endpoint.api_version, before))
        ]
        event["pending_webhooks"] = len(wanting)
        for endpoint in wanting:
            self._treat(Delivery(event, endpoint, self.clock.now()))

    def _treat(self, delivery: Delivery) -> None:
        mode = self.mode
        if not matches(mode.types, delivery.event["type"]):
            self.send(delivery)
        elif mode.mode == "hold":
            self.held.append(delivery)
        elif mode.mode == "drop" or (mode.drop_probability and self.rng.random() < mode.drop_probability):
            self.counts["dropped"] += 1
        else:
            self._gather([delivery] * mode.copies)

    def _gather(self, deliveries: list[Delivery]) -> None:
        if self.mode.shuffle < 2:  # noqa: PLR2004 - one alone cannot be shuffled
            self._send_all(deliveries)
            return
        if not self._gathered:
            asyncio.get_running_loop().call_later(SHUFFLE_WAIT_SECONDS, self._scatter)
        self._gathered += deliveries
        if len(self._gathered) >= self.mode.shuffle:
            self._scatter()

    def _scatter(self) -> None:
        gathered, self._gathered = self._gathered, []
        self.rng.shuffle(gathered)
        self._send_all(gathered)

    def _send_all(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self.send(delivery)

    def release(self, *, order: str, types: list[str], limit: int | None) -> int:
        """Send what is held, in this order: fifo, reverse or shuffle; how many."""
        chosen = [delivery for delivery in self.held if matches(types, delivery.event["type"])]
        if order == "reverse":
            chosen.reverse()
        elif order == "shuffle":
            self.rng.shuffle(chosen)
        chosen = chosen[:limit]
        gone = {id(delivery) for delivery in chosen}
        self.held = [delivery for delivery in self.held if id(delivery) not in gone]
        self._send_all(chosen)
        return len(chosen)

    def send(self, delivery: Delivery) -> None:
        """Send it now, in the background, and again later if it fails."""
        task = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        if delivery.attempt == 1 and self.mode.delay_seconds:
            await asyncio.sleep(self.mode.delay_seconds)
        async with self._room:
            status = await self.attempt(delivery)
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own numbers
            self.counts["delivered"] += 1
            delivery.event["pending_webhooks"] = max(0, delivery.event["pending_webhooks"] - 1)
            return
        self.counts["failed"] += 1
        self._retry_later(delivery)

    def _retry_later(self, delivery: Delivery) -> None:
        waits = self.settings.webhook_retry_seconds
        wait = waits[min(delivery.attempt, len(waits)) - 1]
        if self.clock.now() + wait > delivery.since + GIVE_UP_AFTER_SECONDS:
            return
        self.counts["waiting_for_retry"] += 1

        def again() -> None:
            self.counts["waiting_for_retry"] -= 1
            if delivery.endpoint.enabled and delivery.endpoint.id in self.endpoints:
                self.send(replace(delivery, attempt=delivery.attempt + 1))

        self.clock.schedule(wait, again)

    async def attempt(
        self, delivery: Delivery, *, body: str | None = None, timestamp: int | None = None
    ) -> int:
        """One POST and its status; signed with real time, which receivers compare with theirs."""
        endpoint = delivery.endpoint
        shown = (
            thin(delivery.event)
            if endpoint.event_payload == "thin"
            else shaped(delivery.event, endpoint.api_version)
        )
        payload = (body or to_json(shown)).encode()
        at = int(time.time()) if timestamp is None else timestamp
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (simulator)",
            "Stripe-Signature": signature_header(payload, endpoint.secrets, at=at),
        }
        status = await self.http_client.post(
            endpoint.url, payload, headers, timeout_seconds=self.settings.webhook_timeout_seconds
        )
        self.attempts.append(
            {
                "event": delivery.event["id"],
                "type": delivery.event["type"],
                "endpoint": endpoint.id,
                "attempt": delivery.attempt,
                "status": status,
                "at": self.clock.now(),
            }
        )
        return status

    async def settle(self, timeout_seconds: float) -> bool:
        """Wait in real time until nothing is in flight; whether that came in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while self._tasks or self._gathered:
                    if self._gathered:
                        self._scatter()
                    await asyncio.gather(*self._tasks, return_exceptions=True)
        except TimeoutError:
            return False
        return True

    def state(self) -> Json:
        """What `GET /_simulator/webhooks` answers."""
        return {
            "endpoints": [asdict(endpoint) for endpoint in self.endpoints.values()],
            "mode": asdict(self.mode),
            "held": len(self.held),
            "in_flight": len(self._tasks) + len(self._gathered),
            **self.counts,
        }
