"""HTTP to Stripe: connection, deadline, retries, and an outcome for each error."""
