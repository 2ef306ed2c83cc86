"""The webhook receiver: stores a Stripe event before acknowledging it, then notifies a worker."""
