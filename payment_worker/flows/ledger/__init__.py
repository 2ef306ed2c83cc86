"""The ledger: imports Stripe's balance transactions and payouts, posts them against our records, proves the balance."""
