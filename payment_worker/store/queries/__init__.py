"""Reads that span tables: backlogs, a payment's timeline, reconciliation, and what retention archives."""
