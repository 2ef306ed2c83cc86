"""The checks of `payment-worker doctor`: connections, backlog, and the report that they add up to."""
