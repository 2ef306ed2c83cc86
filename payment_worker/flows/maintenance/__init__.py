"""Periodic work: the sweep, the outbox relay, retention."""
