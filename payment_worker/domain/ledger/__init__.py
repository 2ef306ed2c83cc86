"""The double-entry ledger: its accounts, and the postings of each fact."""
