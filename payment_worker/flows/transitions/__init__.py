"""Applying snapshots of Stripe's objects to our records, with history, messages and findings."""
