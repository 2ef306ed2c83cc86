"""Ordinary things that happen in a test's world: charges, refunds, and events that come or do not come."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from uuid import UUID, uuid4

from sqlalchemy import select

from payment_worker.contracts.requests import (
    CancelRequest,
    CaptureRequest,
    ChargeRequest,
    RefundRequest,
    RetryChargeRequest,
    parse,
)
from payment_worker.devstack.servers.simulator import Simulator
from payment_worker.domain.metadata_mac import Claim, sign
from payment_worker.flows.attempts.execute import run_claimed
from payment_worker.flows.commands.cancel import cancel
from payment_worker.flows.commands.capture import capture
from payment_worker.flows.commands.charge import charge
from payment_worker.flows.commands.refund import refund
from payment_worker.flows.commands.retry_charge import retry_charge
from payment_worker.flows.context import Context
from payment_worker.flows.events.inbox import claim_new, process_claimed, process_together, receive, status_of
from payment_worker.flows.maintenance.sweep import claim_due
from payment_worker.flows.result import CommandResult
from payment_worker.gateway.webhook import Event, event_from
from payment_worker.store import tables
from payment_worker.store.events.inbox import EventStatus
from tests.flows.limits import ALL_DUE

ROUNDS = 20
"""Rounds of retries after which an event that still waits waits for ever."""

AT_THE_CUSTOMERS = "at-the-customers-"
"""How the idempotency keys of the other app begin, whose page the customer sees."""


class Clock:
    """Real time, and what the test adds to it."""

    def __init__(self) -> None:
        self.added = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(tz=UTC) + self.added

    def advance(self, seconds: float) -> None:
        """Let so much of our time pass at once."""
        self.added += timedelta(seconds=seconds)


def signed_metadata(context: Context, payment_id: UUID, order_id: UUID, *, amount: int) -> dict[str, str]:
    """The metadata that we write on a PaymentIntent of ours in euros."""
    claim = Claim(
        payment_id=payment_id, order_id=str(order_id), amount=amount, currency="EUR", stripe_account=""
    )
    with context.database.begin() as connection:
        mac = sign(claim, context.metadata_secrets.read(connection))
    return {"payment_id": str(payment_id), "order_id": str(order_id), "payment_worker_mac": mac}


def process_new(context: Context) -> int:
    """Process all events that are new, as workers do: together, and alone what is left of them. How many it were."""
    processed = 0
    while claimed := claim_new(context):
        processed += len(claimed)
        for each in process_together(context, claimed):
            process_claimed(context, **asdict(each))
    return processed


@dataclass(frozen=True, slots=True)
class Scene:
    """A world, its Stripe and its clock."""

    context: Context
    simulator: Simulator
    clock: Clock

    def advance(self, seconds: float) -> None:
        """Let so much time pass, here and at Stripe."""
        self.clock.advance(seconds)
        self.simulator.advance(seconds)

    def charge(self, **arguments: object) -> UUID:
        """Charge, and return the payment's id."""
        payment_id = uuid4()
        asked: dict[str, object] = {
            "payment_id": str(payment_id),
            "order_id": str(uuid4()),
            "amount": 5000,
            "currency": "EUR",
            "payment_method": "pm_card_visa",
            **arguments,
        }
        answer = charge(self.context, parse(ChargeRequest, asked))
        assert isinstance(answer, CommandResult)
        return UUID(str(asked["payment_id"]))

    def metadata_of(self, payment_id: UUID) -> dict[str, str]:
        """The metadata that its first attempt sends, MAC included: what a copy has to carry."""
        query = select(tables.payment_attempt.c.parameters).where(
            tables.payment_attempt.c.payment_id == payment_id, tables.payment_attempt.c.action == "charge"
        )
        with self.context.database.begin() as connection:
            sent = connection.scalars(query.order_by(tables.payment_attempt.c.number)).first()
        metadata: dict[str, str] = json.loads(str(sent))["metadata"]
        return metadata

    def charge_unanswered(self, *, when: str = "after") -> UUID:
        """Charge, but Stripe only says that it broke, after or `before` it had done it, and cannot be asked which."""
        self.simulator.fault("server_error", when=when, endpoint="payment_intents.create")
        asking = self.simulator.fault("unavailable", endpoint="payment_intents.list", times=None)
        payment_id = self.charge()
        self.simulator.delete(f"faults/{asking}")
        return payment_id

    def refund(self, payment_id: UUID, **arguments: object) -> CommandResult:
        """Refund, and return what was answered."""
        asked = {"refund_id": str(uuid4()), "payment_id": str(payment_id), **arguments}
        answer = refund(self.context, parse(RefundRequest, asked))
        assert isinstance(answer, CommandResult)
        return answer

    def capture(
        self, payment_id: UUID, *, message_id: UUID | None = None, **arguments: object
    ) -> CommandResult:
        """Capture, and return what was answered."""
        request = parse(CaptureRequest, {"payment_id": str(payment_id), **arguments})
        answer = capture(self.context, request, message_id=message_id or uuid4(), wait_if_busy=False)
        assert isinstance(answer, CommandResult)
        return answer

    def cancel(
        self, payment_id: UUID, *, message_id: UUID | None = None, **arguments: object
    ) -> CommandResult:
        """Cancel, and return what was answered."""
        request = parse(CancelRequest, {"payment_id": str(payment_id), **arguments})
        answer = cancel(self.context, request, message_id=message_id or uuid4(), wait_if_busy=False)
        assert isinstance(answer, CommandResult)
        return answer

    def retry(
        self, payment_id: UUID, *, message_id: UUID | None = None, **arguments: object
    ) -> CommandResult:
        """Try again, and return what was answered."""
        request = parse(RetryChargeRequest, {"payment_id": str(payment_id), **arguments})
        answer = retry_charge(self.context, request, message_id=message_id or uuid4())
        assert isinstance(answer, CommandResult)
        return answer

    def confirm_on_session(self, payment_intent: str, payment_method: str) -> None:
        """What the customer's browser does: confirm with them present, in the other app."""
        parameters = {"payment_method": payment_method, "return_url": "https://shop.example/done"}
        self.at_stripe(f"/v1/payment_intents/{payment_intent}/confirm", parameters)

    def as_by_attempt(self, payment_id: UUID, parameters: Mapping[str, str]) -> dict[str, Any]:
        """What the first attempt to charge makes at Stripe, but with other parameters: metadata and key are its own."""
        signed = {f"metadata[{name}]": value for name, value in self.metadata_of(payment_id).items()}
        # What Stripe has stored under the key, an error perhaps, is forgotten first.
        self.simulator.post("settings", {"idempotency_key_seconds": 0.001})
        made = self.at_stripe("/v1/payment_intents", {**parameters, **signed}, key=f"{payment_id}:charge:1")
        self.simulator.post("settings", {"idempotency_key_seconds": 86_400})
        return made

    def at_stripe(
        self, path: str, parameters: Mapping[str, str], *, key: str | None = None
    ) -> dict[str, Any]:
        """What somebody else who may write to the account does there, with a key of their own."""
        request = Request(  # noqa: S310 our own simulator
            f"{self.simulator.url}{path}",
            data=urlencode(parameters).encode(),
            headers={
                "Authorization": "Bearer sk_test_simulator",
                "Idempotency-Key": key or f"{AT_THE_CUSTOMERS}{uuid4()}",
            },
        )
        with urlopen(request, timeout=10) as answer:  # noqa: S310 likewise
            body: dict[str, Any] = json.load(answer)
        return body

    def edit(self, path: str, metadata: dict[str, str]) -> None:
        """What a person does in the dashboard: change an object's metadata."""
        request = Request(  # noqa: S310 our own simulator
            f"{self.simulator.url}/v1/{path}",
            data=urlencode({f"metadata[{name}]": value for name, value in metadata.items()}).encode(),
            headers={"Authorization": "Bearer sk_test_simulator", "Idempotency-Key": str(uuid4())},
        )
        with urlopen(request, timeout=10):  # noqa: S310 likewise
            pass

    def resume(self) -> None:
        """Let time pass until no attempt waits any more."""
        for _ in range(ROUNDS):
            self.advance(1000)
            due = claim_due(self.context, ALL_DUE).attempts
            if not due:
                return
            for each in due:
                run_claimed(self.context, each.attempt_id, lease_token=each.lease_token)
        raise AssertionError("attempts wait for ever")

    def sweep(self, *, rounds: int) -> None:
        """Work so often on what is due, letting time pass between."""
        for _ in range(rounds):
            self.advance(1000)
            for each in claim_due(self.context, ALL_DUE).attempts:
                run_claimed(self.context, each.attempt_id, lease_token=each.lease_token)

    def events(self, *, types: Iterable[str] = ()) -> list[Event]:
        """All that happened at Stripe so far, oldest first."""
        wanted = tuple(types)
        found: list[dict[str, Any]] = self.simulator.get("events")["data"]
        return [event_from(body) for body in found if not wanted or body["type"] in wanted]

    def deliver(self, events: Iterable[Event]) -> list[EventStatus | None]:
        """Take these in as webhooks, one after the other; None for one that was there before."""
        return [self._deliver(event) for event in events]

    def _deliver(self, event: Event) -> EventStatus | None:
        is_new = receive(self.context, event, source="webhook")
        process_new(self.context)
        return status_of(self.context, event) if is_new else None

    def process_due(self) -> None:
        """Process the events that are due now, once each."""
        process_new(self.context)
        for each in claim_due(self.context, ALL_DUE).events:
            process_claimed(self.context, **asdict(each))

    def process_waiting(self) -> None:
        """Settle what was put off, letting time pass until nothing waits any more."""
        for _ in range(ROUNDS):
            self.advance(1000)
            new, due = process_new(self.context), claim_due(self.context, ALL_DUE).events
            if not new and not due:
                return
            for each in due:
                process_claimed(self.context, **asdict(each))
        raise AssertionError("events wait for ever")
