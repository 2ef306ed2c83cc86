"""The checks of `payment-worker doctor`, and the report that runs them."""
