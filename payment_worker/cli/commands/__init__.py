"""The command groups of `payment-worker`, one module each."""
