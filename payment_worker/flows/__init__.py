"""What we do, in plain words: note, ask Stripe, note again."""
