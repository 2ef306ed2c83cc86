"""When Stripe calls us: an event is stored before it is acknowledged, and a worker is told of it."""
