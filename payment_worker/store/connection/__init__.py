"""Connects to PostgreSQL: addresses, pools, transactions, timeouts, outages by SQLSTATE, migrations."""
