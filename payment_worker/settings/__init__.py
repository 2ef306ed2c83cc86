"""What may be set, read from the environment and checked at once."""

from payment_worker.settings.environment import SettingsError
from payment_worker.settings.model import MAX_REDELIVERIES, Role, Settings

__all__ = ["MAX_REDELIVERIES", "Role", "Settings", "SettingsError"]
