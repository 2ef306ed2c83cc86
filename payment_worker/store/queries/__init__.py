"""Reads that span tables: backlogs, a payment's timeline, reconciliation, the ledger, the console."""
