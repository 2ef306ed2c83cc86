"""The ways to change a payment that Stripe knows, as another app asks for them, and how each must end."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from payment_worker.devstack.waiting import wait_until
from tests.acceptance.scene import Json, Scene

POOR = "pm_card_visa_chargeDeclinedInsufficientFunds"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One way to change a payment: the task, what Stripe is asked by it, and how the payment ends."""

    task: str
    endpoint: str
    ends: str
    charge: Json
    starts: str
    arguments: Json = field(default_factory=dict)

    def begin(self, scene: Scene) -> str:
        """A payment that can be changed so."""
        payment_id = scene.charge(**self.charge)
        scene.payment(payment_id, self.starts)
        return payment_id

    def send(self, scene: Scene, payment_id: str, **options: object) -> str:
        """Ask for it, and return the message's id."""
        arguments = {"payment_id": payment_id, **self.arguments}
        return scene.producer.send(self.task, "charges", arguments, **options)

    def asked(self, scene: Scene, payment_id: str) -> list[Json]:
        """What Stripe was asked."""
        (payment,) = scene.rows("SELECT * FROM payment WHERE payment_id = %s", payment_id)
        intent = payment["stripe_payment_intent_id"]
        journal = scene.simulator.journal(payment_intent=intent)
        return [each for each in journal if each["endpoint"] == self.endpoint]

    def wait_until_asked(self, scene: Scene, payment_id: str) -> None:
        """Wait until Stripe has heard of it."""
        wait_until(lambda: self.asked(scene, payment_id), seconds=20, what=f"{self.task} of {payment_id}")

    def wait_until_answered(self, scene: Scene, payment_id: str) -> None:
        """Wait until it is known what came of it."""
        query = "SELECT finished_at FROM payment_attempt WHERE payment_id = %s AND action <> 'charge'"

        def answered() -> bool:
            found = [row["finished_at"] for row in scene.rows(query, payment_id)]
            return bool(found) and None not in found

        wait_until(answered, seconds=60, what=f"an answer to {self.task} of {payment_id}")

    def ends_once(self, scene: Scene, payment_id: str) -> None:
        """It ends as it should, and Stripe did it once, under one key with the same bytes unless nothing was done."""
        scene.payment(payment_id, self.ends)
        asked = self.asked(scene, payment_id)
        assert sum(each["effect"] for each in asked) == 1
        done = [each["key"] for each in asked if each["effect"]]
        assert len({each["body"] for each in asked if each["key"] == done[0]}) == 1
        assert scene.history(payment_id)[-1] == self.ends


CHANGES: Mapping[str, Change] = {
    "capture": Change(
        task="payment_worker.capture",
        endpoint="payment_intents.capture",
        charge={"capture_method": "manual"},
        starts="AUTHORIZED",
        ends="SUCCEEDED",
    ),
    "partial capture": Change(
        task="payment_worker.capture",
        endpoint="payment_intents.capture",
        charge={"capture_method": "manual"},
        starts="AUTHORIZED",
        ends="SUCCEEDED",
        arguments={"amount": 1234},
    ),
    "cancellation": Change(
        task="payment_worker.cancel",
        endpoint="payment_intents.cancel",
        charge={"capture_method": "manual"},
        starts="AUTHORIZED",
        ends="CANCELED",
        arguments={"reason": "out of stock"},
    ),
    "another try": Change(
        task="payment_worker.retry_charge",
        endpoint="payment_intents.confirm",
        charge={"payment_method": POOR},
        starts="FAILED",
        ends="SUCCEEDED",
        arguments={"payment_method": "pm_card_visa"},
    ),
    "another try that is declined": Change(
        task="payment_worker.retry_charge",
        endpoint="payment_intents.confirm",
        charge={"payment_method": POOR},
        starts="FAILED",
        ends="FAILED",
    ),
}
