"""The tables of reconciliation: runs, candidates for lost payments, and findings."""
