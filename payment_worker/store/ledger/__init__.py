"""The tables of the ledger: entries with postings, balance transactions, payouts, imports and proofs."""
