"""The tables of payments, attempts, refunds and disputes, and their history."""
