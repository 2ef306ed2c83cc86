"""Signs and verifies the metadata of Stripe objects with a MAC, which proves that we created them.

Everybody who may write to the Stripe account can write our ids into the metadata of any object. A MAC over these
ids and over the object's own fields cannot be made without the secret, nor moved to an object of another amount,
currency or account. It can be copied to one with the same fields: of two such objects neither is proven.
"""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

VERSION: Final = "v1"
"""Before each MAC: another encoding, or another algorithm, gets another one."""

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an object says it is: a payment, or a refund of one."""

    payment_id: UUID
    refund_id: UUID | None = None
    order_id: str
    amount: int
    """The object's own, in minor units, as are currency and account."""
    currency: str
    stripe_account: str


def sign(claim: Claim, secrets: Sequence[str]) -> str:
    """The MAC of a claim under the first of the secrets."""
    return _mac(claim, secrets[0])


def is_signed(claim: Claim, mac: str, secrets: Sequence[str]) -> bool:
    """Whether this is the claim's MAC under any of the secrets."""
    given_mac = mac.encode(errors="replace")
    return any(hmac.compare_digest(_mac(claim, secret).encode(), given_mac) for secret in secrets)


def _mac(claim: Claim, secret: str) -> str:
    digest = hmac.digest(secret.encode(), _encoded(claim), "sha256")
    return f"{VERSION}:{digest.hex()}"


def _encoded(claim: Claim) -> bytes:
    """The claim as a JSON array, unambiguous: every part has its position and is quoted."""
    values = [
        "payment_worker",
        VERSION,
        "refund" if claim.refund_id else "payment",
        str(claim.payment_id),
        str(claim.refund_id or ""),
        claim.order_id,
        claim.amount,
        claim.currency.upper(),
        claim.stripe_account,
    ]
    return _ENCODER.encode(values).encode()
