"""The kinds of values that settings have, each checked where it is read. No message tells a secret's value."""

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86_400)]


def _comma_separated(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _postgresql(url: SecretStr) -> SecretStr:
    if urlsplit(url.get_secret_value()).scheme not in {"postgresql", "postgres"}:
        raise ValueError("must begin with postgresql://")
    return url


def _redis(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value().split(";")[0])
    if parts.scheme not in {"redis", "rediss", "sentinel"}:
        raise ValueError("must begin with redis://, rediss:// or sentinel://")
    # kombu's bare rediss:// accepts any certificate (seen with 5.7.0).
    strict = (["CERT_REQUIRED"], ["required"])
    if parts.scheme == "rediss" and parse_qs(parts.query).get("ssl_cert_reqs") not in strict:
        raise ValueError("rediss:// needs ?ssl_cert_reqs=CERT_REQUIRED, else any certificate is accepted")
    return url


def _backend(url: SecretStr) -> SecretStr:
    scheme, found, _ = url.get_secret_value().partition("://")
    if not found:
        raise ValueError("must be a URL that Celery takes, such as redis://host/1")
    return _redis(url) if scheme in {"redis", "rediss", "sentinel"} else url


# Known mistakes are refused, and no others: Stripe may give its keys new beginnings.
def _no_key_for_browsers(key: SecretStr) -> SecretStr:
    value = key.get_secret_value()
    if value.startswith("pk_"):
        raise ValueError(
            "this is a publishable key, which may charge nobody: the secret one begins with sk_ or rk_"
        )
    if value.startswith("whsec_"):
        raise ValueError("this is a webhook's signing secret: the key begins with sk_ or rk_")
    return key


def _no_api_keys(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if any(secret.get_secret_value().startswith(("sk_", "rk_", "pk_")) for secret in secrets):
        raise ValueError("this is a key of Stripe's API: an endpoint's signing secret begins with whsec_")
    return secrets


DatabaseURL = Annotated[SecretStr, AfterValidator(_postgresql)]
RedisURL = Annotated[SecretStr, AfterValidator(_redis)]
BackendURL = Annotated[SecretStr, AfterValidator(_backend)]
APIKey = Annotated[SecretStr, AfterValidator(_no_key_for_browsers)]
SigningSecrets = Annotated[
    tuple[SecretStr, ...], BeforeValidator(_comma_separated), AfterValidator(_no_api_keys)
]
