"""Rate limit and circuit breaker for calls to Stripe, shared by all workers through Redis."""
