"""Stripe's events: the inbox, the poll, the dispatcher and one handler for each kind of object."""
