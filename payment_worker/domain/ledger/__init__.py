"""The double-entry ledger: its accounts, and what each fact posts on them."""
