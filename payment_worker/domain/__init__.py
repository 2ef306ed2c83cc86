"""Business rules of payments, refunds and disputes: pure functions and values, without I/O, clock or randomness."""
