"""The ledger: imports Stripe's balance transactions and payouts, posts them beside our records, proves the balance."""
