"""The types of settings and their validation; no error quotes a secret."""

import re
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from payment_worker.domain.accounts import PLATFORM
from payment_worker.settings import postgresql, redis
from payment_worker.settings.ports import check_host

Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86_400)]


def _comma_separated(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _postgresql(url: SecretStr) -> SecretStr:
    postgresql.check(url.get_secret_value())
    return url


def _redis(url: SecretStr) -> SecretStr:
    return SecretStr(redis.normal(url.get_secret_value()))


def _backend(url: SecretStr) -> SecretStr:
    scheme, found, _ = url.get_secret_value().partition("://")
    if not found:
        raise ValueError("must be a URL that Celery takes, such as redis://host/1")
    if scheme in redis.SCHEMES:
        return SecretStr(redis.as_kombu_says(redis.normal(url.get_secret_value())))
    from celery.app.backends import BACKEND_ALIASES  # noqa: PLC0415 - few processes need it, and it is slow to load

    if scheme.partition("+")[0] not in BACKEND_ALIASES:
        raise ValueError(f"must begin with redis://, or with one of {', '.join(sorted(BACKEND_ALIASES))}")
    return url


def _http(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host = rest.removesuffix("/")
    if scheme not in {"http", "https"} or not host or re.search(r"[/?#@\s]", host) or not host.isascii():
        raise ValueError("must be https://host or https://host:port, and nothing behind it")
    check_host(host)
    return url


# Only known mistakes are rejected: Stripe may introduce new key prefixes.
def _no_key_for_browsers(key: SecretStr) -> SecretStr:
    value = key.get_secret_value()
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("a key holds no blanks and nothing beyond ASCII")
    if value.startswith("pk_"):
        raise ValueError(
            "this is a publishable key, which may charge nobody: the secret one begins with sk_ or rk_"
        )
    if value.startswith("whsec_"):
        raise ValueError("this is a webhook's signing secret: the key begins with sk_ or rk_")
    return key


_NAMED_KEY: Final = re.compile(r'\s*"?([^"=:]*)"?\s*[=:]\s*"?([^"]*)"?\s*')
_NAMED_SECRET: Final = re.compile(r"([^=]*)=(whsec_.*)")
_ACCOUNT: Final = re.compile(r"(?!acct_)[A-Za-z][A-Za-z0-9_-]{0,39}")


def named_secret(text: str) -> tuple[str, str]:
    """The account's name, which may be empty, and the secret of `name=secret`."""
    name, _, secret = text.partition("=")
    return name, secret


def _account_name(name: str) -> str:
    if not _ACCOUNT.fullmatch(name) or name == PLATFORM:
        raise ValueError(
            "an account's name is up to 40 letters, digits, - and _, and begins with a letter; "
            f"neither {PLATFORM} nor Stripe's acct_…"
        )
    return name


def _named_keys(value: object) -> object:
    """As `name=key`, whichever of the accepted forms was given."""
    if not isinstance(value, str):
        return value
    pairs = []
    for part in value.strip().removeprefix("{").removesuffix("}").split(","):
        if part.strip():
            match = _NAMED_KEY.fullmatch(part)
            if match is None:
                raise ValueError("must be name=key, several with commas between")
            pairs.append(f"{match[1].strip()}={match[2].strip()}")
    return tuple(pairs)


def _keys(pairs: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    named = [named_secret(pair.get_secret_value()) for pair in pairs]
    for name, key in named:
        _account_name(name)
        _no_key_for_browsers(SecretStr(key))
    if any(len(set(each)) < len(named) for each in zip(*named, strict=True)):
        raise ValueError("names an account or a key twice")
    return pairs


def _endpoint_secrets(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    """As `name=secret`, with an empty name for the default account's."""
    named = []
    for each in secrets:
        match = _NAMED_SECRET.fullmatch(each.get_secret_value())
        named.append((_account_name(match[1]), match[2]) if match else ("", each.get_secret_value()))
    _no_api_keys([secret for _, secret in named])
    if len({secret for _, secret in named}) < len(set(named)):
        raise ValueError("has one secret for two accounts: it tells which one an event is of")
    return tuple(SecretStr(f"{name}={secret}") for name, secret in named)


def _no_api_keys(secrets: Iterable[str]) -> None:
    if any(secret.startswith(("sk_", "rk_", "pk_")) for secret in secrets):
        raise ValueError("this is a key of Stripe's API: an endpoint's signing secret begins with whsec_")


SHORTEST_SECRET = 32
"""Characters: 128 bits if they are random hexadecimal digits, which cannot be guessed."""

FEWEST_CHARACTERS = 8
"""Different ones: no random secret of that length has so few."""


def _no_weak_secrets(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    values = [secret.get_secret_value() for secret in secrets]
    if any(len(value) < SHORTEST_SECRET or len(set(value)) < FEWEST_CHARACTERS for value in values):
        raise ValueError(
            f"each must be random, of at least {SHORTEST_SECRET} characters: make one with openssl rand -hex 32"
        )
    if any(value.startswith(("sk_", "rk_", "pk_", "whsec_")) for value in values):
        raise ValueError(
            "this is a secret of Stripe's, which others know: make one with openssl rand -hex 32"
        )
    return secrets


def _users(pairs: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    names = [_user(pair.get_secret_value()) for pair in pairs]
    if len(names) != len(set(names)):
        raise ValueError("names a user twice")
    return pairs


def _user(pair: str) -> str:
    name, _, password = pair.partition(":")
    if not name or not password:
        raise ValueError("must be user:password, several with commas between; neither may be empty")
    return name


def _networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        try:
            ip_network(text)
        except ValueError:
            raise ValueError("must be addresses or networks: 127.0.0.1, 10.0.0.0/8, ::1") from None
    return texts


DatabaseURL = Annotated[SecretStr, AfterValidator(_postgresql)]
RedisURL = Annotated[SecretStr, AfterValidator(_redis)]
HttpURL = Annotated[str, AfterValidator(_http)]
BackendURL = Annotated[SecretStr, AfterValidator(_backend)]
APIKey = Annotated[SecretStr, AfterValidator(_no_key_for_browsers)]
SigningSecrets = Annotated[
    tuple[SecretStr, ...], BeforeValidator(_comma_separated), AfterValidator(_endpoint_secrets)
]
NamedKeys = Annotated[tuple[SecretStr, ...], BeforeValidator(_named_keys), AfterValidator(_keys)]
MetadataSecrets = Annotated[
    tuple[SecretStr, ...], BeforeValidator(_comma_separated), AfterValidator(_no_weak_secrets)
]
ConsoleUsers = Annotated[tuple[SecretStr, ...], BeforeValidator(_comma_separated), AfterValidator(_users)]
Names = Annotated[tuple[str, ...], BeforeValidator(_comma_separated)]
Networks = Annotated[tuple[str, ...], BeforeValidator(_comma_separated), AfterValidator(_networks)]
