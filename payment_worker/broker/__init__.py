"""Celery's Redis transport, consumer, pool and request classes, hardened and redacted for payments."""
