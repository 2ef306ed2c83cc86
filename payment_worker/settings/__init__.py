"""Settings, read from the environment and validated at start."""

from payment_worker.settings.environment import SettingsError
from payment_worker.settings.load import Role, Settings
from payment_worker.settings.relations import MAX_REDELIVERIES
from payment_worker.settings.values import named_secret

__all__ = ["MAX_REDELIVERIES", "Role", "Settings", "SettingsError", "named_secret"]
