"""The tables of Stripe's events: the inbox, and how far each poll has read."""
