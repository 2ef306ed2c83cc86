"""What must hold between two settings, each of which may be well-formed by itself."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

from pydantic import SecretStr

from payment_worker.settings.fields import Fields
from payment_worker.settings.ports import is_open_http
from payment_worker.settings.values import named_secret

MAX_REDELIVERIES: Final = 10
"""A message that came back so often has outlived as many workers, or no task could be ended properly."""

NAMES: Final[Mapping[str, str]] = {name: str(field.alias) for name, field in Fields.model_fields.items()}
"""A field's name in the environment."""


def _is_live(settings: Fields) -> bool:
    """Whether the Stripe key is a live one."""
    return settings.stripe_api_key is not None and _mode_of(settings.stripe_api_key) == "live"


def _mode_of(key: SecretStr) -> str:
    return "live" if key.get_secret_value().startswith(("sk_live_", "rk_live_")) else "test"


def _users(settings: Fields) -> set[str]:
    return {pair.get_secret_value().partition(":")[0] for pair in settings.console_auth}


def _mode(settings: Fields) -> str:
    return "live" if _is_live(settings) else "test"


def _key(named: SecretStr) -> SecretStr:
    return SecretStr(named_secret(named.get_secret_value())[1])


def _names(named: Iterable[SecretStr]) -> set[str]:
    return {named_secret(each.get_secret_value())[0] for each in named} - {""}


def _modes(settings: Fields) -> set[str]:
    return {_mode_of(_key(each)) for each in settings.stripe_api_keys}


class Relation(NamedTuple):
    """What must hold between two settings."""

    one: str
    other: str
    holds: Callable[[Fields], bool]
    fault: str

    def is_broken(self, settings: Fields, wrong: Collection[str]) -> bool:
        """Whether it does not hold, as far as both are known: a value that is wrong by itself is like none."""
        return not {NAMES[self.one], NAMES[self.other]} & set(wrong) and not self.holds(settings)


RELATIONS: Final = (
    Relation(
        "stripe_timeout",
        "lease",
        lambda settings: settings.stripe_timeout < settings.lease,
        "PAYMENT_WORKER_STRIPE_TIMEOUT must be less than PAYMENT_WORKER_LEASE: a call may not outlive it",
    ),
    Relation(
        "stripe_timeout",
        "absence_delay",
        lambda settings: settings.stripe_timeout < settings.absence_delay,
        "PAYMENT_WORKER_STRIPE_TIMEOUT must be less than PAYMENT_WORKER_ABSENCE_DELAY: "
        "a request may still be executing when its absence would be believed",
    ),
    Relation(
        "stripe_api_base",
        "stripe_api_key",
        lambda settings: not (_is_live(settings) and is_open_http(settings.stripe_api_base)),
        "STRIPE_API_BASE must begin with https:// where STRIPE_API_KEY is a live key: anybody on the way could read it",
    ),
    Relation(
        "stripe_mode",
        "stripe_api_key",
        lambda settings: (
            not (settings.stripe_mode and settings.stripe_api_key) or settings.stripe_mode == _mode(settings)
        ),
        "PAYMENT_WORKER_STRIPE_MODE must say what STRIPE_API_KEY is: one is of test mode, the other is live",
    ),
    Relation(
        "stripe_api_keys",
        "stripe_api_key",
        lambda settings: not settings.stripe_api_keys or bool(settings.stripe_api_key),
        "STRIPE_API_KEY must be set beside STRIPE_API_KEYS: it is the default account's",
    ),
    Relation(
        "stripe_api_keys",
        "stripe_api_key",
        lambda settings: not settings.stripe_api_key or _modes(settings) <= {_mode(settings)},
        "STRIPE_API_KEYS must be of the same mode as STRIPE_API_KEY: some are of test mode, others live",
    ),
    Relation(
        "stripe_api_keys",
        "stripe_api_key",
        lambda settings: settings.stripe_api_key not in [_key(each) for each in settings.stripe_api_keys],
        "STRIPE_API_KEYS has the key of STRIPE_API_KEY: leave it out",
    ),
    Relation(
        "stripe_webhook_secret",
        "stripe_api_keys",
        lambda settings: (
            not settings.stripe_api_key
            or _names(settings.stripe_webhook_secret) <= _names(settings.stripe_api_keys)
        ),
        "STRIPE_WEBHOOK_SECRET names an account that has no key in STRIPE_API_KEYS",
    ),
    Relation(
        "console_operators",
        "console_auth",
        lambda settings: (
            # Other processes are given the names with the rest, and not the passwords.
            not settings.console_auth
            or bool(settings.console_user_header)
            or set(settings.console_operators) <= _users(settings)
        ),
        "PAYMENT_WORKER_CONSOLE_OPERATORS names a user who is not in PAYMENT_WORKER_CONSOLE_AUTH",
    ),
    # Between this and the lease messages are only run twice, which does no harm; `doctor` notes it.
    Relation(
        "visibility_timeout",
        "lease",
        lambda settings: settings.lease <= MAX_REDELIVERIES * settings.visibility_timeout,
        "PAYMENT_WORKER_VISIBILITY_TIMEOUT must be at least a tenth of PAYMENT_WORKER_LEASE, and should be more than "
        "all of it: what waits for a task that takes its whole lease would be set aside without having been run",
    ),
)
