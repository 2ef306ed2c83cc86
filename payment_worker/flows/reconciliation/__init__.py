"""Comparing a period of our records with Stripe's lists, and repairing or reporting each difference."""
