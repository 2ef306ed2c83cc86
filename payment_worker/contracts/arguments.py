"""The Pydantic types of task arguments, such as ids, amounts and currencies."""

import re
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, WithJsonSchema

from payment_worker.contracts.card_numbers import has_card_number
from payment_worker.contracts.faults import fault
from payment_worker.domain.money import CURRENCIES, Currency, amount_fault, part_fault

RESERVED_PREFIX = "payment_worker"
"""Metadata keys that begin so are ours: we find our own objects at Stripe by them."""
_OUR_METADATA_KEYS = 3
_METADATA_KEYS = 50 - _OUR_METADATA_KEYS
_METADATA_KEY_LENGTH = 40
_METADATA_VALUE_LENGTH = 500

_CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ANY_UUID = re.compile(rf"(?i:urn:uuid:)?(?:{_CANONICAL_UUID.pattern}|\{{{_CANONICAL_UUID.pattern}\}})")
MOST = 2**63 - 1
"""PostgreSQL's bigint."""
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_NOT_IN_DESCRIPTORS = frozenset("<>\\'\"*")
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_ANY_CURRENCY = Currency("", 0, None, max(currency.maximum for currency in CURRENCIES.values()), 1)


def _storable(text: str) -> str:
    # PostgreSQL holds neither. Pydantic itself rejects half a surrogate pair only in a text whose length is limited.
    if "\0" in text:
        raise fault("nul_character", "must not contain NUL characters")
    if not text.isascii() and _HALF_A_PAIR.search(text):
        raise fault("not_unicode", "must be valid Unicode")
    return text


def _clean(text: str) -> str:
    _storable(text)
    if has_card_number(text):
        raise fault("card_number", "must not contain a card number")
    return text


def _uuid(value: object) -> object:
    if isinstance(value, str):
        if not _CANONICAL_UUID.fullmatch(value):
            raise fault(
                "not_a_uuid",
                "must be a UUID in its canonical form, 8-4-4-4-12 hexadecimal digits; one that is always the same for "
                "a number of your own is its uuid5 (docs: Integrate)",
            )
        return UUID(value)
    return value


def _own_id(text: str) -> str:
    """A UUID in its canonical form, in whatever way it was written; any other text as it is."""
    try:
        return str(UUID(text)) if _ANY_UUID.fullmatch(text) else text
    except ValueError:
        return text


def _currency(code: str) -> str:
    upper = code.upper()
    if upper not in CURRENCIES:
        raise fault(
            "unknown_currency", "must be an ISO 4217 code of a currency in which Stripe charges cards"
        )
    return upper


def _positive(amount: int) -> int:
    if found_fault := part_fault(amount, _ANY_CURRENCY):
        raise fault(found_fault.code, found_fault.message)
    return amount


def _chargeable(amount: int, info: ValidationInfo) -> int:
    currency = CURRENCIES.get(info.data.get("currency", ""))
    if currency is None:  # which is a fault of its own
        return _positive(amount)
    if found := amount_fault(amount, currency):
        raise fault(found.code, found.message)
    return amount


def _descriptor(text: str) -> str:
    if not _NOT_IN_DESCRIPTORS.isdisjoint(text):
        raise fault("forbidden_character", "must contain none of < > \\ ' \" *")
    return text


def _metadata(metadata: dict[str, str]) -> dict[str, str]:
    if len(metadata) > _METADATA_KEYS:
        raise fault(
            "too_many_keys", f"must have at most {_METADATA_KEYS} keys: Stripe takes 50, some are ours"
        )
    for key, value in metadata.items():
        _metadata_key(key)
        if len(value) > _METADATA_VALUE_LENGTH:
            raise fault("too_long", f"must have values of at most {_METADATA_VALUE_LENGTH} characters")
        _clean(value)
    return dict(sorted(metadata.items()))


def _metadata_key(key: str) -> None:
    if not 0 < len(key) <= _METADATA_KEY_LENGTH:
        raise fault("too_long", f"must have keys of 1 to {_METADATA_KEY_LENGTH} characters")
    if not {"[", "]"}.isdisjoint(key):
        raise fault("forbidden_character", "must have no square brackets in its keys")
    if key.startswith(RESERVED_PREFIX):
        raise fault("reserved", f"must have no key that begins with {RESERVED_PREFIX}: those are ours")
    _clean(key)


