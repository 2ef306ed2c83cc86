"""Reaching PostgreSQL: addresses, pools and transactions, their time limits, outages by SQLSTATE, and migrations."""
