"""Balance transactions, the balance and payouts."""
