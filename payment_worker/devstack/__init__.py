"""Runs the whole system on one machine: PostgreSQL, Valkey, simulator, every process of the worker, and the demo."""
