"""Computes what a snapshot of a Stripe object changes in our record: never backwards, never from an older snapshot."""
