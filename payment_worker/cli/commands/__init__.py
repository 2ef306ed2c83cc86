"""The commands of `payment-worker`, one module for each group, loaded when one of them is called."""
