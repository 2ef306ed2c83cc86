"""What a snapshot of a Stripe object changes in our record, as values; never backwards, never older than the record."""
