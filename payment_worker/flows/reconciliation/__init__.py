"""Reconciles a period: compares our rows with Stripe's lists, and repairs or reports each difference."""
