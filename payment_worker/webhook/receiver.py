"""Receives one webhook: reads, verifies and stores it, then acknowledges."""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import ClientDisconnect, Request

from payment_worker.gateway.webhook import (
    TOLERANCE_SECONDS,
    BadPayloadError,
    BadSignatureError,
    Event,
    verified,
)
from payment_worker.store.connection.database import DatabaseUnavailableError
from payment_worker.telemetry import logger
from payment_worker.telemetry.exceptions import described
from payment_worker.webhook.batcher import Batcher
from payment_worker.webhook.body import Bodies, CrowdedError, TooLargeError
from payment_worker.webhook.log_throttle import LogThrottle
from payment_worker.webhook.metrics import Metrics
from payment_worker.webhook.notifier import Notifier
from payment_worker.webhook.responses import Outcome

log = logger(__name__)

ANSWER_SECONDS: Final = 8.0
"""From the whole body to the answer. Stripe gives up a little later, and would not hear it."""


class Receiver:
    """Takes webhooks in."""

    def __init__(
        self,
        *,
        secrets: Sequence[tuple[str, str]],
        livemode: bool | None,
        batcher: Batcher,
        notifier: Notifier,
        metrics: Metrics,
    ) -> None:
        """Set up.

        Args:
            secrets: all that are valid now, each after the name of its account.
            livemode: the mode whose events workers process; None where that is not known.
            batcher: where verified events go.
            notifier: told when there is something new.
            metrics: where all of it is counted.
        """
        self.metrics = metrics
        self._secrets = secrets
        self._livemode = livemode
        self._bodies = Bodies()
        self._batcher = batcher
        self._notifier = notifier
        self._throttle = LogThrottle()

    async def receive(self, request: Request) -> Outcome:
        """Take one webhook in, count it and write its line in the log; few where it may be anybody's."""
        began = time.monotonic()
        with self.metrics.in_flight():
            outcome, event = await self._outcome(request)
        seconds = time.monotonic() - began
        self.metrics.webhook(outcome, seconds=seconds)
        fields: dict[str, object] = {"event_id": event.event_id, "type": event.type} if event else {}
        if event and self._livemode not in {None, event.livemode}:
            fields["mode"] = "live" if event.livemode else "test"
        self._log(outcome, event, {**fields, "seconds": round(seconds, 4)})
        return outcome

    def _log(self, outcome: Outcome, event: Event | None, fields: Mapping[str, object]) -> None:
        if event:
            log.info("webhook", outcome=outcome.value, **fields)
        elif (omitted := self._throttle.pass_one(outcome)) is not None:  # anybody may have sent it
            log.info("webhook", outcome=outcome.value, **fields, **({"more": omitted} if omitted else {}))

    async def _outcome(self, request: Request) -> tuple[Outcome, Event | None]:
        try:
            event = verified(
                (await self._bodies.read(request)).decode(),
                request.headers.get("stripe-signature", ""),
                secrets=self._secrets,
                tolerance_seconds=TOLERANCE_SECONDS,
            )
        except TooLargeError:
            return Outcome.TOO_LARGE, None
        except CrowdedError:
            return Outcome.UNAVAILABLE, None
        except TimeoutError:
            return Outcome.TOO_SLOW, None
        except ClientDisconnect:
            return Outcome.GONE, None
        except BadSignatureError:
            return Outcome.BAD_SIGNATURE, None
        except (BadPayloadError, UnicodeDecodeError):
            return Outcome.BAD_BODY, None
        return await self._store(event), event

    async def _store(self, event: Event) -> Outcome:
        try:
            is_new = await self._batcher.keep(event, seconds=ANSWER_SECONDS)
        except (DatabaseUnavailableError, TimeoutError):
            return Outcome.UNAVAILABLE
        except Exception as bug:  # noqa: BLE001 - its text may hold the payload, and is told to nobody
            log.error("webhook failed", event_id=event.event_id, error=described(bug))  # noqa: TRY400 - as above
            return Outcome.BROKEN
        if not is_new:
            return Outcome.KNOWN
        self._notifier.notify()
        return Outcome.STORED
