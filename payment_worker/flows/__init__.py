"""The use cases: what tasks, webhook and command line do with the database and Stripe."""
