"""Reads the settings of `fields` from the environment, and reports every fault at once."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import ValidationError, model_validator

from payment_worker.settings.environment import SettingsError, error_text, unknown_in, values_in
from payment_worker.settings.fields import Fields
from payment_worker.settings.relations import MAX_REDELIVERIES, NAMES, RELATIONS

Role = Literal["broker", "database", "stripe", "webhook", "console"]

_NEEDED: Mapping[Role, tuple[str, ...]] = {
    "broker": ("redis_url",),
    "database": ("database_url",),
    "stripe": ("stripe_api_key",),
    "webhook": ("stripe_webhook_secret",),
    "console": ("console_auth",),
}
_BESIDES: Mapping[Role, tuple[str, ...]] = {"stripe": ("stripe_api_keys",)}
"""What else only this role reads."""
_INSTEAD: Mapping[str, str] = {"console_auth": "console_user_header"}
"""A setting that does in the place of a needed one."""


class Settings(Fields):
    """All settings, read and checked."""

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        needed_by: Iterable[Role] = ("broker",),
        without: Iterable[Role] = (),
    ) -> "Settings":
        """Read, check and freeze the settings.

        Args:
            environ: names and values; the process's own environment when not given.
            needed_by: the roles whose values must be present, not only well-formed.
            without: the roles that this process has no part in: their values are not even read.

        Raises:
            SettingsError: one line for every fault, never with a secret's value.
        """
        environ = os.environ if environ is None else environ
        unneeded = {NAMES[name] for role in without for name in (*_NEEDED[role], *_BESIDES.get(role, ()))}
        values, unread = values_in(environ, [name for name in NAMES.values() if name not in unneeded])
        settings, invalid = _without_faulty(values)
        wrong = {**unread, **invalid}
        needed = [name for role in needed_by for name in _NEEDED[role]]
        missing = [
            NAMES[name]
            for name in needed
            if not getattr(settings, name) and not getattr(settings, _INSTEAD.get(name, name))
        ]
        faults = [
            *unknown_in(environ, NAMES.values()),
            *wrong.values(),
            *(f"{name}: must be set" for name in missing if name not in wrong),
            *(relation.fault for relation in RELATIONS if relation.is_broken(settings, wrong)),
        ]
        if faults:
            raise SettingsError(faults)
        return settings

    @model_validator(mode="after")
    def _defaults_fit(self) -> Self:
        """Shorten dependent defaults, so that one time can be shortened alone."""
        if "lease" not in self.model_fields_set:
            object.__setattr__(self, "lease", min(self.lease, MAX_REDELIVERIES * self.visibility_timeout))
        if "stripe_timeout" not in self.model_fields_set:
            fitting = min(self.stripe_timeout, self.lease / 2, self.absence_delay / 2)
            object.__setattr__(self, "stripe_timeout", fitting)
        return self


def _without_faulty(values: Mapping[str, Any]) -> tuple[Settings, dict[str, str]]:
    """The settings without the values that are wrong, and what is wrong with these."""
    try:
        return Settings.model_validate(values), {}
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
    wrong = {str(detail["loc"][0]): error_text(detail) for detail in details}
    return Settings.model_validate({name: values[name] for name in values.keys() - wrong}), wrong