def _instant(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise fault("not_an_instant", "must be a date or an instant in ISO 8601") from None
    if isinstance(value, datetime):
        if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            raise fault("out_of_range", f"must lie in the years {_FIRST_YEAR} to {_LAST_YEAR}")
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


# What the validators above require, as far as JSON Schema can express it.
_POSITIVE = WithJsonSchema({"type": "integer", "exclusiveMinimum": 0})
_METADATA = WithJsonSchema(
    {
        "type": "object",
        "maxProperties": _METADATA_KEYS,
        "propertyNames": {"pattern": rf"^(?!{RESERVED_PREFIX})[^\[\]]{{1,{_METADATA_KEY_LENGTH}}}$"},
        "additionalProperties": {"type": "string", "maxLength": _METADATA_VALUE_LENGTH},
    }
)

Id = Annotated[UUID, BeforeValidator(_uuid)]
OwnId = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=255),
    AfterValidator(_clean),
    AfterValidator(_own_id),
]
"""An id of the caller's own: any text. A UUID's case and braces make no difference."""
CurrencyCode = Annotated[
    str, StringConstraints(strict=True, pattern="^[A-Za-z]{3}$"), AfterValidator(_currency)
]
ChargeAmount = Annotated[int, Field(strict=True), AfterValidator(_chargeable), _POSITIVE]
"""Minor units. Judged by the field `currency`, which must come before it in the model."""
PartAmount = Annotated[int, Field(strict=True), AfterValidator(_positive), _POSITIVE]
"""Minor units of a currency that only the payment's row knows."""

FeeAmount = Annotated[int, Field(strict=True, ge=0, le=MOST)]
"""Minor units. Stripe checks the amount, and limits it to the charge's amount."""

StripeId = Annotated[
    str,
    StringConstraints(strict=True, max_length=255, pattern="^[A-Za-z]+_[A-Za-z0-9_]+$"),
    AfterValidator(_clean),
]
PaymentIntentId = Annotated[
    str, StringConstraints(strict=True, max_length=255, pattern="^pi_[A-Za-z0-9_]+$"), AfterValidator(_clean)
]
EventId = Annotated[
    str, StringConstraints(strict=True, max_length=255, pattern="^evt_[A-Za-z0-9_]+$"), AfterValidator(_clean)
]
StripeCustomer = Annotated[
    str, StringConstraints(strict=True, max_length=255, pattern="^cus_[A-Za-z0-9_]+$"), AfterValidator(_clean)
]
StripeAccount = Annotated[
    str,
    StringConstraints(strict=True, max_length=255, pattern="^acct_[A-Za-z0-9_]+$"),
    AfterValidator(_clean),
]
AccountName = Annotated[
    str,
    StringConstraints(strict=True, max_length=40, pattern="^[A-Za-z][A-Za-z0-9_-]*$"),
    AfterValidator(_clean),
]
"""A name of STRIPE_API_KEYS."""
Mandate = Annotated[
    str,
    StringConstraints(strict=True, max_length=255, pattern="^mandate_[A-Za-z0-9_]+$"),
    AfterValidator(_clean),
]
ConfirmationToken = Annotated[
    str,
    StringConstraints(strict=True, max_length=255, pattern="^ctoken_[A-Za-z0-9_]+$"),
    AfterValidator(_clean),
]
WebAddress = Annotated[
    str,
    StringConstraints(strict=True, max_length=2048, pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://\S+$"),
    AfterValidator(_clean),
]
"""Also an app's own URL scheme, which Stripe accepts too."""
Description = Annotated[str, StringConstraints(strict=True, max_length=1000), AfterValidator(_clean)]
DescriptorSuffix = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=22),
    AfterValidator(_clean),
    AfterValidator(_descriptor),
]
Email = Annotated[
    str, StringConstraints(strict=True, max_length=512, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(_clean)
]
YesOrNo = Annotated[
    bool, Field(strict=True), BeforeValidator(lambda given: False if given is None else given)
]
"""`null` is no."""
YesUnlessNo = Annotated[
    bool, Field(strict=True), BeforeValidator(lambda given: True if given is None else given)
]
"""`null` is yes."""
ShortText = Annotated[str, StringConstraints(strict=True, max_length=255), AfterValidator(_clean)]
LongText = Annotated[str, StringConstraints(strict=True, max_length=5000), AfterValidator(_clean)]
Payload = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=1_048_576), AfterValidator(_storable)
]
Header = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=4096), AfterValidator(_storable)
]
Metadata = Annotated[dict[str, str], Field(strict=True), AfterValidator(_metadata), _METADATA]
"""Strings only: what a number or a boolean would become at Stripe is not ours to guess."""
Instant = Annotated[datetime, BeforeValidator(_instant)]
"""Aware, in UTC. Without an offset it is read as UTC, a bare date as its first moment."""
