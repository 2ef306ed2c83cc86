"""The tables of reconciliation: runs, the candidates that they compare, and findings."""
