"""The tables of payments, their attempts, refunds and disputes, and the history of all."""
