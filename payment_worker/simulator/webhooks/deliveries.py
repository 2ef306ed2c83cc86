"""A webhook endpoint, the delivery mode, and one delivery."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class Endpoint:
    """Where events are sent; `accounts` is own, connected or all."""

    id: str
    url: str
    secrets: list[str]
    api_version: str | None = None
    event_payload: str = "snapshot"
    """Or `thin`: what names its object, and does not carry it."""
    types: list[str] = field(default_factory=lambda: ["*"])
    accounts: str = "all"
    enabled: bool = True
    owner: tuple[str, bool] | None = None
    """The account and mode that it is of; None: the events of all accounts are sent here."""
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    created: int = 0

    def wants(self, event: Json, account_id: str) -> bool:
        """Whether this event of that account is to be sent here."""
        side = "connected" if "account" in event else "own"
        if self.owner is not None:
            account, livemode = self.owner
            if event["livemode"] is not livemode or (side == "own" and account_id != account):
                return False
        return self.enabled and self.accounts in ("all", side) and matches(self.types, event["type"])


@dataclass(slots=True)
class Mode:
    """How deliveries are treated; docs/simulator.md tells the fields."""

    mode: str = "normal"
    copies: int = 1
    shuffle: int = 0
    drop_probability: float = 0.0
    delay_seconds: float = 0.0
    types: list[str] = field(default_factory=lambda: ["*"])


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint; the attempt counts from 1."""

    event: Json
    endpoint: Endpoint
    since: float
    attempt: int = 1


def matches(types: list[str], kind: str) -> bool:
    """Whether an event type is among those named; `*` names all."""
    return "*" in types or kind in types
