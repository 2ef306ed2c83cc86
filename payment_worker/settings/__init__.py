"""Settings, read from the environment and validated at start."""

from payment_worker.settings.environment import SettingsError
from payment_worker.settings.model import MAX_REDELIVERIES, Role, Settings

__all__ = ["MAX_REDELIVERIES", "Role", "Settings", "SettingsError"]
