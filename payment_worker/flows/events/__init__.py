"""Processes Stripe events: inbox, poll, dispatcher, and one handler per object."""
