"""The worker's Celery policy, where one looks for it in a checkout. It is not installed with the package."""

from payment_worker.celeryconfig import *  # noqa: F403 its names are Celery's settings
