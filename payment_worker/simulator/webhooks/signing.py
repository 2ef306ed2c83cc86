"""Signs deliveries: the `Stripe-Signature` header, one HMAC for each secret of the endpoint."""

import hashlib
import hmac
from collections.abc import Iterable


def signature_header(body: bytes, secrets: Iterable[str], *, at: int) -> str:
    """Sign `at.body` with every secret; `at` in Unix seconds."""
    signed = f"{at}.".encode() + body
    digests = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join((f"t={at}", *(f"v1={digest}" for digest in digests)))
