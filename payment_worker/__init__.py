"""Payment Worker: a Celery worker that charges and refunds through Stripe and records every outcome in PostgreSQL."""

__version__ = "0.1.0"
