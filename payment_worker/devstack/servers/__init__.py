"""PostgreSQL, Valkey and the Stripe simulator as child processes."""
