"""Attempts: what a request to Stripe came to, when it is tried again, and which declines allow that."""
