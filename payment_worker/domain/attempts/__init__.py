"""Attempts: the outcome of a request to Stripe, when it is retried, and which declines allow a retry."""
