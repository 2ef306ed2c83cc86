"""The Stripe gateway: the only package that imports Stripe's SDK."""

from payment_worker.optional_packages import without

with without("requests"):  # an HTTP client; the SDK is given ours (stripe 16.1.0)
    import stripe

__all__ = ["stripe"]
