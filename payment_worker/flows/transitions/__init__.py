"""Applies snapshots of Stripe objects to our records, with history, messages and findings."""
