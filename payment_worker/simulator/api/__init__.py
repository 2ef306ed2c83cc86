"""The simulator's HTTP API as Stripe's: authentication, parameters, idempotency, lists, errors."""
