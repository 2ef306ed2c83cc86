"""One request to Stripe from claim to outcome: execute it, look it up, record what it came to."""
